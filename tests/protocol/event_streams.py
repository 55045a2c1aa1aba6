"""Event streams for tests: an oracle that reads one literally, and all the ways to cut one."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from fasterapi.protocol import ServerSentEvent


def event(
    data: str, event: str = "message", id: str = "", retry: int | None = None
) -> ServerSentEvent:
    return ServerSentEvent(data, event, id, retry)


def interpret(stream: bytes) -> tuple[list[ServerSentEvent], str, int | None]:
    """Read a whole stream as the standard tells it, step by step and without any care for time."""
    text = stream.decode("utf-8", "replace")
    text = text[1:] if text[:1] == "\ufeff" else text
    lines = re.split("\r\n|\r|\n", text)[:-1]
    events, data, kind, id, last, retry, time = [], "", "", "", "", None, None
    for line in lines:
        if line == "":
            last = id
            if data:
                events.append(ServerSentEvent(data[:-1], kind or "message", last, retry))
            data, kind, retry = "", "", None
            continue
        field, colon, value = line.partition(":")
        if colon and value[:1] == " ":
            value = value[1:]
        if field == "data":
            data += value + "\n"
        elif field == "event":
            kind = value
        elif field == "id" and "\0" not in value:
            id = value
        elif field == "retry" and re.fullmatch("[0-9]{1,19}", value):
            time = retry = int(value)
    return events, last, time


def cuts(stream: bytes) -> st.SearchStrategy[list[bytes]]:
    """Give any division of a stream into parts, empty ones among them."""
    places = st.lists(st.integers(0, len(stream)), max_size=8).map(sorted)
    return places.map(
        lambda at: [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    )
