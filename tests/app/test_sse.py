"""The session behind both kinds of event stream handler, without a transport."""

from __future__ import annotations

from typing import Any

import pytest

from fasterapi import ConnectionClosed, HTTPError, Limits, LocalProtocolError, ServerSentEvent
from fasterapi.app.outcome import Cancelled
from fasterapi.app.sse import SSEBase
from fasterapi.protocol import Headers, Request, Response
from fasterapi.protocol.sse import to_json


class Exchange:
    """Keeps what a session answers."""

    def __init__(self) -> None:
        self.error: Exception | None = None  # what an answer meets
        self.response: Response | None = None
        self.head: Response | None = None
        self.body: list[bytes] = []
        self.ended = False

    def respond(self, response: Response) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.response = response

    def start_stream(self, response: Response) -> None:
        self.head = response

    def send_data(self, data: bytes) -> None:
        assert self.head
        self.body.append(data)

    def end(self) -> None:
        self.ended = True

    def upgrade(self, response: Response) -> bytes:
        raise NotImplementedError


def stream(*headers: tuple[str, str], **options: Any) -> tuple[SSEBase, Exchange]:
    exchange = Exchange()
    request = Request("GET", "/events", headers)
    return SSEBase(request, exchange, dumps=to_json, now=100.0, **options), exchange


def send(session: SSEBase, data: Any = None, now: float = 100.0, **fields: Any) -> None:
    arguments = dict.fromkeys(["event", "id", "retry", "comment"]) | fields
    session._send(session._event(data, **arguments), now)


def test_the_first_event_begins_the_response() -> None:
    session, exchange = stream()
    assert exchange.head is None
    send(session, {"a": 1}, id="7")
    assert exchange.head is not None
    assert dict(exchange.head.headers) == {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
    }
    assert exchange.body == [b'id: 7\ndata: {"a":1}\n\n']
    session._end()
    assert exchange.ended


def test_headers_of_the_route_replace_ours() -> None:
    session, exchange = stream(headers=Headers([("cache-control", "no-cache"), ("X-A", "b")]))
    send(session, "x")
    assert exchange.head is not None
    assert exchange.head.headers.get_all("cache-control") == ["no-cache"]
    assert exchange.head.headers["x-a"] == "b"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", "7"),
        ("a b,c: d", "a b,c: d"),
        ("x" * 8000, "x" * 8000),
        ("\xe2\x82", ""),  # an unfinished character
        ("\xc0\x80", ""),  # NUL, written longer than it is
        ("€", ""),  # not even a byte
        ("é".encode().decode("latin-1"), "é"),
        ("\xe9", ""),  # latin-1 is no UTF-8
        ("a\0b", ""),
        ("a\rb", ""),
        ("a\nb", ""),
        ("", ""),
    ],
)
def test_the_last_event_id(header: str, expected: str) -> None:
    assert stream(("Last-Event-ID", header))[0].last_event_id == expected
    assert stream()[0].last_event_id == ""


def test_a_slow_handler_s_response_begins_by_itself() -> None:
    session, exchange = stream(limits=Limits(sse_start_delay=0.5))
    assert session._next_deadline() == 100.5
    session._tick(100.4)
    assert exchange.head is None
    session._tick(100.5)
    assert exchange.head is not None
    assert exchange.body == []


def test_comments_keep_it_alive_after_silence_only() -> None:
    session, exchange = stream(keepalive=15.0)
    send(session, "a", now=101.0)
    assert session._next_deadline() == 116.0
    send(session, "b", now=110.0)
    session._tick(116.0)
    assert len(exchange.body) == 2
    session._tick(125.0)
    assert exchange.body[2:] == [b":\n\n"]
    assert session._next_deadline() == 140.0
    silent, _ = stream(keepalive=None)
    send(silent, "a")
    assert silent._next_deadline() is None


def test_what_can_not_be_sent_raises_and_sends_nothing() -> None:
    session, exchange = stream()
    with pytest.raises(LocalProtocolError):
        send(session, "x", event="a\nb")
    assert exchange.head is None


def test_generators_yield_data_or_events() -> None:
    session, _ = stream()
    assert session._item("text") == b"data: text\n\n"
    assert session._item({"a": 1}) == b'data: {"a":1}\n\n'
    assert session._item(ServerSentEvent("d")) == b"data: d\n\n"
    event = ServerSentEvent("d", "tick", "9", 5)
    assert session._item(event) == b"event: tick\nid: 9\nretry: 5\ndata: d\n\n"


def test_nothing_can_be_sent_when_it_is_over() -> None:
    for end in (SSEBase._end, SSEBase._lost):
        session, exchange = stream()
        data = session._item("x")
        end(session)
        assert not session.is_open()
        with pytest.raises(ConnectionClosed):
            send(session, "x")
        with pytest.raises(ConnectionClosed):
            session._send(data, 101.0)
        assert session._next_deadline() is None
        session._tick(200.0)
        session._end()
        assert exchange.body == []


@pytest.mark.parametrize(
    ("error", "status", "crashed"),
    [
        (HTTPError(404, "no such feed", headers=[("X-A", "b")]), 404, False),
        (ValueError("x"), 500, True),
        (Cancelled(), 503, False),
        (BaseException("a test's own"), 500, True),
    ],
)
def test_an_error_before_the_first_event_is_a_status(
    error: BaseException, status: int, crashed: bool
) -> None:
    session, exchange = stream()
    assert session._conclude(error) is crashed
    assert exchange.head is None
    assert exchange.response is not None
    assert exchange.response.status == status
    assert not session.is_open()


@pytest.mark.parametrize(
    ("error", "crashed"),
    [
        (None, False),
        (ConnectionClosed(), False),
        (ExceptionGroup("", [ConnectionClosed()]), False),
        (ValueError("x"), True),
        (HTTPError(404), True),
        (Cancelled(), False),
        (BaseException("a test's own"), True),
    ],
)
def test_the_handlers_end_ends_the_stream(error: BaseException | None, crashed: bool) -> None:
    session, exchange = stream()
    send(session, "x")
    assert session._conclude(error) is crashed
    assert exchange.ended
    assert exchange.response is None


def test_a_handler_may_answer_with_a_response_instead() -> None:
    session, exchange = stream()
    assert session._conclude(None, Response(204)) is False
    assert exchange.response is not None
    assert exchange.response.status == 204
    assert exchange.head is None
    assert not session.is_open()
    begun, exchange = stream()
    send(begun, "x")
    assert begun._conclude(None, Response(204)) is False
    assert exchange.response is None
    assert exchange.ended


def test_an_answer_that_can_not_be_sent_is_none_and_a_crash_is_answered() -> None:
    session, exchange = stream()
    exchange.error = LocalProtocolError("no such status")
    with pytest.raises(LocalProtocolError) as raised:
        session._conclude(None, Response(204))
    assert session.is_open()
    assert session._conclude(raised.value) is True
    assert exchange.response is not None
    assert exchange.response.status == 500


@pytest.mark.parametrize("text", ["a\r\nb: c", "a\nb", "a\rb", "a\0", "€"])
def test_what_would_split_the_head_is_answered_with_500(text: str) -> None:
    for fields in ([("X", text)], [("Set-Cookie", f"a={text}")], [(text, "x")]):
        session, exchange = stream()
        with pytest.raises(LocalProtocolError) as raised:
            session._conclude(HTTPError(404, headers=fields))
        assert exchange.response is None
        assert session._conclude(raised.value) is True
        assert exchange.response is not None
        assert (exchange.response.status, len(exchange.response.headers)) == (500, 1)


def test_a_client_that_left_before_the_answer() -> None:
    session, exchange = stream()
    exchange.error = ConnectionClosed()
    with pytest.raises(ConnectionClosed):
        session._conclude(HTTPError(404))
    assert not session.is_open()
    assert session._conclude(None) is False
    assert exchange.response is exchange.head is None


def test_a_stream_that_is_ended_before_its_first_event_still_begins() -> None:
    session, exchange = stream(path_params={"room": "lobby"})
    assert session.path_params == {"room": "lobby"}
    session._end()
    assert exchange.head is not None
    assert (exchange.body, exchange.ended) == ([], True)
    assert session._conclude(HTTPError(404)) is True
    assert exchange.response is None


def test_a_response_that_began_by_itself_can_not_be_an_error_any_more() -> None:
    session, exchange = stream(keepalive=15.0, limits=Limits(sse_start_delay=0.5))
    session._tick(101.0)
    assert session._next_deadline() == 116.0  # silence counts from the head
    assert session._conclude(HTTPError(404)) is True
    assert exchange.response is None
    assert exchange.ended


def test_a_handler_that_sends_nothing_is_an_empty_stream() -> None:
    session, exchange = stream()
    assert session._conclude(None) is False
    assert exchange.head is not None
    assert exchange.ended


def test_a_crash_after_the_client_left_is_still_a_crash() -> None:
    session, exchange = stream()
    session._lost()
    assert session._conclude(ValueError("x")) is True
    assert session._conclude(None) is False
    assert exchange.response is None
