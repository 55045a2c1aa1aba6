"""``SyncWebSocket``'s verbs, on a blocking stream in memory, with a client in the test's thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fasterapi import ConnectionClosed, InvalidMessage, LocalProtocolError, State
from fasterapi.protocol.events import Closed, Pong

from .memory import Session
from .pairs import SECONDS, elsewhere, wait_until

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
