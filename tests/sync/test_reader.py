"""Reading a blocking session's stream: who waits, who does not, and what is left for later."""

from __future__ import annotations

import pytest

from fasterapi import ConcurrentReceive, ConnectionClosed, LocalProtocolError, SyncWebSocket
from fasterapi.protocol.deflate import PerMessageDeflate
from fasterapi.protocol.events import Closed, Pong
from fasterapi.sync.reader import _READS
from tests.protocol.wire import bombs, frame

from .memory import Session
from .pairs import SECONDS, elsewhere, line, wait_until

# ------------------------------------------------------------------------------ whoever waits


@pytest.mark.parametrize("timeout", [None, SECONDS])
def test_one_message_is_one_read(session: Session, timeout: float | None) -> None:
    session.ws.accept()
    for number in range(3):
        session.say(f"message {number}")
        assert session.ws.receive(timeout) == f"message {number}"
        assert session.ws.reads == number + 1
        assert not session.ws.waiting


@pytest.mark.parametrize("timeout", [None, SECONDS])
def test_what_one_read_brings_needs_no_other(session: Session, timeout: float | None) -> None:
    session.ws.accept()
    session.say("one", "two", "three")
    assert [session.ws.receive(timeout) for _ in range(3)] == ["one", "two", "three"]
    assert session.ws.reads == 1


@pytest.mark.parametrize("timeout", [None, SECONDS])
def test_a_ping_before_a_message_is_answered_at_once(
    session: Session, timeout: float | None
) -> None:
    session.ws.accept()
    session.client.ping(b"first")
    session.say("message")
    assert session.ws.receive(timeout) == "message"
    assert session.heard() == [Pong(b"first")]


@pytest.mark.parametrize("timeout", [None, SECONDS])
def test_what_is_queued_is_written_before_the_wait(session: Session, timeout: float | None) -> None:
    session.ws.accept()
    session.say("one", "two")
    session.pipe.corks = True
    assert session.ws.receive() == "one"
    session.ws.send("answer")
    assert session.heard() == []  # it has another message to answer
    assert session.ws.receive() == "two"
    session.say("three")
    assert session.ws.receive(timeout) == "three"
    assert session.heard() == ["answer"]


def test_a_message_that_waits_is_taken_without_a_read(session: Session) -> None:
    session.ws.accept()
    session.say("waits")
    session.ws.pump()
    session.pipe.end()
    assert session.ws.receive() == "waits"
    assert session.ws.reads == 0


def test_after_a_close_of_ours_messages_are_dropped(session: Session) -> None:
    session.ws.accept()
    session.say("too late")
    with elsewhere(session.ws.close) as closed:
        assert session.hears() == [Closed(1000)]
    assert closed == [None]
    with pytest.raises(ConnectionClosed):
        session.ws.receive()


def test_who_waits_for_a_pong_reads_while_nobody_else_does(session: Session) -> None:
    session.ws.accept()
    with elsewhere(session.ws.ping, timeout=SECONDS) as result:
        wait_until(lambda: session.ws.waiting)
        session.say("meanwhile")
        session.hears()
    assert result == [0.0]
    assert session.ws.receive() == "meanwhile"


def test_who_may_not_wait_gets_what_is_there(session: Session) -> None:
    session.ws.accept()
    session.pipe.waits = False
    session.say("there")
    assert session.ws.receive() == "there"
    with pytest.raises(TimeoutError, match="nothing to read yet"):
        session.ws.receive()
    with pytest.raises(LocalProtocolError, match=r"asyncio\.to_thread\(websocket\.ping\)"):
        session.ws.ping()
    session.ws.close()  # does not wait either
    assert session.heard() == [Closed(1000)]


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


def test_only_one_may_receive(session: Session) -> None:
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.ws._receiving)
        with pytest.raises(ConcurrentReceive, match="let one thread receive"):
            session.ws.receive()
        session.say("for the first")
    assert result == ["for the first"]


@pytest.mark.parametrize("timeout", [None, SECONDS])
@pytest.mark.parametrize("how", ["end", "reset"])
def test_the_peer_goes_without_a_word(session: Session, how: str, timeout: float | None) -> None:
    with elsewhere(session.ws.receive, timeout) as result:
        wait_until(lambda: session.attached)
        session.pipe.broken = how == "reset"
        session.pipe.end()
    (error,) = result
    assert isinstance(error, ConnectionClosed)
    assert (error.code, session.ws.is_open()) == (1006, False)
    with pytest.raises(ConnectionClosed):
        session.ws.send("anybody?")


# ------------------------------------------------------------------------------- the watcher


def test_before_the_handshake_the_watcher_reads_nothing(session: Session) -> None:
    session.pipe.feed(b"of the handshake, perhaps")
    session.ws.pump()
    assert session.pipe.incoming == b"of the handshake, perhaps"


def test_the_watcher_reads_so_often_and_serves_others(session: Session) -> None:
    session.ws.accept()
    session.client.send_fragment(bytes(65536 * (_READS + 2)), fin=False)
    session.pipe.feed(session.client.data_to_send())
    session.ws.pump()
    assert 65536 < len(session.pipe.incoming) < 65536 * 4
    session.ws.pump()
    assert not session.pipe.incoming


def test_the_watcher_takes_the_end_once(session: Session) -> None:
    session.ws.accept()
    session.say("before it")
    session.pipe.end()
    session.ws.pump()
    assert session.ws.ended
    session.pipe.broken = True  # nobody looks
    session.ws.pump()
    assert session.ws.receive() == "before it"
    with pytest.raises(ConnectionClosed):
        session.ws.receive()


def test_the_watcher_reads_the_reset_as_an_end(session: Session) -> None:
    session.ws.accept()
    session.pipe.broken = True
    session.pipe.end()
    session.ws.pump()
    assert (session.ws.ended, session.ws.close_code) == (True, 1006)


def test_taking_a_message_lets_the_watcher_read_on() -> None:
    session = Session(receive_high_water=1000)
    session.ws.accept()
    session.say("x" * 2000, "y")
    session.ws.pump()
    rests = session.pipe.rests
    assert session.ws._inbox.full
    session.ws.receive()
    assert session.pipe.rests == rests + 1
    session.ws.receive()
    assert session.pipe.rests == rests + 1  # it had nothing to wait for


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


def test_a_watcher_leaves_reading_to_a_handler_that_waits(session: Session) -> None:
    with elsewhere(session.ws.receive) as result:
        wait_until(lambda: session.ws._receiving)
        session.ws.pump()
        session.say("for the handler")
    assert result == ["for the handler"]


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
