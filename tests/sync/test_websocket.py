"""``SyncWebSocket`` on a blocking stream in memory, with a client in the test's own thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from fasterapi import (
    ConcurrentReceive,
    ConnectionClosed,
    InvalidMessage,
    Limits,
    LocalProtocolError,
    State,
    SyncWebSocket,
)
from fasterapi.protocol import ClientHandshake, Response, Role, ServerHandshake, WebSocketConnection
from fasterapi.protocol.deflate import PerMessageDeflate
from fasterapi.protocol.events import Closed, Ping, Pong
from fasterapi.protocol.extensions import ExtensionFactory
from tests.protocol.wire import bombs, frame

from .pairs import SECONDS, elsewhere, line, wait_until


class Pipe:
    """A stream in memory; the other end is ``feed``, ``end`` and ``written``."""

    def __init__(self) -> None:
        self.arrived = threading.Condition()
        self.incoming = bytearray()
        self.ended = False
        self.broken = False
        self.written = bytearray()
        self.corks = False
        self.unsent = bytearray()
        self.waiting = 0
        self.rests = 0
        self.room = threading.Event()
        self.room.set()
        self.watched = False

    def feed(self, data: bytes) -> None:
        with self.arrived:
            self.incoming += data
            self.arrived.notify_all()

    def end(self) -> None:
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def may_wait(self) -> bool:
        return True

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        if threading.current_thread() is not threading.main_thread():
            with self.arrived:
                if not self.arrived.wait_for(lambda: self.incoming or self.ended, timeout):
                    raise TimeoutError("nothing came")
        return self.recv_now(size)

    def recv_now(self, size: int) -> bytes:
        with self.arrived:
            if not self.incoming and not self.ended:
                raise BlockingIOError
            if self.broken:
                raise ConnectionResetError
            data = bytes(self.incoming[:size])
            del self.incoming[:size]
            return data

    def send_now(self, data: bytes) -> bool:
        if self.broken:
            raise BrokenPipeError
        self.unsent += data
        if self.room.is_set():
            self.written += self.unsent
            self.unsent.clear()
        return not self.unsent

    def wait_writable(self) -> None:
        self.waiting += 1
        if not self.room.wait(SECONDS):
            raise TimeoutError("it took no byte")

    def close(self) -> None:
        self.broken = True
        self.end()

    def end_reading(self) -> None:
        self.end()

    def is_writable(self) -> bool:
        return not self.unsent

    def rest(self) -> None:
        self.rests += 1


class Exchange:
    """Answers a handshake."""

    def __init__(self, rest: bytes = b"") -> None:
        self.rest = rest
        self.responses: list[Response] = []

    def respond(self, response: Response) -> None:
        self.responses.append(response)

    def upgrade(self, response: Response) -> bytes:
        self.respond(response)
        return self.rest

    def start_stream(self, response: Response) -> None: ...

    def send_data(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Session:
    """A session, the client it talks to, and the watcher's part, which is the test's."""

    def __init__(
        self, rest: bytes = b"", *, extensions: Sequence[ExtensionFactory] = (), **limits: Any
    ) -> None:
        self.now = 100.0
        self.pipe = Pipe()
        self.exchange = Exchange(rest)
        self.attached: list[SyncWebSocket] = []
        self.client = WebSocketConnection(Role.CLIENT)
        offer = ClientHandshake("ws://test/", subprotocols=["a"], extensions=extensions)
        handshake = ServerHandshake(offer.request, subprotocols=["a"], extensions=extensions)
        self.ws = SyncWebSocket(
            handshake.request,
            handshake=handshake,
            exchange=self.exchange,
            stream=self.pipe,
            attach=self.attached.append,
            clock=lambda: self.now,
            limits=Limits(**limits),
            dumps=json.dumps,
            loads=json.loads,
        )

    def say(self, *messages: str | bytes) -> None:
        """Have messages of the client arrive."""
        for message in messages:
            if isinstance(message, str):
                self.client.send_text(message)
            else:
                self.client.send_binary(message)
        self.pipe.feed(self.client.data_to_send())

    def heard(self) -> list[Any]:
        """Give what the client has got, and answer its pings and its Close."""
        data = bytes(self.pipe.written)
        self.pipe.written.clear()
        events = list(self.client.receive_data(data, self.now))
        self.pipe.feed(self.client.data_to_send())
        return events

    def hears(self, count: int = 1) -> list[Any]:
        """Wait for as many events."""
        events: list[Any] = []
        wait_until(lambda: events.extend(self.heard()) or len(events) >= count)
        return events


@pytest.fixture
def session() -> Session:
    return Session()


# ----------------------------------------------------------------------------------- handshake


def test_the_first_use_accepts(session: Session) -> None:
    assert (session.ws.state, session.attached) == (State.CONNECTING, [])
    session.ws.send("hello")
    assert [response.status for response in session.exchange.responses] == [101]
    assert session.attached == [session.ws]
    assert session.heard() == ["hello"]


def test_accept_and_reject() -> None:
    session = Session()
    session.ws.accept(subprotocol="a", headers=[("X-A", "b")])
    assert session.ws.subprotocol == "a"
    with pytest.raises(LocalProtocolError):
        session.ws.accept()
    session = Session()
    session.ws.reject(404, body="no")
    assert [response.status for response in session.exchange.responses] == [404]
    with pytest.raises(ConnectionClosed):
        session.ws.send("x")
    with pytest.raises(ConnectionClosed):
        session.ws.receive()


def test_bytes_behind_the_handshake_are_the_first_messages() -> None:
    client = WebSocketConnection(Role.CLIENT)
    client.send_text("early")
    session = Session(rest=client.data_to_send())
    assert session.ws.receive() == "early"


def test_two_threads_accept_once() -> None:
    for _ in range(20):
        session = Session()
        with elsewhere(session.ws.send, "a"), elsewhere(session.ws.send, "b"):
            pass
        assert len(session.exchange.responses) == 1
        assert sorted(session.heard()) == ["a", "b"]


# ------------------------------------------------------------------------------------ receiving


def test_messages_are_waited_for(session: Session) -> None:
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.attached)
        session.say("hello")
    assert result == ["hello"]


def test_each_kind_of_message(session: Session) -> None:
    session.ws.accept()
    session.say("one", b"two", '{"three": 3}', b"4", "five", b"six")
    session.ws.pump()
    ws = session.ws
    assert [ws.receive_text(), ws.receive_bytes(), ws.receive_json(), ws.receive_json()] == [
        "one", b"two", {"three": 3}, 4,
    ]  # fmt: skip
    with pytest.raises(InvalidMessage):
        ws.receive_bytes()
    with pytest.raises(InvalidMessage):
        ws.receive_text()


def test_a_loop_over_messages_ends_with_the_connection(session: Session) -> None:
    seen: list[Any] = []
    with elsewhere(lambda: seen.extend(session.ws)):
        wait_until(lambda: session.attached)
        session.say("one", "two")
        session.client.close(1001)
        session.pipe.feed(session.client.data_to_send())
        session.hears()
    assert seen == ["one", "two"]
    assert session.ws.close_code == 1001


def test_a_timeout_loses_nothing(session: Session) -> None:
    with elsewhere(session.ws.receive, timeout=0.01) as result:
        pass
    assert isinstance(result[0], TimeoutError)
    session.say("later")
    with elsewhere(session.ws.receive, timeout=SECONDS) as result:
        pass
    assert result == ["later"]


@pytest.mark.parametrize("seconds", [3e6, 1e300, float("inf")])
def test_a_timeout_may_be_long(seconds: float) -> None:
    with line() as one:
        with elsewhere(one.ws.receive, seconds) as result:
            wait_until(lambda: one.ws.waiting)
            one.say("at last")
        assert result == ["at last"]
        with elsewhere(one.ws.wait_closed, seconds) as result:
            one.ws.lose()
        assert result == [True]


def test_a_receive_that_fails_leaves_reading_to_the_next(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.ws.accept()
    session.ws._connection.reading = False
    with monkeypatch.context() as patch:
        patch.setattr(type(session.ws), "_write", lambda ws: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            session.ws.receive()
    session.say("on")
    assert session.ws.receive() == "on"


def test_a_timeout_is_for_the_whole_message() -> None:
    session = Session()
    session.ws.accept()
    session.client.send_fragment("half", fin=False)
    session.pipe.feed(session.client.data_to_send())
    with elsewhere(session.ws.receive, timeout=0.02) as result:
        pass
    assert isinstance(result[0], TimeoutError)
    session.client.send_fragment(" and half", fin=True)
    session.pipe.feed(session.client.data_to_send())
    with elsewhere(session.ws.receive) as result:
        pass
    assert result == ["half and half"]


def test_a_message_in_parts(session: Session) -> None:
    parts: list[Any] = []
    with elsewhere(lambda: parts.extend(session.ws.receive_stream())):
        wait_until(lambda: session.attached)
        for number in range(3):
            session.client.send_fragment(str(number), fin=number == 2)
            session.pipe.feed(session.client.data_to_send())
    assert "".join(parts) == "012"
    session.client.send_fragment(b"left", fin=False)
    session.client.send_fragment(b"early", fin=True)
    session.say("next")
    stream = session.ws.receive_stream()
    with elsewhere(next, stream) as result:
        pass
    assert result == [b"left"]
    stream.close()  # type: ignore[attr-defined]
    with elsewhere(session.ws.receive) as result:
        pass
    assert result == ["next"]


def test_only_one_may_receive(session: Session) -> None:
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.ws._receiving)
        with pytest.raises(ConcurrentReceive, match="let one thread receive"):
            session.ws.receive()
        session.say("for the first")
    assert result == ["for the first"]


@pytest.mark.parametrize("how", ["end", "reset"])
def test_the_peer_goes_without_a_word(session: Session, how: str) -> None:
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.attached)
        session.pipe.broken = how == "reset"
        session.pipe.end()
    (error,) = result
    assert isinstance(error, ConnectionClosed)
    assert (error.code, session.ws.is_open()) == (1006, False)
    with pytest.raises(ConnectionClosed):
        session.ws.send("anybody?")


# -------------------------------------------------------------------------------------- sending


def test_each_way_to_send(session: Session) -> None:
    ws = session.ws
    ws.send("text")
    ws.send(bytearray(b"bytes"))
    ws.send_text("more")
    ws.send_binary(memoryview(b"more"))
    ws.send_bytes(b"even")
    ws.send_json([1])
    ws.send_stream(["a", "b"])
    ws.send_stream(iter([b"1"]))
    ws.pong("alive")
    assert session.heard() == [
        "text", b"bytes", "more", b"more", b"even", "[1]", "ab", b"1", Pong(b"alive"),
    ]  # fmt: skip


def test_sending_waits_for_room(session: Session) -> None:
    session.ws.accept()
    session.pipe.room.clear()
    with elsewhere(session.ws.send, "large"), elsewhere(session.ws.send, "second"):
        wait_until(lambda: session.pipe.waiting == 2)
        assert session.heard() == []
        session.pipe.room.set()
    assert sorted(session.heard()) == ["large", "second"]


def test_a_watcher_does_not_wait_for_room(session: Session) -> None:
    session.ws.accept()
    session.pipe.room.clear()
    session.client.ping(b"now")
    session.pipe.feed(session.client.data_to_send())
    session.ws.pump()
    session.ws.shut_down()
    assert session.heard() == []
    session.pipe.room.set()
    session.ws.write_out(blocking=False)
    assert session.heard() == [Pong(b"now"), Closed(1001, "the server is shutting down")]


def test_a_stream_that_breaks_is_the_end(session: Session) -> None:
    session.ws.accept()
    session.pipe.broken = True
    with pytest.raises(ConnectionClosed):
        session.ws.send("into the void")
    assert session.ws.close_code == 1006
    with pytest.raises(ConnectionClosed):
        session.ws.send("again")
    assert session.ws.wait_closed(0)


def test_many_threads_send_and_nothing_is_mixed_up(session: Session) -> None:
    def send(name: int) -> None:
        for number in range(50):
            session.ws.send(f"{name} {number} " + "x" * 3000)

    threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    seen = [message.split()[:2] for message in session.heard()]
    assert len(seen) == 200
    for name in range(4):
        assert [int(n) for who, n in seen if who == str(name)] == list(range(50))


# --------------------------------------------------------------------------- pings and the watcher


def test_a_ping_is_answered_while_the_handler_is_elsewhere(session: Session) -> None:
    session.ws.accept()
    session.client.ping(b"now")
    session.say("unread")
    session.ws.pump()
    assert session.heard() == [Pong(b"now")]
    assert session.ws.receive() == "unread"


def test_the_watcher_reads_all_there_is(session: Session) -> None:
    session.ws.accept()
    session.client.send_fragment(bytes(300_000), fin=False)
    session.client.ping(b"behind it")
    session.pipe.feed(session.client.data_to_send())
    session.ws.pump()
    assert session.heard() == [Pong(b"behind it")]


def test_the_watcher_stops_when_enough_waits() -> None:
    session = Session(receive_high_water=1000)
    session.ws.accept()
    session.say(*["x" * 60_000] * 4)
    session.ws.pump()
    left = len(session.pipe.incoming)
    assert left > 100_000
    session.ws.pump()
    assert len(session.pipe.incoming) == left
    with elsewhere(lambda: [len(session.ws.receive()) for _ in range(4)]) as result:
        pass
    assert result == [[60_000] * 4]


SIZE = 20_000
COUNT = 30


def inflating(rest: bytes = b"") -> Session:
    session = Session(rest, extensions=[PerMessageDeflate()], receive_high_water=SIZE)
    session.ws.accept()
    return session


def numbers(ws: SyncWebSocket, count: int = COUNT) -> list[int]:
    return [ws.receive_bytes()[0] for _ in range(count)]


@pytest.mark.parametrize("before", [False, True])
def test_a_read_of_bombs_inflates_as_its_handler_takes_them(before: bool) -> None:
    data = bombs(COUNT, SIZE) + frame(8, (4000).to_bytes(2, "big"))
    session = inflating(data if before else b"")
    if not before:
        session.pipe.feed(data)
    for _ in range(3):
        session.ws.pump()
        assert 0 < session.ws._inbox.size < 3 * SIZE
    with elsewhere(numbers, session.ws) as result:
        pass
    assert result == [list(range(COUNT))]
    with pytest.raises(ConnectionClosed) as closed:
        session.ws.receive()
    assert closed.value.code == 4000


def test_a_handler_that_waits_takes_step_after_step() -> None:
    session = inflating()
    with elsewhere(numbers, session.ws, COUNT) as result:
        wait_until(lambda: session.ws.waiting)
        session.pipe.feed(bombs(COUNT, SIZE))
    assert result == [list(range(COUNT))]
    assert not session.ws._unread


def test_the_end_is_behind_what_is_unread() -> None:
    session = inflating(bombs(COUNT, SIZE))
    session.pipe.end()
    session.ws.pump()
    with elsewhere(numbers, session.ws) as result:
        pass
    assert result == [list(range(COUNT))]
    with pytest.raises(ConnectionClosed):
        session.ws.receive()


def test_who_closes_has_the_rest_taken() -> None:
    session = inflating(bombs(COUNT, SIZE) + frame(8, (4000).to_bytes(2, "big")))
    with elsewhere(session.ws.close):
        wait_until(lambda: session.ws.close_code == 4000)


def test_what_is_unread_ends_with_the_stream() -> None:
    session = inflating(bombs(COUNT, SIZE))
    session.ws.lose()
    assert not session.ws._unread
    with elsewhere(list, session.ws) as result:
        pass
    assert 0 < len(result[0]) < COUNT


def test_a_watcher_leaves_reading_to_a_handler_that_waits(session: Session) -> None:
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.ws._receiving)
        session.ws.pump()
        session.say("for the handler")
    assert result == ["for the handler"]


def test_the_latency_of_a_ping(session: Session) -> None:
    session.ws.accept()

    def answer() -> None:
        wait_until(lambda: session.pipe.written)
        session.now += 0.25
        session.heard()
        session.ws.pump()

    with elsewhere(session.ws.ping) as result:
        answer()
    assert result == [pytest.approx(0.25)]
    assert session.ws.latency == pytest.approx(0.25)


def test_a_ping_without_an_answer(session: Session) -> None:
    session.ws.accept()
    for _ in range(2):  # the name may be used again
        with pytest.raises(TimeoutError, match="no pong within"):
            session.ws.ping("name", timeout=0.01)
    with elsewhere(session.ws.ping, "name") as result:
        wait_until(lambda: session.ws._pings)
        with pytest.raises(LocalProtocolError, match="still unanswered"):
            session.ws.ping("name")
        session.ws.lose()
    assert isinstance(result[0], ConnectionClosed)


def test_a_silent_peer_is_pinged_and_given_up() -> None:
    session = Session(ping_interval=20, ping_timeout=10)
    session.ws.accept()
    assert session.ws.tick(session.now) == 120.0
    session.now = 120.0
    assert session.ws.tick(session.now) == 130.0
    (ping,) = session.heard()
    assert isinstance(ping, Ping)
    session.ws.pump()  # the answer is there
    session.now = 140.0
    session.ws.tick(session.now)
    assert len(session.client.receive_data(bytes(session.pipe.written))) == 1
    session.now = 150.0
    session.ws.tick(session.now)
    assert session.heard()[-1] == Closed(1011, "keepalive ping timeout")
    assert session.ws.wait_closed(0)
    with pytest.raises(ConnectionClosed) as closed:
        session.ws.send("anybody?")
    assert closed.value.code == 1011


def test_before_the_handshake_there_is_nothing_to_watch(session: Session) -> None:
    assert session.ws.tick(200.0) is None
    session.ws.lose()
    with pytest.raises(ConnectionClosed):
        session.ws.accept()


# -------------------------------------------------------------------------------------- closing


def test_closing_waits_for_the_peer(session: Session) -> None:
    session.ws.accept()
    with elsewhere(session.ws.close, 4000, "enough") as result:
        assert session.hears() == [Closed(4000, "enough")]
        assert result == []
        session.ws.pump()
    assert result == [None]
    assert (session.ws.close_code, session.ws.close_reason) == (4000, "enough")
    session.ws.close()  # once is enough
    assert session.heard() == []


def test_closing_ends_a_wait_for_messages(session: Session) -> None:
    with elsewhere(session.ws.receive) as received:
        wait_until(lambda: session.ws._receiving)
        with elsewhere(session.ws.close) as closed:
            session.hears()
    assert closed == [None]
    assert isinstance(received[0], ConnectionClosed)


def test_a_peer_that_does_not_answer_a_close() -> None:
    session = Session(close_timeout=3)
    session.ws.accept()
    with elsewhere(session.ws.close):
        wait_until(lambda: session.pipe.written)
        assert session.ws.tick(session.now) == 103.0
        session.now = 103.0
        session.ws.tick(session.now)
    assert session.ws.close_code == 1006


def test_the_peers_close_is_answered_while_the_handler_is_elsewhere(session: Session) -> None:
    session.ws.accept()
    session.client.close(1001, "bye")
    session.pipe.feed(session.client.data_to_send())
    with elsewhere(session.ws.wait_closed, SECONDS) as result:
        session.ws.pump()
    assert result == [True]
    assert session.heard() == [Closed(1001, "bye")]
    assert session.pipe.rests > 1  # whoever watches sees to the transport's end


def test_answers_go_out_before_the_close_that_is_owed(session: Session) -> None:
    session.ws.accept()
    session.say("question")
    session.client.close()
    session.pipe.feed(session.client.data_to_send())
    session.ws.pump()
    assert session.heard() == []
    assert session.ws.receive() == "question"
    session.ws.send("answer")
    with pytest.raises(ConnectionClosed):
        session.ws.receive()
    assert session.heard() == ["answer", Closed(1000)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 1000),
        (RuntimeError(), 1011),
        (ConnectionClosed(), 1000),
        (InvalidMessage(1003, ""), 1003),
    ],
    ids=repr,
)
def test_the_handlers_end_closes(session: Session, error: BaseException | None, code: int) -> None:
    session.ws.accept()
    assert session.ws._conclude(error) is (code == 1011)
    assert session.heard() == [Closed(code)]


def test_a_stopping_server_closes_without_waiting() -> None:
    session = Session()
    session.ws.shut_down()
    assert [response.status for response in session.exchange.responses] == [503]
    session = Session()
    session.ws.accept()
    session.ws.shut_down()
    assert session.heard() == [Closed(1001, "the server is shutting down")]
