"""``SyncSSEConnection`` without a transport: what each method does, from whichever thread."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from fasterapi import (
    ConnectionClosed,
    HTTPError,
    LocalProtocolError,
    Request,
    Response,
    ServerSentEvent,
    SyncSSEConnection,
)


class Exchange:
    """Keeps what a session answers, in order."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.gone = False

    def respond(self, response: Response) -> None:
        self.calls.append(response.status)

    def start_stream(self, response: Response) -> None:
        self.calls.append("start")

    def send_data(self, data: bytes) -> None:
        if self.gone:
            raise ConnectionClosed
        self.calls.append(data)

    def end(self) -> None:
        self.calls.append("end")

    def upgrade(self, response: Response) -> bytes:
        raise NotImplementedError


class Stream:
    """A session, its exchange and its time."""

    def __init__(self, *fields: tuple[str, str], **options: Any) -> None:
        self.now = 100.0
        self.exchange = Exchange()
        self.sse = SyncSSEConnection(
            Request("GET", "/", fields),
            self.exchange,
            clock=lambda: self.now,
            dumps=json.dumps,
            now=self.now,
            **options,
        )


def test_two_threads_send_the_first_event() -> None:
    """From a bug: the second one's overtook the head of the response."""
    stream = Stream()
    exchange = stream.exchange
    start = exchange.start_stream

    def slowly(response: Response) -> None:
        other.start()
        other.join(0.05)  # it waits, or is too quick
        start(response)

    other = threading.Thread(target=stream.sse.send, args=["second"])
    exchange.start_stream = slowly  # type: ignore[method-assign]
    stream.sse.send("first")
    other.join(10)
    assert exchange.calls[0] == "start"
    assert sorted(exchange.calls[1:]) == [b"data: first\n\n", b"data: second\n\n"]


@pytest.fixture
def stream() -> Stream:
    return Stream()


def test_events(stream: Stream) -> None:
    stream.sse.send("one")
    stream.sse.send({"n": 2}, event="count", id="2", retry=50)
    stream.sse.send_item(ServerSentEvent("three", id="3"))
    stream.sse.send_item([4])
    stream.sse.ping()
    assert stream.exchange.calls == [
        "start",
        b"data: one\n\n",
        b'event: count\nid: 2\nretry: 50\ndata: {"n": 2}\n\n',
        b"id: 3\ndata: three\n\n",
        b"data: [4]\n\n",
        b": \n\n",
    ]
    with pytest.raises(LocalProtocolError):
        stream.sse.send("x", event="a\nb")
    assert len(stream.exchange.calls) == 6


def test_closing(stream: Stream) -> None:
    assert stream.sse.is_open()
    assert stream.sse.wait_closed(0) is False
    stream.sse.close()
    stream.sse.close()
    assert stream.exchange.calls == ["start", "end"]
    assert not stream.sse.is_open()
    assert stream.sse.wait_closed() is True
    with pytest.raises(ConnectionClosed):
        stream.sse.send("too late")


def test_a_client_that_leaves_ends_the_wait(stream: Stream) -> None:
    waited: list[bool] = []
    thread = threading.Thread(target=lambda: waited.append(stream.sse.wait_closed(10)))
    thread.start()
    stream.sse._lost()
    thread.join(10)
    assert waited == [True]
    with pytest.raises(ConnectionClosed):
        stream.sse.send("anybody?")
    assert stream.exchange.calls == []


def test_silence_is_measured_from_the_last_event(stream: Stream) -> None:
    stream.sse.send("one")
    stream.now = 110.0
    stream.sse.send("two")
    assert stream.sse._next_deadline() == 125.0
    stream.sse._tick(124.9)
    assert len(stream.exchange.calls) == 3
    stream.sse._tick(125.0)
    assert stream.exchange.calls[-1].startswith(b":")
    assert stream.sse._next_deadline() == 140.0


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (None, ["start", "end"]),
        (HTTPError(404), [404]),
        (RuntimeError("meant to"), [500]),
        (ConnectionClosed(), ["start", "end"]),
    ],
    ids=str,
)
def test_the_handlers_end(stream: Stream, error: BaseException | None, calls: list[Any]) -> None:
    assert stream.sse._conclude(error) is isinstance(error, RuntimeError)
    assert stream.exchange.calls == calls


def test_an_answer_that_can_not_be_made_is_still_to_be_given(stream: Stream) -> None:
    with pytest.raises(LocalProtocolError) as unsendable:
        stream.sse._conclude(HTTPError(403, headers=[("X", "a\r\nb")]))
    assert stream.exchange.calls == []
    assert stream.sse._conclude(unsendable.value)
    assert stream.exchange.calls == [500]


def test_two_threads_begin_the_response_once() -> None:
    for _ in range(50):
        stream = Stream()
        together = threading.Barrier(4)

        def send(stream: Stream = stream, together: threading.Barrier = together) -> None:
            together.wait(10)
            stream.sse.send("x")

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert stream.exchange.calls == ["start"] + [b"data: x\n\n"] * 4


def test_what_the_client_saw_last() -> None:
    assert Stream(("Last-Event-ID", "41")).sse.last_event_id == "41"
