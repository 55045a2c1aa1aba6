"""A WebSocket on a socket, between its handler's thread and the watcher."""

from __future__ import annotations

import logging

import pytest

from fasterapi import ConnectionClosed, State
from fasterapi.protocol.deflate import PerMessageDeflate
from fasterapi.protocol.events import Closed, Ping, Pong
from fasterapi.sync.stream import SocketStream
from tests.protocol.wire import PING, bombs, frame

from .pairs import SECONDS, Line, elsewhere, fill, line, wait_until


def is_watched(one: Line) -> bool:
    """Tell whether the selector has the connection's socket."""
    return one.stream.fileno() in one.watcher._selector.get_map()


def test_a_handler_reads_the_socket_itself() -> None:
    with line() as one:
        for number in range(10):
            one.say(f"message {number}")
            assert one.ws.receive() == f"message {number}"
            one.watcher.look()
            assert not is_watched(one)  # nothing is changed for a message


def test_pings_are_answered_while_the_handler_is_busy() -> None:
    with line() as one:
        one.client.ping(b"there?")
        one.flush()
        one.turn()
        assert one.hears() == [Pong(b"there?", 0.0, (b"there?",))]


def test_messages_wait_up_to_the_mark() -> None:
    with line(receive_high_water=1000) as one:
        one.say(*["x" * 100] * 8)
        one.turn()
        assert one.ws._inbox.full
        assert not is_watched(one)
        assert one.ws._connection is not None
        assert not one.ws._connection.reading
        one.say("more")
        one.turn()
        assert len(one.ws._inbox) == 8
        while one.ws._inbox.full:
            one.ws.receive()
        one.turn()
        assert is_watched(one)
        assert one.ws._connection.reading


def test_the_rest_of_a_read_that_inflates_is_taken_while_the_handler_is_busy() -> None:
    with line(extensions=[PerMessageDeflate()], receive_high_water=3000) as one:
        one.peer.sendall(bombs(6, 900) + frame(PING, b"there?"))
        one.turn()
        assert len(one.ws._inbox) == 3
        one.turn()
        assert not is_watched(one)
        for _ in range(3):
            one.ws.receive()
        one.turn()
        assert len(one.ws._inbox) == 3
        assert not is_watched(one)
        for _ in range(3):
            one.ws.receive()
        one.turn()
        assert one.hears() == [Pong(b"there?")]
        assert is_watched(one)


def test_the_watcher_lets_go_when_the_handler_reads_again() -> None:
    with line() as one:
        one.turn()
        assert is_watched(one)
        with elsewhere(one.ws.receive) as result:
            wait_until(lambda: one.ws.waiting)
            one.watcher.touch(one.carrier)
            one.watcher.look()
            assert not is_watched(one)
            one.say("for the handler")
        assert result == ["for the handler"]
        one.turn()
        assert is_watched(one)
        one.ws.waiting = True  # as if the handler were quicker than the next look
        one.say("for the handler too")
        one.watcher.attend(SECONDS)
        assert not is_watched(one)
        assert len(one.ws._inbox) == 0
        one.ws.waiting = False


def test_an_idle_handler_costs_the_watcher_nothing() -> None:
    with line() as one, elsewhere(one.ws.receive):
        wait_until(lambda: one.ws.waiting)
        one.watcher.look()
        one.watcher.look()
        assert not one.watcher._list
        assert not is_watched(one)
        one.say("enough")


def test_the_peers_going_is_noticed_while_the_handler_is_busy() -> None:
    with line() as one:
        one.turn()
        one.peer.close()
        one.turn()
        assert one.ws.state is State.CLOSED
        assert one.ws.wait_closed(0)
        assert one.ended == ["over"]
        assert one.stream.fileno() == -1
        with pytest.raises(ConnectionClosed):
            one.ws.send("anybody?")


def test_a_close_of_the_peers_is_answered_when_its_time_is_up() -> None:
    with line(answer_timeout=2.0) as one:
        one.say("a question")
        one.client.close(4001, "impatient")
        one.flush()
        one.turn()
        assert one.ws.state is State.REMOTE_CLOSING
        one.now += 2.1
        one.turn()
        assert one.hears() == [Closed(4001, "impatient", remote=True)]
        assert one.hears() == []  # the end of our half: the server closes first
        one.peer.close()
        one.turn()
        assert one.ended == ["over"]


def test_keepalive_pings_a_handler_that_waits_and_wakes_it_in_the_end() -> None:
    with line(ping_interval=20, ping_timeout=10) as one:
        with elsewhere(one.ws.receive) as result:
            wait_until(lambda: one.ws.waiting)
            one.turn()
            one.now += 20.1
            one.turn()
            assert isinstance(one.hears()[0], Ping)
            one.now += 10.1  # the peer has vanished without a word
            one.turn()
        assert isinstance(result[0], ConnectionClosed)
        assert result[0].code == 1011
        one.turn()
        assert one.ended == ["over"]


def test_closing_from_another_thread_wakes_a_waiting_receive() -> None:
    with line() as one:
        with elsewhere(one.ws.receive) as result:
            wait_until(lambda: one.ws.waiting)
            with elsewhere(one.ws.close, 4000, "enough"):
                assert one.hears() == [Closed(4000, "enough", remote=True)]
                one.flush()
        assert isinstance(result[0], ConnectionClosed)
        assert (result[0].code, result[0].reason) == (4000, "enough")


def test_a_peer_that_answers_no_close_is_cut_off() -> None:
    with line(close_timeout=3.0) as one:
        with elsewhere(one.ws.receive) as result:
            wait_until(lambda: one.ws.waiting)
            one.ws.shut_down()
            one.turn()
            one.now += 0.1
            one.turn()
            one.now += 3.1
            one.turn(6)
        assert isinstance(result[0], ConnectionClosed)
        one.turn()
        assert one.ended == ["over"]


def test_what_finds_no_room_is_written_by_the_watcher() -> None:
    with line() as one:
        there = fill(one.stream._socket)
        one.stream._socket.setblocking(True)
        one.ws.shut_down()
        assert one.stream.waiting
        one.turn()
        received = 0
        while received < there:
            received += len(one.peer.recv(65536))
            one.turn()
        assert not one.stream.waiting


def test_a_peer_that_takes_nothing_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")
    with line(write_timeout=5.0, close_timeout=60.0) as one:
        fill(one.stream._socket)
        one.ws.shut_down()
        one.turn()
        one.now += 5.1
        one.turn(4)
        assert one.ended == ["over"]
        assert "aborted: it took no byte for Limits.write_timeout (5 s)" in caplog.text


def test_a_sender_that_waits_for_room_is_told_when_there_will_be_none() -> None:
    with line() as one:
        fill(one.stream._socket)
        with elsewhere(one.ws.send, "x" * 300_000) as result:
            wait_until(lambda: one.stream.waiting)
            one.ws.give_up("the test wants it")
        assert isinstance(result[0], ConnectionClosed)
        one.turn()
        assert one.ended == ["over"]


@pytest.mark.parametrize("timeout", [None, SECONDS])
def test_what_a_peer_said_before_it_left_is_read_though_writing_fails(
    timeout: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a bug: a write of another thread's failed, and took the messages of who waited."""
    with line() as one:

        def recv(stream: SocketStream, size: int, timeout: float | None = None) -> bytes:
            monkeypatch.undo()
            one.say("a", "b")
            one.peer.close()
            with pytest.raises(ConnectionClosed):
                one.ws.send("anybody?")
            one.turn()
            return stream.recv(size, timeout)

        monkeypatch.setattr(SocketStream, "recv", recv)
        assert one.ws.receive(timeout) == "a"
        one.turn()
        assert one.ws.receive(timeout) == "b"
        with pytest.raises(ConnectionClosed):
            one.ws.receive(timeout)
        one.turn()
        assert one.ended == ["over"]


def test_who_sends_when_a_write_has_failed_learns_how_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From a bug: there was no close code, for whoever waited was to have read it."""
    with line() as one:

        def recv(stream: SocketStream, size: int, timeout: float | None = None) -> bytes:
            monkeypatch.undo()
            one.say("a")
            one.peer.close()
            with pytest.raises(ConnectionClosed):
                one.ws.send("anybody?")
            return stream.recv(size, timeout)

        monkeypatch.setattr(SocketStream, "recv", recv)
        assert one.ws.receive() == "a"
        with pytest.raises(ConnectionClosed):
            one.ws.send("a")
        assert one.ws.close_code == 1006
        one.turn()


def test_the_descriptor_is_kept_until_its_reader_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may give its number away, and the reader would read another's bytes."""
    with line() as one:

        def recv(stream: SocketStream, size: int, timeout: float | None = None) -> bytes:
            monkeypatch.undo()
            one.ws.lose()
            one.turn(3)
            assert stream.fileno() >= 0
            assert one.ended == []
            return stream.recv(size, timeout)

        monkeypatch.setattr(SocketStream, "recv", recv)
        with pytest.raises(ConnectionClosed):
            one.ws.receive()
        one.turn()
        assert one.stream.fileno() == -1
        assert one.ended == ["over"]


def test_answers_are_written_together_when_the_handler_waits() -> None:
    with line() as one:
        one.say("a", "b", "c")
        for answer, queued in ("A", 3), ("B", 6), ("C", 0):
            one.ws.receive()
            one.ws.send(answer)
            assert one.ws._queued() == queued
        assert one.hears(3) == ["A", "B", "C"]


def test_what_a_busy_handler_has_left_is_written_by_the_watcher() -> None:
    with line() as one:
        one.say("a", "b")
        assert one.ws.receive() == "a"
        one.ws.send("A")  # "b" waits, and so does this
        assert one.ws._queued()
        one.turn(3)
        assert one.hears() == ["A"]


def test_a_ping_of_ours_reads_its_own_answer() -> None:
    with line() as one:
        with elsewhere(one.ws.ping) as result:
            assert isinstance(one.hears()[0], Ping)
            one.say("in between")
            one.flush()
        assert result == [0.0]
        assert one.ws.receive() == "in between"


def test_a_ping_gives_way_to_whoever_receives() -> None:
    with line() as one:
        with elsewhere(one.ws.ping) as pinged:
            wait_until(lambda: one.ws.waiting)
            with elsewhere(one.ws.receive) as received:
                wait_until(lambda: one.ws._receiving)
                one.say("first")
            assert received == ["first"]
            one.hears()
            one.flush()
            one.turn()
        assert pinged == [0.0]


def test_what_the_watcher_took_at_the_last_moment_is_found() -> None:
    """From a bug: the first message's queue was looked for before the lock was held."""
    with line() as one:
        lock = one.ws._lock

        class Late:
            def __enter__(self) -> None:
                one.ws._lock = lock
                one.say("quicker")
                one.ws.pump()
                lock.acquire()

            def __exit__(self, *_: object) -> None:
                lock.release()

        one.ws._lock = Late()  # type: ignore[assignment]
        with elsewhere(one.ws.receive) as result:
            pass
        assert result == ["quicker"]


def test_all_of_it_with_a_thread() -> None:
    with line(threaded=True) as one:
        one.client.ping(b"early")
        one.flush()
        assert isinstance(one.hears()[0], Pong)  # nobody receives
        for number in range(100):
            one.say(f"{number}")
            one.ws.send(one.ws.receive())
            assert one.hears() == [f"{number}"]
        one.client.close()
        one.flush()
        with pytest.raises(ConnectionClosed):
            one.ws.receive()
        assert isinstance(one.hears()[0], Closed)
        one.peer.close()
        wait_until(lambda: one.ended)
