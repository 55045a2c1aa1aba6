"""A blocking session under its verbs: the handshake between threads, the watcher, the end."""

from __future__ import annotations

import logging

import pytest

from fasterapi import ConnectionClosed, LocalProtocolError, broadcast
from fasterapi.protocol import Role, WebSocketConnection
from fasterapi.protocol.events import Closed, Ping, Pong

from .memory import Session
from .pairs import SECONDS, elsewhere, wait_until


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


def test_a_ping_is_answered_while_the_handler_is_elsewhere(session: Session) -> None:
    session.ws.accept()
    session.client.ping(b"now")
    session.say("unread")
    session.ws.pump()
    assert session.heard() == [Pong(b"now")]
    assert session.ws.receive() == "unread"


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


def test_a_stopping_server_closes_without_waiting() -> None:
    session = Session()
    session.ws.shut_down()
    assert [response.status for response in session.exchange.responses] == [503]
    session = Session()
    session.ws.accept()
    session.ws.shut_down()
    assert session.heard() == [Closed(1001, "the server is shutting down")]


def test_who_may_not_wait_does_not_wait_for_the_handshakes_answer(session: Session) -> None:
    assert session.ws._opening.acquire(timeout=SECONDS)  # as another thread that answers it
    session.pipe.waits = False
    with pytest.raises(LocalProtocolError, match="another thread is answering"):
        session.ws.send("hello")
    session.ws._opening.release()
    session.ws.send("hello")
    assert session.heard() == ["hello"]


def test_a_deadline_that_ends_it_wakes_whoever_waits() -> None:
    session = Session(ping_interval=20, ping_timeout=10)
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.ws.waiting)
        for session.now in (120.0, 130.0, 135.0):
            session.ws.tick(session.now)
    (error,) = result
    assert isinstance(error, ConnectionClosed)
    assert (error.code, error.reason) == (1011, "keepalive ping timeout")


def test_losing_the_stream_wakes_everybody(session: Session) -> None:
    session.ws.accept()
    with (
        elsewhere(session.ws.receive) as received,
        elsewhere(session.ws.ping) as pinged,
        elsewhere(session.ws.wait_closed) as waited,
    ):
        wait_until(lambda: session.ws.waiting and session.ws._pings)
        rests = session.pipe.rests
        session.ws.lose()
    assert [type(each[0]) for each in (received, pinged)] == [ConnectionClosed] * 2
    assert waited == [True]
    assert session.ws.close_code == 1006
    assert session.pipe.rests > rests  # whoever watches gives the socket back


# ------------------------------------------------------------------------------------ writing


def test_an_answer_waits_while_there_are_messages_to_answer(session: Session) -> None:
    session.ws.accept()
    session.pipe.corks = True
    session.say("one", "two", "three")
    for expected in ("one", "two"):
        assert session.ws.receive() == expected
        session.ws.send(f"answer to {expected}")
    assert session.heard() == []
    assert session.ws.receive() == "three"
    session.ws.send("the last")
    assert session.heard() == ["answer to one", "answer to two", "the last"]


def test_more_than_the_mark_waits_for_no_further_answer() -> None:
    session = Session(write_high_water=1000)
    session.ws.accept()
    session.pipe.corks = True
    session.say("one", "two")
    assert session.ws.receive() == "one"
    session.ws.send("x" * 500)
    assert session.heard() == []
    session.ws.send("y" * 600)
    assert session.heard() == ["x" * 500, "y" * 600]


def test_without_a_watcher_that_writes_nothing_is_left(session: Session) -> None:
    session.ws.accept()
    session.say("one", "two")
    assert session.ws.receive() == "one"
    session.ws.send("answer")
    assert session.heard() == ["answer"]


def test_a_write_that_fails_leaves_the_end_to_who_reads(session: Session) -> None:
    with elsewhere(session.ws.receive) as received:
        wait_until(lambda: session.ws.waiting)
        session.client.close(4000, "said before it left")
        session.pipe.incoming += session.client.data_to_send()  # and the reader has not seen it
        session.pipe.fails = True
        with pytest.raises(ConnectionClosed):
            session.ws.send("into the void")
    (error,) = received
    assert isinstance(error, ConnectionClosed)
    assert (error.code, error.reason) == (4000, "said before it left")


def test_a_write_that_fails_while_nobody_reads_has_the_rest_read(session: Session) -> None:
    session.ws.accept()
    session.say("said before it left")
    session.pipe.fails = True
    with pytest.raises(ConnectionClosed):
        session.ws.send("into the void")
    assert list(session.ws) == ["said before it left"]


def test_a_message_to_many_waits_for_nobody(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")
    slow = Session(max_write_buffer=1000)
    undecided, closing, lost = Session(), Session(), Session()
    for each in (session, slow, closing, lost):
        each.ws.accept()
    slow.pipe.room.clear()
    closing.ws.shut_down()
    lost.ws.lose()
    all_of_them = [each.ws for each in (session, slow, undecided, closing, lost)]
    assert broadcast(all_of_them, "x" * 600) == 2
    assert session.heard() == ["x" * 600]
    assert slow.ws.is_open()
    slow.ws._connection.send_text("y" * 2000)  # type: ignore[union-attr]
    assert broadcast(all_of_them, "z") == 1
    assert not slow.ws.is_open()
    assert "over Limits.max_write_buffer (1000)" in caplog.text


def test_what_a_thread_waits_for_is_no_offence() -> None:
    slow = Session(max_write_buffer=1000)
    slow.ws.accept()
    slow.pipe.room.clear()
    with elsewhere(slow.ws.send, "first"):
        wait_until(lambda: slow.pipe.waiting)
        with elsewhere(slow.ws.send, "x" * 5000):
            wait_until(lambda: slow.ws._awaited > 5000)
            assert broadcast([slow.ws], "to many") == 1
            slow.pipe.room.set()
    assert slow.heard() == ["first", "x" * 5000, "to many"]
    assert slow.ws._awaited == 0
