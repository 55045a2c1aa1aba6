"""Events to bytes: lines, fields, and what can't be sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx_sse._decoders import SSEDecoder
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import EventStreamParser, ServerSentEvent, format_event
from fasterapi.protocol.sse import KEEPALIVE, to_json


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"data": "hello"}, b"data: hello\n\n"),
        ({"data": ""}, b"data: \n\n"),
        ({"data": " lead"}, b"data:  lead\n\n"),
        ({"data": "a\nb"}, b"data: a\ndata: b\n\n"),
        ({"data": "a\n"}, b"data: a\ndata: \n\n"),
        ({"data": "\r"}, b"data: \ndata: \n\n"),
        ({"data": "a\r\nb\rc\nd"}, b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ({"data": "a\n\rb"}, b"data: a\ndata: \ndata: b\n\n"),
        ({"data": {"a": [1, "é"]}}, 'data: {"a":[1,"é"]}\n\n'.encode()),
        ({"data": 0}, b"data: 0\n\n"),
        ({"data": False}, b"data: false\n\n"),
        ({"data": "x", "event": "tick"}, b"event: tick\ndata: x\n\n"),
        ({"data": "x", "id": "7"}, b"id: 7\ndata: x\n\n"),
        ({"data": "x", "id": ""}, b"id: \ndata: x\n\n"),
        ({"data": "x", "event": ""}, b"event: \ndata: x\n\n"),
        ({"retry": 0}, b"retry: 0\n\n"),
        ({"retry": 1500}, b"retry: 1500\n\n"),
        ({"comment": ""}, b": \n\n"),
        ({"comment": "a\r\nb"}, b": a\n: b\n\n"),
        (
            {"data": "d", "event": "e", "id": "i", "retry": 1, "comment": "c"},
            b": c\nevent: e\nid: i\nretry: 1\ndata: d\n\n",
        ),
    ],
)
def test_fields_and_lines(arguments: dict[str, Any], expected: bytes) -> None:
    assert format_event(**arguments) == expected


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x0bb", "a\x0cb", "a\x85b", "a\x1cb"])
def test_only_cr_and_lf_end_a_line(text: str) -> None:
    assert format_event(text) == f"data: {text}\n\n".encode()
    assert format_event("x", event=text, id=text).count(b"\n") == 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"event": "a\nevent: b"},
        {"event": "a\rdata: x"},
        {"id": "a\nevent: b"},
        {"id": "a\rdata: x"},
        {"id": "a\0b"},
        {"retry": -1},
        {"retry": True},
        {"retry": "1\ndata:x"},
        {"retry": 1.5},
        {"event": "\ud800"},
        {"data": "\ud800"},
        {},
    ],
)
def test_what_can_not_be_sent_raises(arguments: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        format_event(**arguments)


def test_what_can_not_be_json_raises() -> None:
    with pytest.raises(TypeError):
        format_event(b"bytes are no JSON")


def test_json_is_pluggable_and_its_lines_are_split() -> None:
    def pretty(value: Any) -> str:
        return json.dumps(value, indent=1)

    assert format_event({"a": 1}, dumps=pretty) == b'data: {\ndata:  "a": 1\ndata: }\n\n'
    assert to_json({"a": "é"}) == '{"a":"é"}'


def test_the_keepalive_is_a_comment_that_dispatches_nothing() -> None:
    assert EventStreamParser().feed(KEEPALIVE + b"data: x\n\n") == [ServerSentEvent("x")]


line = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
text = st.text(st.characters(exclude_categories=["Cs"]))


@given(text, line, line, st.integers(0, 10**9))
def test_what_is_formatted_is_what_is_parsed(data: str, event: str, id: str, retry: int) -> None:
    parsed = EventStreamParser().feed(format_event(data, event=event, id=id, retry=retry))
    lines = data.replace("\r\n", "\n").replace("\r", "\n")
    assert parsed == [ServerSentEvent(lines, event or "message", id, retry)]


@given(text, line.filter(bool), st.integers(0, 10**9))
def test_httpx_sse_reads_the_same(data: str, event: str, retry: int) -> None:
    decoder = SSEDecoder()
    found = [
        decoder.decode(part)
        for part in format_event(data, event=event, retry=retry).decode().split("\n")
    ]
    (read,) = [event for event in found if event is not None]
    lines = data.replace("\r\n", "\n").replace("\r", "\n")
    assert (read.data, read.event, read.retry) == (lines, event, retry)
