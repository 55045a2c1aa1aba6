"""Runs of events of one shape: taken in one step, and never otherwise than line by line."""

from __future__ import annotations

from itertools import permutations
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fasterapi.limits import Limits
from fasterapi.protocol import EventStreamParser, ServerSentEvent, sse_blocks
from fasterapi.protocol.sse_blocks import read_blocks

from .event_streams import cuts, event, interpret

SHAPES = [
    list(names)
    for count in (1, 2, 3)
    for names in permutations(["data", "event", "id"], count)
    if "data" in names
]
VALUES = {"data": "text {n}: x", "event": "tick", "id": "{n}"}


def run(names: list[str], count: int = 5) -> str:
    lines = "".join(f"{name}: {VALUES[name]}\n" for name in names) + "\n"
    return "".join(lines.format(n=number) for number in range(count))


def expected(names: list[str], last: str, count: int = 5) -> list[ServerSentEvent]:
    return [
        event(
            f"text {number}: x",
            "tick" if "event" in names else "message",
            str(number) if "id" in names else last,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("names", SHAPES, ids="-".join)
@pytest.mark.parametrize("count", [5, 500])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_run_is_taken_in_one_step(names: list[str], count: int, end: str) -> None:
    text = run(names, count).replace("\n", end)
    found = read_blocks(text, 0, len(text), "9", end)
    assert found == expected(names, "9", count)
    assert {type(one) for one in found} == {ServerSentEvent}


def types(*kinds: str) -> list[str]:
    """Read a run of these types, and of as many others that it is a long one; give the types."""
    text = "".join(f"event:{kind}\ndata:{'x' * 5000}\n\n" for kind in kinds)
    return [found.event for found in read_blocks(text, 0, len(text), "")]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([" a"] * 3, ["a"] * 3),
        ([" a", " b", " a"], ["a", "b", "a"]),
        ([" a", " a", " b"], ["a", "a", "b"]),
        ([" a", "a", " a"], ["a"] * 3),
        (["a", " a", "a"], ["a"] * 3),
        (["  a", "a", "  a"], [" a", "a", " a"]),
        (["  a", " a", "  a"], [" a", "a", " a"]),
        ([" ", " ", " "], ["message"] * 3),
        (["", "", ""], ["message"] * 3),
        ([" a.c", " abc", " a.c"], ["a.c", "abc", "a.c"]),
        ([" " + "a" * 100] * 3, ["a" * 100] * 3),
        ([" a", " a\nretry: 1", " a"], []),
    ],
)
def test_a_common_type_is_no_more_than_a_quicker_way(kinds: list[str], expected: list[str]) -> None:
    assert types(*kinds) == expected


@pytest.mark.parametrize("odd", ["x\ry", "\r", "x\r", "\ry"])
def test_a_run_of_crlf_with_a_lone_cr_or_lf_is_left(odd: str) -> None:
    for bad in (odd, odd.replace("\r", "\n")):
        text = f"data: 1\r\n\r\ndata: {bad}\r\n\r\ndata: 2\r\n\r\n"
        assert read_blocks(text, 0, len(text), "", "\r\n") == []


@pytest.mark.parametrize("names", [["event"], ["retry", "data"], ["id", "event"], ["data"] * 2])
def test_a_shape_that_is_not_in_the_table_is_left(names: list[str]) -> None:
    text = "".join(f"{name}: 1\n" for name in names) + "\n"
    assert read_blocks(text * 5, 0, len(text) * 5, "") == []


def test_only_what_is_between_start_and_end_is_read() -> None:
    text = "x\n\n" + run(["data"], 3) + "data: y\n\n"
    end = len(text) - len("data: y\n\n")
    assert read_blocks(text, 3, end, "") == expected(["data"], "", 3)


ODD = [
    "x", "xdata: 1\n\n", ":\n\n", "\n", "data: 2\n", "id: 3\n\n", "event:e\ndata:f\n\n", "id:\0\n",
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", [1, 2, 5])
def test_a_run_with_anything_else_in_it_is_left(odd: str, place: int) -> None:
    text = run(["id", "data"], place) + odd + run(["id", "data"])
    assert read_blocks(text, 0, len(text), "") == []


def test_one_space_is_dropped_and_an_empty_type_is_none() -> None:
    text = "event:\nid:1\ndata:  a:b \n\nevent: \nid: \ndata:\n\n"
    found = read_blocks(text, 0, len(text), "9")
    assert found == [event(" a:b ", id="1"), event("")]


def test_a_run_that_begins_with_spaces_has_them_everywhere() -> None:
    text = "data:  1\n\ndata: 2\n\n"
    assert read_blocks(text, 0, len(text), "") == [event(" 1"), event("2")]
    text += "data:3\n\n"
    assert read_blocks(text, 0, len(text), "") == []


# -------------------------------------------------------------------- through the parser

values = st.sampled_from(["", " ", "x", "12", "a: b", ":", "\0", "é…😀", "data: x", "v" * 40])
fields = st.sampled_from(["data", "event", "id"])
gaps = st.sampled_from(["", ": ping\n\n", "retry: 5\n\n", "id\n", "data: 1\n", "\n", "z", "\0"])


@st.composite
def long_streams(draw: st.DrawFn) -> bytes:
    """Give a few runs of events, each of one shape, and mostly nothing in between."""
    stream = ""
    for _ in range(draw(st.integers(1, 3))):
        names = draw(st.lists(fields, min_size=1, max_size=3))
        for _ in range(draw(st.integers(1, 12))):
            stream += "".join(f"{name}: {draw(values)}\n" for name in names) + "\n"
        stream += draw(st.just("") | gaps)
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    return stream.replace("\n", end).encode()


@given(long_streams().flatmap(cuts), st.sampled_from([0, 8192]))
@example([b"id: 7\n", run(["data"], 30).encode()[:-9]], 0)
@example([b"data: 1\r", b"\n\r\n" + run(["id", "data"], 30).replace("\n", "\r\n").encode()], 0)
def test_the_parser_reads_long_streams_as_the_standard_does(parts: list[bytes], worth: int) -> None:
    parser = EventStreamParser()
    with mock.patch.object(sse_blocks, "_WORTH", worth):
        found = [one for part in parts for one in parser.feed(part)]
    assert (found, parser.last_event_id, parser.retry) == interpret(b"".join(parts))


@pytest.mark.parametrize("names", SHAPES, ids="-".join)
def test_every_cut_of_a_long_stream_gives_the_same(names: list[str]) -> None:
    stream = run(names, 40).encode()
    for at in range(0, len(stream), 7):
        parser = EventStreamParser()
        found = parser.feed(stream[:at]) + parser.feed(stream[at:])
        assert found == expected(names, "", 40)


@pytest.mark.parametrize("order", list(permutations(["data", "event", "id"])))
def test_the_id_of_a_run_stays_for_what_follows(order: tuple[str, ...]) -> None:
    parser = EventStreamParser()
    parser.feed(run(list(order), 20).encode())
    assert parser.last_event_id == "19"
    assert parser.feed(b"data: x\n\n") == [event("x", id="19")]


def test_a_read_longer_than_the_limit_is_read_line_by_line() -> None:
    parser = EventStreamParser(limits=Limits(max_event_size=300))
    assert parser.feed(run(["data"], 60).encode()) == expected(["data"], "", 60)
