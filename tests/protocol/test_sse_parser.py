"""Bytes to events, rule by rule of the WHATWG's "Interpreting an event stream"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.errors import EventStreamError
from fasterapi.limits import Limits
from fasterapi.protocol import EventStreamParser, ServerSentEvent


def event(data: str, event: str = "message", id: str = "", retry: int | None = None) -> object:
    return ServerSentEvent(data, event, id, retry)


CASES: dict[str, tuple[bytes, list[object]]] = {
    # Bytes
    "one BOM is stripped": (b"\xef\xbb\xbfdata: x\n\n", [event("x")]),
    "a second BOM is content": (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", []),
    "a later BOM is content": (b"data:a\n\n\xef\xbb\xbfdata: x\n\n", [event("a")]),
    "a BOM of UTF-16 is no BOM": (b"\xff\xfedata: x\n\ndata:y\n\n", [event("y")]),
    "bytes that are no UTF-8": (b"data: a\xffb\xc3\n\n", [event("a\ufffdb\ufffd")]),
    "text beyond ASCII": ("data: ok…😀\n\n".encode(), [event("ok…😀")]),
    # Lines
    "ends of lines": (b"data:a\rdata:b\ndata:c\r\ndata:d\n\r", [event("a\nb\nc\nd")]),
    "CR dispatches": (b"data:a\r\r", [event("a")]),
    "CRLF is one end": (b"data:a\r\n\r\ndata:b\r\n\r\n", [event("a"), event("b")]),
    "LF CR are two": (b"data:a\n\rdata:b\n\n", [event("a"), event("b")]),
    "no other end": ("data:a\u2028b\x0bc\x85\n\n".encode(), [event("a\u2028b\x0bc\x85")]),
    # Fields
    "comments": (b": c\n:data:x\ndata:y\n:\n\n", [event("y")]),
    "no colon": (b"data\n\n", [event("")]),
    "no colon, twice": (b"data\ndata\n\n", [event("\n")]),
    "empty data": (b"data:\n\n", [event("")]),
    "one space is dropped": (b"data:  a \n\n", [event(" a ")]),
    "a tab is not": (b"data:\ta\n\n", [event("\ta")]),
    "a colon in the value": (b"data:a:b: c\n\n", [event("a:b: c")]),
    "unknown fields": (b"Data:x\n data:x\ndata :x\ndata\0:x\nfoo:1\ndata:y\n\n", [event("y")]),
    "NUL in data": (b"data:\0\n\n", [event("\0")]),
    "a type": (b"event:tick\ndata:x\n\ndata:y\n\n", [event("x", "tick"), event("y")]),
    "the last type counts": (b"event:a\nevent:b\ndata:x\n\n", [event("x", "b")]),
    "an empty type": (b"event:a\nevent\ndata:x\n\n", [event("x")]),
    # IDs
    "an ID stays": (b"id:1\ndata:x\n\ndata:y\n\n", [event("x", id="1"), event("y", id="1")]),
    "an ID is reset": (b"id:1\ndata:x\n\nid\ndata:y\n\n", [event("x", id="1"), event("y")]),
    "an ID with NUL": (b"id:1\nid:2\0\ndata:x\n\n", [event("x", id="1")]),
    "an ID without data": (b"id:1\n\ndata:x\n\n", [event("x", id="1")]),
    # Reconnection time
    "retry": (b"retry:03000\ndata:x\n\ndata:y\n\n", [event("x", retry=3000), event("y")]),
    "no retry": (
        b"retry:1000x\nretry:-5\nretry:\nretry\nretry:1_0\nretry: +1\ndata:x\n\n",
        [event("x")],
    ),
    "retry in other digits": ("retry:\u0661\u0662\ndata:x\n\n".encode(), [event("x")]),
    # Dispatch
    "nothing without data": (b"event:a\nid:1\n\n\n\n", []),
    "a type is forgotten": (b"event:a\n\ndata:x\n\n", [event("x")]),
    "an event that is not ended": (b"data:a\n\ndata:b\n", [event("a")]),
    "empty lines": (b"\n\n\r\n\rdata:x\n\n\n", [event("x")]),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    stream, expected = CASES[case]
    assert EventStreamParser().feed(stream) == expected


@pytest.mark.parametrize("case", CASES)
def test_rules_byte_by_byte(case: str) -> None:
    stream, expected = CASES[case]
    parser = EventStreamParser()
    assert [found for byte in stream for found in parser.feed(bytes([byte]))] == expected


pieces = st.sampled_from(
    b"data: event: id: retry: x 1 : \0 \xef\xbb\xbf \xe2\x82\xac \xff data data:a".split(b" ")
).flatmap(lambda piece: st.sampled_from([piece, piece + b" ", b"\n", b"\r", b"\r\n"]))


@given(st.lists(pieces, max_size=40).map(b"".join), st.data())
def test_no_cut_changes_anything(stream: bytes, draw: st.DataObject) -> None:
    whole, cut, single = (EventStreamParser() for _ in range(3))
    at = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    parts = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    expected = whole.feed(stream)
    assert [found for part in parts for found in cut.feed(part)] == expected
    assert [found for byte in stream for found in single.feed(bytes([byte]))] == expected
    assert cut.last_event_id == single.last_event_id == whole.last_event_id
    assert cut.retry == single.retry == whole.retry


def test_the_id_is_committed_by_the_empty_line_and_retry_at_once() -> None:
    parser = EventStreamParser()
    parser.feed(b"id: 7\nretry: 100\n")
    assert (parser.last_event_id, parser.retry) == ("", 100)
    parser.feed(b"\n")
    assert parser.last_event_id == "7"


def test_the_end_drops_what_is_unfinished_and_keeps_what_a_reconnection_needs() -> None:
    parser = EventStreamParser()
    parser.feed(b"id:1\nretry:5\ndata:x\n\nid:2\ndata:lost\n\xe2\x82")
    parser.eof()
    assert (parser.last_event_id, parser.retry) == ("1", 5)
    assert parser.feed(b"\xef\xbb\xbfdata:y\n\n") == [event("y", id="1")]


LIMITS = Limits(max_event_size=20)


@pytest.mark.parametrize(
    ("fits", "over"),
    [
        (b"data:" + b"x" * 15 + b"\n\n", b"data:" + b"x" * 16),
        (b":" + b"x" * 19 + b"\n", b":" + b"x" * 20),
        (b"data:" + b"x" * 9 + b"\ndata:" + b"x" * 9 + b"\n\n", b"data:x\n" * 10 + b"data:x\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_lines_and_events_are_bounded(fits: bytes, over: bytes, size: int) -> None:
    parser = EventStreamParser(limits=LIMITS)
    for start in range(0, len(fits), size):
        parser.feed(fits[start : start + size])
    with pytest.raises(EventStreamError, match="max_event_size"):
        for start in range(0, len(over), size):
            parser.feed(over[start : start + size])
    with pytest.raises(EventStreamError):
        parser.feed(b"data:x\n\n")
    parser.eof()
    assert parser.feed(b"data:x\n\n") == [event("x")]


def test_events_before_the_fault_are_given_first() -> None:
    parser = EventStreamParser(limits=LIMITS)
    assert parser.feed(b"data:x\n\n" + b"y" * 21) == [event("x")]
    with pytest.raises(EventStreamError):
        parser.feed(b"")


def test_a_long_line_in_single_bytes_is_kept_once() -> None:
    parser = EventStreamParser(limits=Limits(max_event_size=200_000))
    for byte in b"data:" + b"x" * 100_000:
        parser.feed(bytes([byte]))
    (found,) = parser.feed(b"\n\n")
    assert len(found.data) == 100_000
