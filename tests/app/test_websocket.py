"""The session behind both kinds of WebSocket handler, without a transport."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fasterapi import ConnectionClosed, HTTPError, InvalidMessage, Limits, LocalProtocolError
from fasterapi.app.outcome import Cancelled
from fasterapi.app.websocket import WebSocketBase
from fasterapi.protocol import (
    ClientHandshake,
    Fragment,
    Request,
    Response,
    Role,
    ServerHandshake,
    State,
    WebSocketConnection,
)  # fmt: skip

REQUEST = ClientHandshake("ws://test/").request


class Exchange:
    """Keeps what a session answers."""

    def __init__(self, rest: bytes = b"", *, error: Exception | None = None) -> None:
        self.rest = rest
        self.error = error
        self.responses: list[Response] = []

    def respond(self, response: Response) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.responses.append(response)

    def upgrade(self, response: Response) -> bytes:
        self.respond(response)
        return self.rest

    def start_stream(self, response: Response) -> None: ...

    def send_data(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Session(WebSocketBase):
    """A session that writes into memory."""

    __slots__ = ("answered", "peer", "written")

    def __init__(self, exchange: Exchange, request: Request = REQUEST, **options: Any) -> None:
        handshake = ServerHandshake(request, subprotocols=["a", "b"])
        super().__init__(
            handshake.request,
            handshake=handshake,
            exchange=exchange,
            dumps=json.dumps,
            loads=json.loads,
            **options,
        )
        self.peer = WebSocketConnection(Role.CLIENT)
        self.written = b""
        self.answered: list[tuple[bytes, float]] = []

    def _flush(self) -> None:
        self.written += self._data_to_send()

    def _attach(self, rest: bytes) -> None:
        self.receive(rest)

    def _answered_ping(self, payload: bytes, latency: float) -> None:
        self.answered.append((payload, latency))

    def receive(self, data: bytes = b"") -> None:
        """Take what the peer sent."""
        data = data or self.peer.data_to_send()
        self._dispatch(self._open().receive_data(data, 1.0))
        self._flush()

    def sent(self) -> list[Any]:
        """Give what the peer gets."""
        data, self.written = self.written, b""
        return list(self.peer.receive_data(data))


def opened(**options: Any) -> Session:
    session = Session(Exchange(), **options)
    session._open()
    return session


def test_the_first_use_accepts() -> None:
    exchange = Exchange()
    session = Session(exchange)
    assert (session.state, session.is_open(), session.subprotocol) == (
        State.CONNECTING, True, None,
    )  # fmt: skip
    session._send_message("hi", None)
    session._flush()
    assert [response.status for response in exchange.responses] == [101]
    assert session.sent() == ["hi"]
    assert session.state is State.OPEN


def test_bytes_behind_the_handshake_are_the_first_message() -> None:
    peer = WebSocketConnection(Role.CLIENT)
    peer.send_text("early")
    session = Session(Exchange(peer.data_to_send()))
    session._begin_receive()
    assert session._next_message() == "early"


def test_a_handshake_is_answered_once() -> None:
    session = opened()
    with pytest.raises(LocalProtocolError, match="accepted already"):
        session._accept(None, ())
    with pytest.raises(LocalProtocolError, match="answered already"):
        session._reject(403, (), b"")


def test_a_rejected_handshake_is_closed() -> None:
    exchange = Exchange()
    session = Session(exchange)
    session._reject(418, [("X", "y")], "no")
    assert (exchange.responses[0].status, exchange.responses[0].body) == (418, b"no")
    assert (session.state, session.is_open()) == (State.CLOSED, False)
    for use in (session._begin_receive, lambda: session._send_message("x", None), session._open):
        with pytest.raises(ConnectionClosed, match="rejected with status 418"):
            use()
    assert session._conclude(None) is False


def test_a_handshake_is_judged_before_the_handler_runs() -> None:
    assert Session(Exchange())._check() is None
    refusal = Session(Exchange(), Request("GET", "/", [("Host", "test")]))._check()
    assert refusal is not None
    assert refusal.status == 426


def test_a_subprotocol_is_chosen_or_given() -> None:
    offer = ClientHandshake("ws://test/", subprotocols=["c", "b", "a"]).request
    for given, agreed in ((None, "a"), ("c", "c"), ("b", "b")):
        exchange = Exchange()
        session = Session(exchange, offer)
        assert session.subprotocol == "a"
        session._accept(given, [("X-A", "1")])
        assert session.subprotocol == agreed
        assert exchange.responses[0].headers["sec-websocket-protocol"] == agreed
        assert exchange.responses[0].headers["x-a"] == "1"


INJECTIONS = ["a\r\nb: c", "a\nb", "a\rb", "a\0", "€"]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "answer",
    [
        lambda session, text: session._accept(None, [("X", text)]),
        lambda session, text: session._accept(None, [("Set-Cookie", f"a={text}")]),
        lambda session, text: session._accept(None, [(text, "x")]),
        lambda session, text: session._accept(text, ()),
        lambda session, text: session._reject(403, [("X", text)], b""),
        lambda session, text: session._conclude(HTTPError(403, headers=[("X", text)])),
    ],
    ids=["header", "cookie", "name", "subprotocol", "rejection", "HTTPError"],
)
def test_what_would_split_the_head_is_refused_and_answered_with_500(answer: Any, text: str) -> None:
    exchange = Exchange()
    session = Session(exchange)
    with pytest.raises(LocalProtocolError) as raised:
        answer(session, text)
    assert exchange.responses == []
    assert session.is_open()
    assert session._conclude(raised.value) is True
    assert [(response.status, response.body) for response in exchange.responses] == [
        (500, b"Internal Server Error\n")
    ]


@pytest.mark.parametrize("name", ["Upgrade", "connection", "Sec-WebSocket-Accept"])
def test_headers_of_the_handshake_are_its_own(name: str) -> None:
    exchange = Exchange()
    with pytest.raises(LocalProtocolError):
        Session(exchange)._accept(None, [(name, "x")])
    assert exchange.responses == []


def test_a_refusal_that_no_response_can_carry_is_none() -> None:
    exchange = Exchange(error=LocalProtocolError("a 204 has no body"))
    session = Session(exchange)
    with pytest.raises(LocalProtocolError) as raised:
        session._reject(204, (), b"x")
    assert session.is_open()
    assert session._conclude(raised.value) is True
    assert [response.status for response in exchange.responses] == [500]


def test_a_client_that_left_before_the_answer() -> None:
    for use in (Session._open, lambda session: session._reject(403, (), b"")):
        session = Session(Exchange(error=ConnectionClosed()))
        with pytest.raises(ConnectionClosed) as raised:
            use(session)
        assert not session.is_open()
        assert session._conclude(raised.value) is False


def test_a_client_that_left_while_the_handler_was_thinking() -> None:
    exchange = Exchange()
    session = Session(exchange)
    session._ended(1006, "")
    assert (session.state, session.is_open(), session.close_code) == (State.CLOSED, False, 1006)
    for use in (
        session._open,
        lambda: session._accept(None, ()),
        lambda: session._reject(403, (), b""),
        lambda: session._send_message("x", None),
        session._begin_receive,
    ):
        with pytest.raises(ConnectionClosed):
            use()
    session._close(1000, "")
    session._shut_down()
    assert session._conclude(None) is False
    assert session._conclude(ValueError("x")) is True
    assert exchange.responses == []
    assert session._data_to_send() == b""


def test_a_connection_that_is_there_already_needs_no_handshake() -> None:
    connection = WebSocketConnection(Role.SERVER, subprotocol="a")
    session = WebSocketBase(REQUEST, connection=connection, dumps=json.dumps, loads=json.loads)
    assert (session.state, session.subprotocol, session.path_params) == (State.OPEN, "a", {})
    assert session._check() is None
    assert session._open() is connection
    with pytest.raises(LocalProtocolError):
        session._reject(403, (), b"")


def test_messages_wait_for_the_handler_and_then_the_end_comes() -> None:
    session = opened()
    for message in ("a", b"b", ""):
        session.peer.send_text(message) if isinstance(message, str) else session.peer.send_binary(
            message
        )
    session.peer.close(3000, "done")
    session.receive()
    assert (session.is_open(), session.close_code, session.close_reason) == (True, 3000, "done")
    assert [session._next_message() for _ in range(3)] == ["a", b"b", ""]
    assert session.is_open() is False
    with pytest.raises(ConnectionClosed) as raised:
        session._next_message()
    assert (raised.value.code, raised.value.reason) == (3000, "done")


def test_our_close_waits_for_the_answers_to_what_came_before() -> None:
    session = opened()
    session.peer.send_text("question")
    session.peer.close(1000)
    session.receive()
    assert session.sent() == []
    assert session._next_message() == "question"
    session._flush()
    assert session.sent() == []  # the handler may be about to answer
    session._send_message("answer", None)
    session._flush()
    assert session.sent() == ["answer"]
    session._begin_receive()
    with pytest.raises(ConnectionClosed):
        session._next_message()
    assert [event.code for event in session.sent()] == [1000]


def test_our_close_goes_out_when_the_handler_ends_whatever_it_left_unread() -> None:
    session = opened()
    session.peer.send_text("question")
    session.peer.close(3000, "bye")
    session.receive()
    assert session.is_open()
    assert session._conclude(None) is False
    assert [event.code for event in session.sent()] == [3000]  # the peer's own code
    assert not session.is_open()
    assert (session.close_code, session.close_reason) == (3000, "bye")


def test_a_fault_of_the_peer_waits_for_its_answer_too() -> None:
    session = opened()
    session.peer.send_text("question")
    session.receive(session.peer.data_to_send() + b"\xff\xff")
    assert (session.is_open(), session.close_code) == (True, 1002)
    assert session._next_message() == "question"
    session._send_message("answer", None)
    assert not session.is_open()
    with pytest.raises(ConnectionClosed):
        session._next_message()
    message, closed = session.sent()
    assert (message, closed.code) == ("answer", 1002)


def test_a_connection_that_is_lost_gives_what_arrived_and_then_1006() -> None:
    session = opened()
    session.peer.send_text("last")
    session.receive()
    session._dispatch(session._open().receive_eof(2.0))
    assert (session.state, session.is_open()) == (State.CLOSED, True)
    assert session._next_message() == "last"
    with pytest.raises(ConnectionClosed) as raised:
        session._next_message()
    session._ended(1000, "the first end counts")
    assert (raised.value.code, session.close_code) == (1006, 1006)
    assert session._conclude(ValueError("x")) is True
    assert session.sent() == []


def test_a_close_that_can_not_be_sent_changes_nothing() -> None:
    session = opened()
    for code, reason in ((999, ""), (1005, ""), (1005, "x"), (1006, ""), (1000, "x" * 124)):
        with pytest.raises(LocalProtocolError):
            session._close(code, reason)
    assert session.is_open()
    session._close(4999, "x" * 123)
    session._close(4000, "once is enough")
    assert [event.code for event in session.sent()] == [4999]


def test_our_close_goes_out_at_once_where_nothing_is_to_be_answered() -> None:
    session = opened()
    session.peer.close(1000)
    session.receive()
    assert [event.code for event in session.sent()] == [1000]
    with pytest.raises(ConnectionClosed):
        session._send_message("too late", None)


def test_what_arrives_behind_our_close_is_dropped() -> None:
    session = opened()
    session._close(1000, "")
    session.peer.send_text("late")
    session.receive()
    assert session._next_message() is None
    assert session.is_open() is False
    with pytest.raises(ConnectionClosed) as raised:
        session._send_message("x", None)
    assert raised.value.code == 1000


def test_a_message_is_handed_on_in_parts_only_while_it_is_asked_for() -> None:
    session = opened()
    reader = session._begin_stream()
    assert session._open().streaming
    for part, fin in (("a", False), ("b", False), ("c", True)):
        session.peer.send_fragment(part, fin=fin)
    session.receive()
    assert [session._next_part(reader) for _ in range(3)] == [
        Fragment("a", False), Fragment("b", False), Fragment("c", True),
    ]  # fmt: skip
    session._end_stream(reader)
    assert not session._open().streaming
    session.peer.send_text("whole")
    session.receive()
    assert session._next_message() == "whole"


def test_what_is_left_of_a_stream_is_dropped_however_late_its_reader_is_closed() -> None:
    session = opened()
    for close_first in (True, False):
        reader = session._begin_stream()
        session.peer.send_fragment(b"a", fin=False)
        session.receive()
        assert session._next_part(reader) == Fragment(b"a", False)
        session.peer.send_fragment(b"b", fin=True)
        session.peer.send_text("next")
        session.receive()
        if close_first:
            session._end_stream(reader)
        assert session._next_message() == "next"
        session._end_stream(reader)
        assert not session._open().streaming


def test_a_reader_that_left_does_not_disturb_the_next_one() -> None:
    session = opened()
    first = session._begin_stream()
    second = session._begin_stream()
    session._end_stream(first)
    assert session._open().streaming
    with pytest.raises(LocalProtocolError, match="was left"):
        session._next_part(first)
    session.peer.send_text("x")
    session.receive()
    part = session._next_part(second)
    assert getattr(part, "data", part) == "x"


def test_a_stream_ends_with_its_connection_and_then_its_close_goes_out() -> None:
    session = opened()
    reader = session._begin_stream()
    session.peer.send_fragment("a", fin=False)
    session.peer.close(1001)
    session.receive()
    assert session._next_part(reader) == Fragment("a", False)
    assert session.sent() == []
    with pytest.raises(ConnectionClosed) as raised:
        session._next_part(reader)
    assert raised.value.code == 1001
    assert [event.code for event in session.sent()] == [1001]


def test_pings_are_counted_and_pongs_reported() -> None:
    session = opened()
    first = session._send_ping(None, (), now=0.5)
    session._flush()
    session.sent()
    session.receive()
    assert (session.latency, session.answered) == (0.5, [(first, 0.5)])
    assert session._send_ping(None, (first,), now=0.5) != first
    assert session._send_ping("é", (first,), now=0.5) == "é".encode()
    session._flush()
    assert [event.payload for event in session.sent()][1:] == ["é".encode()]
    with pytest.raises(LocalProtocolError, match="still unanswered"):
        session._send_ping("mine", (b"mine",), now=0.5)
    with pytest.raises(LocalProtocolError):
        session._send_ping(bytes(126), (), now=0.5)
    session._flush()
    assert session.sent() == []


def test_pings_of_the_peer_and_pongs_that_nobody_asked_for_are_no_news() -> None:
    session = opened()
    session.peer.ping(b"?")
    session.peer.pong(b"!")
    session.receive()
    assert (session.latency, session.answered) == (None, [])
    assert session._next_message() is None
    (pong,) = session.sent()
    assert pong.payload == b"?"


def test_messages_of_both_kinds() -> None:
    session = opened()
    for message in ("text", b"bytes", bytearray(b"array"), memoryview(b"view")):
        session._send_message(message, None)
    session._flush()
    assert session.sent() == ["text", b"bytes", b"array", b"view"]
    assert (session._text("x"), session._bytes(b"x")) == ("x", b"x")


@pytest.mark.parametrize(
    ("convert", "message", "code"),
    [("_text", b"x", 1003), ("_bytes", "x", 1003), ("_json", "{", 1007), ("_json", b"\xff", 1007)],
)
def test_a_message_of_no_use_closes_with_its_code(convert: str, message: Any, code: int) -> None:
    session = opened()
    with pytest.raises(InvalidMessage) as raised:
        getattr(session, convert)(message)
    assert session._conclude(raised.value) is False
    assert [event.code for event in session.sent()] == [code]


def test_json_may_come_in_both_kinds() -> None:
    session = opened()
    assert session._json('{"a": 1}') == session._json(b'{"a": 1}') == {"a": 1}
    with pytest.raises(InvalidMessage):
        session._json("[" * 100_000)


@pytest.mark.parametrize(
    ("error", "code", "crashed"),
    [
        (None, 1000, False),
        (ConnectionClosed(1001), 1000, False),
        (ValueError("x"), 1011, True),
        (HTTPError(404), 1011, True),
        (KeyboardInterrupt(), 1001, False),
        (Cancelled(), 1001, False),
        (BaseException("a test's own"), 1011, True),
        (BaseExceptionGroup("", [BaseException(), ValueError("x")]), 1011, True),
        (ExceptionGroup("", [ConnectionClosed(1001), ConnectionClosed(1001)]), 1000, False),
        (ExceptionGroup("", [ExceptionGroup("", [InvalidMessage(1003, "x")])]), 1003, False),
        (ExceptionGroup("", [ConnectionClosed(1001), ValueError("x")]), 1011, True),
    ],
)
def test_the_handlers_end_closes(error: BaseException | None, code: int, crashed: bool) -> None:
    session = opened()
    assert session._conclude(error) is crashed
    assert [event.code for event in session.sent()] == [code]


@pytest.mark.parametrize(
    ("error", "status", "crashed"),
    [
        (None, 101, False),
        (HTTPError(401, "who?"), 401, False),
        (ValueError("x"), 500, True),
        (InvalidMessage(1007, "another connection's"), 500, True),
        (ExceptionGroup("tasks", [HTTPError(429, headers=[("Retry-After", "1")])]), 429, False),
        (Cancelled(), 503, False),
        (BaseException("a test's own"), 500, True),
    ],
)
def test_the_handlers_end_answers_a_handshake_that_waits(
    error: BaseException | None, status: int, crashed: bool
) -> None:
    exchange = Exchange()
    assert Session(exchange)._conclude(error) is crashed
    assert [response.status for response in exchange.responses] == [status]


def test_the_end_of_another_connection_is_the_end_of_a_handler_that_has_not_answered() -> None:
    exchange = Exchange()
    session = Session(exchange)
    assert session._conclude(ConnectionClosed(3000)) is False
    assert [response.status for response in exchange.responses] == [101]
    assert [event.code for event in session.sent()] == [1000]


def test_closing_accepts_first_so_that_the_code_arrives() -> None:
    exchange = Exchange()
    session = Session(exchange)
    session._close(4321, "why")
    assert [response.status for response in exchange.responses] == [101]
    assert [(event.code, event.reason) for event in session.sent()] == [(4321, "why")]


def test_stopping_answers_a_handshake_that_waits_with_503() -> None:
    exchange = Exchange()
    Session(exchange)._shut_down()
    assert [response.status for response in exchange.responses] == [503]
    session = opened()
    session._shut_down()
    assert [event.code for event in session.sent()] == [1001]


def test_stopping_leaves_what_is_over_as_it_is() -> None:
    exchange = Exchange()
    session = Session(exchange)
    session._reject(403, (), b"")
    session._shut_down()
    assert [response.status for response in exchange.responses] == [403]
    session = opened()
    session._close(4000, "")
    session._shut_down()
    assert [event.code for event in session.sent()] == [4000]


def test_an_adapter_says_how_it_writes() -> None:
    base = WebSocketBase(REQUEST, exchange=Exchange(), dumps=json.dumps, loads=json.loads)
    for unsaid in (
        base._flush,
        lambda: base._attach(b""),
        lambda: base._answered_ping(b"", 0.0),
    ):
        with pytest.raises(NotImplementedError):
            unsaid()


def test_unread_messages_fill_the_inbox() -> None:
    session = opened(limits=Limits(receive_high_water=1000))
    for _ in range(8):
        session.peer.send_text("x")
    session.receive()
    assert session._inbox.full
    for _ in range(5):
        session._next_message()
    assert not session._inbox.full


def test_a_client_s_session_begins_open_and_answers_no_handshake() -> None:
    session = WebSocketBase(
        REQUEST,
        connection=WebSocketConnection(Role.CLIENT, subprotocol="chat"),
        response=Response(101, [("X", "y")]),
        dumps=json.dumps,
        loads=json.loads,
    )
    assert (session.state, session.is_open(), session.subprotocol) == (State.OPEN, True, "chat")
    assert session.response is not None
    assert session.response.headers["x"] == "y"
    for answer in (
        lambda: session._accept(None, ()),
        lambda: session._reject(403, (), b""),
    ):
        with pytest.raises(LocalProtocolError, match="a client's: its server has accepted it"):
            answer()
