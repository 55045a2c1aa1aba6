"""Events to bytes: lines, fields, and what can't be sent."""

from __future__ import annotations

import json
from enum import Enum, IntEnum
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
    assert (
        format_event("x", event=text, id=text) == f"event: {text}\nid: {text}\ndata: x\n\n".encode()
    )
    assert format_event(comment=text) == f": {text}\n\n".encode()


def test_an_event_is_a_value_that_can_not_be_changed() -> None:
    found = ServerSentEvent("d")
    assert (found.data, found.event, found.id, found.retry) == ("d", "message", "", None)
    assert found == ServerSentEvent("d", "message", "", None)
    assert len({found, ServerSentEvent("d"), ServerSentEvent("d", "tick", "1", 5)}) == 2
    assert repr(found) == "ServerSentEvent(data='d', event='message', id='', retry=None)"
    for name in ("data", "more"):
        with pytest.raises(AttributeError):
            setattr(found, name, "x")
    match found:
        case ServerSentEvent(data=data, event="message"):
            assert data == "d"
        case _:
            pytest.fail("no match")


def test_the_data_of_an_event_as_json() -> None:
    assert ServerSentEvent('{"a": [1, null]}').json() == {"a": [1, None]}
    with pytest.raises(ValueError, match="Expecting value"):
        ServerSentEvent("").json()


def test_an_event_is_not_the_data_of_one() -> None:
    with pytest.raises(TypeError, match="pass its fields"):
        format_event(ServerSentEvent("d"))


def test_nul_is_refused_in_an_id_only() -> None:
    # A client drops an ID with NUL (WHATWG); a type or data with it arrives.
    assert format_event("a\0", event="b\0") == b"event: b\0\ndata: a\0\n\n"
    assert EventStreamParser().feed(format_event("a\0", event="b\0")) == [
        ServerSentEvent("a\0", "b\0")
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"event": "a\nevent: b"},
        {"event": "a\rdata: x"},
        {"event": "\n"},
        {"id": "a\nevent: b"},
        {"id": "a\rdata: x"},
        {"id": "a\0b"},
        {"retry": -1},
        {"retry": True},
        {"retry": "1\ndata:x"},
        {"retry": "1"},
        {"retry": 1.5},
        {"event": "\ud800"},
        {"id": "\ud800"},
        {"comment": "\ud800"},
        {"data": "\ud800"},
        {},
    ],
)
def test_what_can_not_be_sent_raises(arguments: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        format_event(**arguments)
    if arguments:
        with pytest.raises(LocalProtocolError):
            format_event(**{"data": "x", **arguments})


class Lines:
    """Not text, but it looks like a line and is written as two."""

    def __contains__(self, item: object) -> bool:
        return False

    def __str__(self) -> str:
        return "a\ndata: b"


@pytest.mark.parametrize("name", ["event", "id", "comment"])
@pytest.mark.parametrize("value", [7, b"a", ["a"], Lines()])
def test_what_is_no_text_is_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError):
        format_event("x", **{name: value})


class Kind(str, Enum):  # noqa: UP042  # one that is formatted as Kind.TICK
    TICK = "tick"


class Delay(IntEnum):
    SHORT = 500


class Sly(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "a\ndata: b"

    __format__ = None


def test_text_of_another_class_is_what_it_holds() -> None:
    expected = b": tick\nevent: tick\nid: tick\nretry: 500\ndata: tick\n\n"
    kind, sly = Kind.TICK, Sly("tick")
    assert format_event(kind, event=kind, id=kind, retry=Delay.SHORT, comment=kind) == expected
    assert format_event(sly, event=sly, id=sly, retry=500, comment=sly) == expected
    with pytest.raises(LocalProtocolError):
        format_event("x", event=Sly("a\n"))


@pytest.mark.parametrize("value", [b"bytes", object(), {1: {2}}, {("a", "b"): 1}])
def test_what_can_not_be_json_raises(value: Any) -> None:
    with pytest.raises(TypeError):
        format_event(value)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": float("-inf")}])
def test_numbers_that_json_does_not_have_raise(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        format_event(value)


def test_json_is_pluggable_and_its_lines_are_split() -> None:
    def pretty(value: Any) -> str:
        return json.dumps(value, indent=1)

    assert format_event({"a": 1}, dumps=pretty) == b'data: {\ndata:  "a": 1\ndata: }\n\n'
    assert format_event("text", dumps=pretty) == b"data: text\n\n"
    assert to_json({"a": "é"}) == '{"a":"é"}'
    with pytest.raises(TypeError, match="dumps has to give str, not bytes"):
        format_event({"a": 1}, dumps=lambda value: b"{}")


def test_the_keepalive_is_a_comment_that_dispatches_nothing() -> None:
    assert EventStreamParser().feed(KEEPALIVE + b"data: x\n\n") == [ServerSentEvent("x")]


# What has a meaning in a stream comes more often than by chance.
pieces = st.sampled_from(["\r", "\n", "\r\n", "\0", ":", " ", "data: x", "\ufeff", "\u2028"])
text = st.lists(pieces | st.text(max_size=5), max_size=6).map("".join)
anything = st.lists(pieces | st.text(max_size=5) | st.just("\ud800"), max_size=6).map("".join)
line = text.map(lambda value: value.translate(dict.fromkeys(map(ord, "\r\n\0"))))
times = st.integers(0, 10**18)


def lines_of(data: str) -> str:
    """Give data as it arrives."""
    return data.replace("\r\n", "\n").replace("\r", "\n")


@given(st.lists(st.tuples(text, line, st.none() | line, st.none() | times, st.none() | text)))
def test_what_is_formatted_is_what_is_parsed(events: list[Any]) -> None:
    stream, expected, last = b"", [], ""
    for data, event, id, retry, comment in events:
        stream += format_event(data, event=event, id=id, retry=retry, comment=comment)
        last = last if id is None else id
        expected.append(ServerSentEvent(lines_of(data), event or "message", last, retry))
    parser = EventStreamParser()
    assert parser.feed(stream) == expected
    assert parser.last_event_id == last


@given(text, line, line, times, text)
def test_httpx_sse_reads_the_same(data: str, event: str, id: str, retry: int, comment: str) -> None:
    stream = format_event(data, event=event, id=id, retry=retry, comment=comment).decode()
    decoder = SSEDecoder()
    found = [decoder.decode(part) for part in stream.removesuffix("\n").split("\n")]
    (read,) = [event for event in found if event is not None]
    assert read.data == lines_of(data)
    assert (read.event, read.id, read.retry) == (event or "message", id, retry)


@given(anything, st.none() | anything, st.none() | anything, st.none() | anything)
def test_no_text_makes_a_second_event(
    data: str, event: str | None, id: str | None, comment: str | None
) -> None:
    try:
        stream = format_event(data, event=event, id=id, comment=comment)
    except LocalProtocolError:
        broken = any(c in (event or "") for c in "\r\n") or any(c in (id or "") for c in "\r\n\0")
        assert broken or not encodable(data, event, id, comment)
        return
    (parsed,) = EventStreamParser().feed(stream)
    assert parsed == ServerSentEvent(lines_of(data), event or "message", id or "")


def encodable(*texts: str | None) -> bool:
    try:
        "".join(text or "" for text in texts).encode()
    except UnicodeEncodeError:
        return False
    return True
