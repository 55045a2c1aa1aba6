"""No error but a limit's, never over one, and the same events however the bytes arrive.

Input is an event stream.
"""

from __future__ import annotations

from typing import NamedTuple

from fasterapi.errors import EventStreamError
from fasterapi.limits import Limits
from fasterapi.protocol import EventStreamParser, ServerSentEvent

from .command import corpus, run

__all__ = ["CORPUS", "check"]

CORPUS = corpus("event_stream")
LIMITS = Limits(max_event_size=400)


class _Outcome(NamedTuple):
    events: list[ServerSentEvent]
    last_event_id: str
    retry: int | None
    error: str


def _receive(reads: list[bytes]) -> _Outcome:
    parser = EventStreamParser(limits=LIMITS)
    events: list[ServerSentEvent] = []
    error = ""
    try:
        for read in [*reads, b""]:  # an error may wait for the call behind the events before it
            events += parser.feed(read)
    except EventStreamError as raised:
        error = str(raised)
    parser.eof()
    return _Outcome(events, parser.last_event_id, parser.retry, error)


def check(data: bytes) -> None:
    """Hold an input to the invariant.

    Raises:
        AssertionError: If it does not hold.
    """
    whole = _receive([data])
    for event in whole.events:
        assert len(event.data) <= LIMITS.max_event_size, len(event.data)
    for step in (1, 7):
        assert _receive([data[at : at + step] for at in range(0, len(data), step)]) == whole


if __name__ == "__main__":
    run(check, CORPUS)
