"""The clients' common part, driven in memory by an adapter whose clock is a number."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.errors import EventStreamError, HandshakeError, InvalidResponse
from fasterapi.http.event_stream import EventStreamBase
from fasterapi.http.h1_client import ResponseReader
from fasterapi.limits import Limits
from fasterapi.protocol import Reconnect, SourceState
from fasterapi.protocol.http import Request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
POLICY = Reconnect(delay=3.0, jitter=0.0)
S = SourceState


class Memory(EventStreamBase):
    """An adapter without a transport: it is told what arrives, and the time."""

    def __init__(self, **options: Any) -> None:
        super().__init__("http://localhost/x", **{"reconnect": POLICY, **options})
        self.requests: list[Request] = []

    def connect(self, answer: bytes, now: float, excerpt: bytes = b"") -> None:
        self.requests.append(self._begin().request)
        reader = ResponseReader()
        assert reader.receive_data(answer) is not None
        self._answered(reader, excerpt, now)

    def receive(self, data: bytes, now: float) -> None:
        self._received(data, now)

    def wait(self, now: float) -> float:
        """Wait for as long as it says; give the time then."""
        now += self._pause(now)
        self._source.tick(now)
        return now

    def take(self, most: int = 1 << 30) -> list[str]:
        found = []
        while len(found) < most:
            for event in self._events:
                found.append(event.data)
                break
            else:
                break
        return found


def last_event_ids(stream: Memory) -> list[str | None]:
    return [request.headers.get("last-event-id") for request in stream.requests]


def test_a_life_over_three_connections() -> None:
    stream = Memory()
    assert (stream.state, stream.response, stream.retry) == (S.CONNECTING, None, None)
    stream.connect(CHUNKED + b"f\r\nid: 1\ndata: a\n\n", 100.0)
    assert stream.response is not None
    assert stream.response.status == 200
    assert stream.take() == ["a"]
    stream.receive(b"\r\n9\r\nid: 2\nlos\r\n0\r\n\r\n", 110.0)
    assert (stream.state, stream._opened()) == (S.WAITING, True)
    now = stream.wait(110.0)
    assert (now, stream.state) == (113.0, S.CONNECTING)
    stream._source.lost(ConnectionRefusedError("refused"), now)
    now = stream.wait(now)
    assert now == 116.0
    stream.connect(HEAD + b"\r\nretry: 500\ndata: b\n\n", now)
    assert stream.take() == ["b"]
    stream.receive(b"", now)
    now = stream.wait(now)
    assert now == 116.5
    stream.connect(b"HTTP/1.1 204 No Content\r\n\r\n", now)
    assert (stream.state, stream.reconnects, stream.retry) == (S.CLOSED, 1, 500)
    assert last_event_ids(stream) == [None, "1", "1"]


def test_the_last_event_id_is_that_of_what_was_taken() -> None:
    stream = Memory(last_event_id="0")
    body = b"".join(b"id:%d\ndata:%d\n\n" % (number, number) for number in (49, 50, 51))
    stream.connect(HEAD + b"\r\n" + body, 0.0)
    seen = [stream.last_event_id]
    while stream.take(1):
        seen.append(stream.last_event_id)
    assert seen == ["0", "49", "50", "51"]
    stream.receive(b"id:9\n\n", 0.0)  # without an event, so that there is nothing to take
    assert stream.last_event_id == "9"


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"])
def test_a_body_that_breaks_off_is_a_fault_and_one_that_ends_is_not(end: bytes) -> None:
    stream = Memory(reconnect=False)
    stream.connect(CHUNKED + b"9\r\ndata: a\n\n\r\n", 0.0)
    assert stream.take() == ["a"]
    if end:
        stream.receive(end, 0.0)
        assert stream.state is S.CLOSED
    else:
        with pytest.raises(ConnectionResetError, match="within its answer"):
            stream.receive(b"", 0.0)


def test_an_empty_body_has_begun_and_ended() -> None:
    stream = Memory()
    stream.connect(HEAD + b"Content-Length: 0\r\n\r\n", 5.0)
    assert (stream.state, stream._opened()) == (S.WAITING, True)


def test_a_malformed_answer_is_final() -> None:
    stream = Memory()
    with pytest.raises(InvalidResponse):
        stream.connect(HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0.0)
    assert stream.state is S.CLOSED


@pytest.mark.parametrize("pieces", [[b"zz\r\n"], [b"9\r\ndata: b\n\n\r\nzz\r\n", b""]])
def test_a_body_that_is_malformed_is_a_connection_that_is_lost(pieces: list[bytes]) -> None:
    # To the WHATWG it is a network error, and browsers connect again, too.
    stream, final = Memory(), Memory(reconnect=False)
    for one in (stream, final):
        one.connect(CHUNKED + b"9\r\ndata: a\n\n\r\n", 0.0)
        assert one.take() == ["a"]
        for piece in pieces[:-1]:
            one.receive(piece, 0.0)
            assert one.take() == ["b"]
    stream.receive(pieces[-1], 0.0)
    assert (stream.state, stream._source.delay) == (S.WAITING, 3.0)
    assert "a malformed chunk size" in str(stream._source.fault)
    with pytest.raises(InvalidResponse, match="a malformed chunk size"):
        final.receive(pieces[-1], 0.0)
    assert final.state is S.CLOSED


def test_a_refusal_has_the_beginning_of_its_body() -> None:
    stream = Memory()
    with pytest.raises(HandshakeError, match="404 Not Found: 'gone'") as caught:
        stream.connect(b"HTTP/1.1 404 Not Found\r\n\r\n", 0.0, b"gone")
    assert caught.value.body == b"gone"
    assert stream.state is S.CLOSED


def test_an_event_over_the_limit_is_found_at_the_end_too() -> None:
    stream = Memory(limits=Limits(max_event_size=10))
    stream.connect(HEAD + b"\r\ndata: a\n\ndata: " + b"b" * 20, 0.0)
    assert stream.take() == ["a"]
    with pytest.raises(EventStreamError, match="over 10"):
        stream.receive(b"", 0.0)


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    at = sorted({0, *(place % (len(data) + 1) for place in places), len(data)})
    return (data[start:end] for start, end in pairwise(at))


@given(st.lists(st.integers(0, 1000), max_size=12), st.integers(1, 40))
def test_no_cut_of_the_bytes_changes_anything(places: list[int], size: int) -> None:
    body = "id: é\nevent: t\ndata: a\n\n: ping\n\nretry: 7\ndata: b\ndata: c\n\n".encode() * 3
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    stream = Memory()
    stream.connect(CHUNKED, 0.0)
    found = []
    for data in cut(b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces), places):
        stream.receive(data, 0.0)
        found += stream.take()
    assert (found, stream.last_event_id, stream.retry) == (["a", "b\nc"] * 3, "é", 7)


@pytest.mark.parametrize(
    ("options", "again"),
    [
        ({}, True),
        ({"method": "GET"}, True),
        ({"method": "POST"}, False),
        ({"body": "x"}, False),
        ({"body": "x", "reconnect": True}, True),
        ({"reconnect": False}, False),
        ({"sock": object()}, False),
        ({"sock": object(), "reconnect": False}, False),
    ],
)
def test_what_is_asked_again(options: dict[str, Any], again: bool) -> None:
    stream = Memory(**{"reconnect": None, **options})
    stream.connect(HEAD + b"\r\ndata: x\n\n", 0.0)
    stream.receive(b"", 0.0)
    assert stream.state is (S.WAITING if again else S.CLOSED)


def test_a_last_event_id_among_the_header_fields_counts_unless_one_is_given() -> None:
    headers = {"Last-Event-ID": "5"}
    assert Memory(headers=headers).last_event_id == "5"
    assert Memory(headers=headers, last_event_id="").last_event_id == ""


def test_a_pause_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    stream = Memory(last_event_id="7", idle_timeout=10.0)
    stream.connect(HEAD + b"\r\n", 0.0)
    with caplog.at_level(logging.INFO, "fasterapi.client"):
        stream._source.tick(10.0)
        assert stream._pause(11.0) == 2.0
        assert stream._pause(20.0) == 0.0
    record = caplog.records[0]
    assert record.getMessage() == (
        "event stream http://localhost/x: no byte for 10 s (idle_timeout); "
        "connecting again in 3.0 s"
    )
    assert record.levelname == "WARNING"
    facts = {key: record.__dict__[key] for key in ("url", "fault", "delay", "last_event_id")}
    assert facts == {
        "url": "http://localhost/x", "fault": "no byte for 10 s (idle_timeout)", "delay": 3.0,
        "last_event_id": "7",
    }  # fmt: skip


def test_the_time_to_connect_can_be_unbounded() -> None:
    limits = Limits(open_timeout=5)
    made = [
        EventStreamBase("http://a/", limits=limits),
        EventStreamBase("http://a/", limits=limits, open_timeout=None),
        EventStreamBase("http://a/", limits=limits, open_timeout=7),
    ]
    assert [stream._limits.open_timeout for stream in made] == [5, None, 7]
