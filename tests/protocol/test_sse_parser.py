"""Bytes to events, rule by rule of the WHATWG's "Interpreting an event stream"."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fasterapi.errors import EventStreamError
from fasterapi.limits import DEFAULT_LIMITS, Limits
from fasterapi.protocol import EventStreamParser, ServerSentEvent, sse_parser

from .event_streams import cuts, event, interpret

CASES: dict[str, tuple[bytes, list[ServerSentEvent]]] = {
    # Bytes
    "one BOM is stripped": (b"\xef\xbb\xbfdata: x\n\n", [event("x")]),
    "a second BOM is content": (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", []),
    "a later BOM is content": (b"data:a\n\n\xef\xbb\xbfdata: x\n\n", [event("a")]),
    "a BOM in a value is content": (b"data:\xef\xbb\xbfx\n\n", [event("\ufeffx")]),
    "a BOM of UTF-16 is no BOM": (b"\xff\xfedata: x\n\ndata:y\n\n", [event("y")]),
    "half a BOM is no BOM": (b"\xef\xbbdata:x\n\ndata:y\n\n", [event("y")]),
    "bytes that are no UTF-8": (b"data: a\xffb\xc3\n\n", [event("a\ufffdb\ufffd")]),
    # One U+FFFD for each maximal part of a character (WHATWG Encoding, "UTF-8 decoder").
    "parts of characters": (
        b"data:\xf0\x9f\x98z\xed\xa0\x80\xe2\x82\xc0\xaf\n\n",
        [event("\ufffdz\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd")],
    ),
    "text beyond ASCII": ("data: ok…😀\n\n".encode(), [event("ok…😀")]),
    # Lines
    "ends of lines": (b"data:a\rdata:b\ndata:c\r\ndata:d\n\r", [event("a\nb\nc\nd")]),
    "CR dispatches": (b"data:a\r\r", [event("a")]),
    "CRLF is one end": (b"data:a\r\n\r\ndata:b\r\n\r\n", [event("a"), event("b")]),
    "LF CR are two": (b"data:a\n\rdata:b\n\n", [event("a"), event("b")]),
    "CR CRLF are two": (b"data:a\r\r\ndata:b\n\n", [event("a"), event("b")]),
    "no other end": (
        "data:a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg\n\n".encode(),
        [event("a\u2028b\u2029c\x0bd\x0ce\x85f\x1cg")],
    ),
    # Fields
    "comments": (b": c\n:data:x\ndata:y\n:\n\n", [event("y")]),
    "no colon": (b"data\n\n", [event("")]),
    "no colon, twice": (b"data\ndata\n\n", [event("\n")]),
    "empty data": (b"data:\n\n", [event("")]),
    "one space is dropped": (b"data:  a \n\n", [event(" a ")]),
    "a tab is not": (b"data:\ta\n\n", [event("\ta")]),
    "a no-break space is not": (b"data:\xc2\xa0a\n\n", [event("\xa0a")]),
    "a colon in the value": (b"data:a:b: c\n\n", [event("a:b: c")]),
    "unknown fields": (
        b"Data:x\n data:x\ndata :x\ndata\0:x\ndatax:x\ndat:x\nfoo:1\nfoo\ndata:y\n\n",
        [event("y")],
    ),
    "NUL in data": (b"data:\0\n\n", [event("\0")]),
    "a type": (b"event:tick\ndata:x\n\ndata:y\n\n", [event("x", "tick"), event("y")]),
    "a type behind the data": (b"data:x\nevent: tick\n\n", [event("x", "tick")]),
    "the last type counts": (b"event:a\nevent:b\ndata:x\n\n", [event("x", "b")]),
    "an empty type": (b"event:a\nevent\ndata:x\n\n", [event("x")]),
    # IDs
    "an ID stays": (b"id:1\ndata:x\n\ndata:y\n\n", [event("x", id="1"), event("y", id="1")]),
    "an ID is reset": (b"id:1\ndata:x\n\nid\ndata:y\n\n", [event("x", id="1"), event("y")]),
    "an ID is emptied": (b"id:1\ndata:x\n\nid:\ndata:y\n\n", [event("x", id="1"), event("y")]),
    "an ID with NUL": (b"id:1\nid:2\0\ndata:x\n\n", [event("x", id="1")]),
    "an ID without data": (b"id:1\n\ndata:x\n\n", [event("x", id="1")]),
    # Reconnection time
    "retry": (b"retry:03000\ndata:x\n\ndata:y\n\n", [event("x", retry=3000), event("y")]),
    "no time at all": (b"retry: 0\ndata:x\n\n", [event("x", retry=0)]),
    "the last retry counts": (b"retry:1\nretry:2\nretry:x\ndata:x\n\n", [event("x", retry=2)]),
    "zeros in front": (b"retry:" + b"0" * 5000 + b"7\ndata:x\n\n", [event("x", retry=7)]),
    "as long as 64 bits": (b"retry:" + b"9" * 19 + b"\ndata:x\n\n", [event("x", retry=10**19 - 1)]),
    "longer than that": (
        b"retry:" + b"9" * 20 + b"\nretry:" + b"9" * 5000 + b"\ndata\n\n",
        [event("")],
    ),
    "no retry": (
        b"retry:1000x\nretry:-5\nretry:\nretry\nretry:1_0\nretry: +1\nretry:  1\nretry:1.5\n"
        b"retry:1 \nretry:0x1\ndata:x\n\n",
        [event("x")],
    ),
    "retry in other digits": ("retry:\u0661\u0662\nretry:²\ndata:x\n\n".encode(), [event("x")]),
    # Dispatch
    "nothing without data": (b"event:a\nid:1\nretry:1\n\n\n\n", []),
    "a type is forgotten": (b"event:a\n\ndata:x\n\n", [event("x")]),
    "a retry is forgotten": (b"retry:5\n\ndata:x\n\n", [event("x")]),
    "an event that is not ended": (b"data:a\n\ndata:b\n", [event("a")]),
    "empty lines": (b"\n\n\r\n\rdata:x\n\n\n", [event("x")]),
    "an empty stream": (b"", []),
}

# What each file of web-platform-tests/eventsource that is about the format looks for.
PLATFORM_CASES: dict[str, tuple[bytes, list[ServerSentEvent]]] = {
    "event-data": (
        b"data:one\ndata:  two\n\ndata: three\n\ndata\n\n",
        [event("one\n two"), event("three"), event("")],
    ),
    "format-bom": (
        b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n", [event("1"), event("3")]
    ),
    "format-bom-2": (b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\n", [event("2")]),
    "format-bom-utf-16": (b"\xfe\xffdata:1\n\n\xff\xfe\n\ndata:2\n\n", [event("2")]),
    "format-comments": (
        b"data:1\n:\0\n:\r\n: data:2\r: x\n:" + b"long " * 2000 + b"\ndata:3\n:4\n\n",
        [event("1\n3")],
    ),
    "format-data-before-final-empty-line": (b"id:a\nretry:100\ndata:lost", []),
    "format-field-data": (
        b"data:\n\ndata\ndata\n\ndata:test\n\n", [event(""), event("\n"), event("test")]
    ),
    "format-field-event": (
        b"event:kind\ndata:x\n\ndata:y\n\n", [event("x", "kind"), event("y")]
    ),
    "format-field-event-empty": (b"event: \ndata:data\n\n", [event("data")]),
    "format-field-id": (b"id: ab\ndata: x\n\n", [event("x", id="ab")]),
    "format-field-id-2": (
        "id: é\ndata: x\n\ndata: y\n\ndata: z\n\n".encode(),
        [event("x", id="é"), event("y", id="é"), event("z", id="é")],
    ),
    "format-field-id-3": (
        b"id:1\ndata:a\n\ndata:b\n\nid:2\ndata:c\n\nid\ndata:d\n\ndata:e\n\n",
        [event("a", id="1"), event("b", id="1"), event("c", id="2"), event("d"), event("e")],
    ),
    "format-field-id-null": (
        b"id:0\ndata:a\n\nid:\0\nid:1\0\nid:\0" b"2\nid:3\0" b"4\nid: \0 \ndata:b\n\n",
        [event("a", id="0"), event("b", id="0")],
    ),
    "format-field-parsing": (
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\n"
        b" data:32\ndata:4\n\n",
        [event("\0\n 2\n1\n3\n\n4")],
    ),
    "format-field-retry": (b"retry:0700\ndata:x\n\n", [event("x", retry=700)]),
    "format-field-retry-bogus": (b"retry:900\nretry:900x\ndata:x\n\n", [event("x", retry=900)]),
    "format-field-retry-empty": (b"retry\nretry:\ndata:x\n\n", [event("x")]),
    "format-field-unknown": (b"data:a\n data\ndata\nfoobar:x\njust\ndata:b\n\n", [event("a\n\nb")]),
    "format-leading-space": (
        b"data:\ta\rdata: \ndata:  b\n\ndata: c\n\n", [event("\ta\n\n b"), event("c")]
    ),
    "format-newlines": (b"data:a\r\ndata\ndata:b\r\n\r\rdata:c\n\n", [event("a\n\nb"), event("c")]),
    "format-null-character": (b"data:\0\n\n\n\n", [event("\0")]),
    "format-utf-8": ("data:grüße €\n\n".encode(), [event("grüße €")]),
    # A new line end, an unfinished BOM and character, and an unfinished event.
    "eventsource-from-readable-stream": (
        "\ufeffdata:€\r\n\r\nid:7\ndata:é\r\r\nevent:x\ndata:lost\n".encode(),
        [event("€"), event("é", id="7")],
    ),
}  # fmt: skip
CASES |= PLATFORM_CASES


class Outcome(NamedTuple):
    """All that can be seen of a parser that has read a stream."""

    events: list[ServerSentEvent]
    error: str
    last_event_id: str
    retry: int | None


def read(parts: Iterable[bytes], limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Feed a stream in parts, until the error if there is one."""
    parser, events, error = EventStreamParser(limits=limits), [], ""
    try:
        for part in parts:
            events += parser.feed(part)
        events += parser.feed(b"")  # an error behind the last event comes with the next call
    except EventStreamError as raised:
        error = str(raised)
    return Outcome(events, error, parser.last_event_id, parser.retry)


def single(stream: bytes) -> Iterator[bytes]:
    return (bytes([byte]) for byte in stream)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cut", [lambda stream: [stream], single], ids=["whole", "bytes"])
def test_rules(case: str, cut: Callable[[bytes], Iterable[bytes]]) -> None:
    stream, expected = CASES[case]
    assert read(cut(stream)).events == expected


@pytest.mark.parametrize("case", CASES)
def test_any_cut_in_two(case: str) -> None:
    stream, _ = CASES[case]
    if len(stream) < 200:
        expected = read([stream])
        for at in range(len(stream)):
            assert read([stream[:at], stream[at:]]) == expected


# ---------------------------------------------------------------------- against an oracle


words = st.sampled_from(
    [
        b"data", b"data:", b"data: ", b"event:", b"id:", b"id", b"retry:", b":", b" ", b"x", b"12",
        b"\0", b"\xef\xbb\xbf", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xff", b"\xe2\x82", b"\xc2",
    ]
)  # fmt: skip
ends = st.sampled_from([b"\n", b"\n\n", b"\r", b"\r\r", b"\r\n", b"\r\n\r\n", b"\n\r"])
streams = st.lists(words | ends | st.binary(max_size=3), max_size=40).map(b"".join)


@given(streams)
def test_the_standard_read_literally_gives_the_same(stream: bytes) -> None:
    outcome = read([stream])
    assert (outcome.events, outcome.last_event_id, outcome.retry) == interpret(stream)


SMALL = Limits(max_event_size=12)


@given(streams.flatmap(lambda stream: st.tuples(st.just(stream), cuts(stream))), st.booleans())
@example((b"data:12345678", [b"data:1234567", b"8"]), True)
@example((b"data:x\n\n:345678901234\nid:1\n\n", [b"data:x\n\n:3456", b"78901234\nid:1\n\n"]), True)
def test_no_cut_changes_anything(drawn: tuple[bytes, list[bytes]], small: bool) -> None:
    stream, parts = drawn
    limits = SMALL if small else DEFAULT_LIMITS
    expected = read([stream], limits)
    assert read(parts, limits) == expected
    assert read(single(stream), limits) == expected


# -------------------------------------------------------------------------- what is kept


def test_the_id_is_committed_by_the_empty_line_and_retry_at_once() -> None:
    parser = EventStreamParser()
    parser.feed(b"id: 7\nretry: 100\n")
    assert (parser.last_event_id, parser.retry) == ("", 100)
    parser.feed(b"\n")
    assert parser.last_event_id == "7"
    parser.feed(b"id\n\n")
    assert parser.last_event_id == ""


def test_the_end_drops_what_is_unfinished_and_keeps_what_a_reconnection_needs() -> None:
    parser = EventStreamParser()
    parser.feed(b"id:1\nretry:5\ndata:x\n\nid:2\nretry:9\nevent:e\ndata:lost\nda\xe2\x82")
    parser.eof()
    assert (parser.last_event_id, parser.retry) == ("1", 9)
    assert parser.feed(b"\xef\xbb\xbfdata:y\n\n") == [event("y", id="1")]


# ----------------------------------------------------------------------------- limits

LIMITS = Limits(max_event_size=20)


@pytest.mark.parametrize(
    ("fits", "over", "what"),
    [
        (b"data:" + b"x" * 15 + b"\n\n", b"data:" + b"x" * 16, "line"),
        (b":" + b"x" * 19 + b"\n", b":" + b"x" * 20, "line"),
        (b":" + b"x" * 19 + b"\r\n", b":" + b"x" * 20 + b"\n", "line"),
        (b"x" * 20 + b"\n", b"x" * 21 + b"\n", "line"),
        # Characters count, not bytes.
        (b"data:" + "é".encode() * 15 + b"\n\n", b"data:" + "é".encode() * 16, "line"),
        # An event's data is what it is dispatched with, each LF between two lines included.
        (b"data:xx\n" * 7 + b"\n", b"data:xx\n" * 6 + b"data:xxx\n", "event"),
        (b"data\n" * 21 + b"\n", b"data\n" * 22, "event"),
        (b"data: xx\n" * 7 + b"\n", b"data: xx\n" * 6 + b"data: xxx\n", "event"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_and_events_are_bounded(fits: bytes, over: bytes, what: str, size: int) -> None:
    parser = EventStreamParser(limits=LIMITS)

    def feed(stream: bytes) -> list[ServerSentEvent]:
        parts = [stream[start : start + size] for start in range(0, len(stream), size)]
        return [found for part in parts for found in parser.feed(part)]

    assert len(feed(fits * 3)) == 3 * (b"data" in fits)  # each event has the limit for itself
    message = f"{what} over 20 characters; raise Limits.max_event_size to accept it"
    with pytest.raises(EventStreamError, match=message):
        feed(over)
    for stream in (b"", b"data:x\n\n"):
        with pytest.raises(EventStreamError, match=message):
            parser.feed(stream)
    parser.eof()
    assert feed(fits + b"data:x\n\n")[-1] == event("x")


def test_events_before_the_fault_are_given_first() -> None:
    parser = EventStreamParser(limits=LIMITS)
    stream = b"id:1\ndata:x\n\nretry:5\ndata:y\n\n" + b"z" * 21 + b"\nid:2\ndata:z\n\n"
    assert parser.feed(stream) == [event("x", id="1"), event("y", id="1", retry=5)]
    with pytest.raises(EventStreamError, match="line over 20"):
        parser.feed(b"")
    assert (parser.last_event_id, parser.retry) == ("1", 5)


# ------------------------------------------------------------------------------- work


class CountingStringIO(StringIO):
    """Counts the characters that go in and come out."""

    moved = 0

    def write(self, text: str) -> int:
        CountingStringIO.moved += len(text)
        return super().write(text)

    def getvalue(self) -> str:
        text = super().getvalue()
        CountingStringIO.moved += len(text)
        return text


@pytest.mark.parametrize("unit", [b"x", b"data:x\n", b"\r\n", b":\r", b"id:7\ndata:y\n\n"])
@pytest.mark.parametrize("size", [1, 10])
def test_work_is_linear_however_the_bytes_are_cut(
    monkeypatch: pytest.MonkeyPatch, unit: bytes, size: int
) -> None:
    monkeypatch.setattr(sse_parser, "StringIO", CountingStringIO)
    counts = [count_work(unit * times, size) for times in (250, 500, 1000)]
    (calls_1, moved_1), (calls_2, moved_2), (calls_4, moved_4) = counts
    assert abs((calls_4 - calls_2) - 2 * (calls_2 - calls_1)) <= 10
    assert moved_4 - moved_2 <= 2 * (moved_2 - moved_1) + 20
    assert moved_4 <= 2 * len(unit) * 1000


def count_work(stream: bytes, size: int) -> tuple[int, int]:
    """Give the calls, of Python and C functions, and the characters moved in an unfinished line."""
    parser = EventStreamParser()
    parts = [stream[start : start + size] for start in range(0, len(stream), size)]
    calls = 0

    def count(frame: object, what: str, argument: Any) -> None:
        nonlocal calls
        calls += what in ("call", "c_call")

    CountingStringIO.moved = 0
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for part in parts:
            parser.feed(part)
    finally:
        sys.setprofile(before)
    parser.feed(b"\n\n")
    return calls, CountingStringIO.moved


def test_a_line_in_single_bytes_is_put_together_once() -> None:
    parser = EventStreamParser()
    assert [found for byte in single(b"data:" + b"x" * 10_000) for found in parser.feed(byte)] == []
    (found,) = parser.feed(b"\n\n")
    assert found.data == "x" * 10_000
