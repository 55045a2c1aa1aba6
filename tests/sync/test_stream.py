"""A socket as a byte stream: waiting, not waiting, and ending it from elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fasterapi.sync.stream import SocketStream, read_now

from .pairs import SECONDS, elsewhere, fill, socket_pair, wait_until


def test_bytes_go_both_ways() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        theirs.sendall(b"hello")
        assert stream.recv(3) == b"hel"
        assert stream.recv_now(9) == b"lo"
        stream.sendall(b"there")
        assert theirs.recv(9) == b"there"
        assert (stream.waiting, stream.is_writable()) == (0, True)
        theirs.close()
        assert stream.recv(9) == stream.recv_now(9) == b""


def test_waiting_has_an_end() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        with pytest.raises(BlockingIOError):
            stream.recv_now(9)
        assert not stream.has_arrived()
        with pytest.raises(TimeoutError, match="in time") as timeout:
            stream.recv(9, 0.001)
        assert timeout.value.errno is None  # and not the connection's own
        theirs.sendall(b"late")
        assert stream.has_arrived()
        assert stream.recv(9, 0) == b"late"
        stream.release()
        assert stream.has_arrived()  # an error


def test_bytes_that_find_no_room_wait() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        there = fill(ours)
        assert not stream.send_now(b"a" * 300_000)
        assert not stream.send_now(b"b")
        assert not stream.is_writable()
        waiting = stream.waiting
        assert 1 <= waiting <= 300_001
        received = bytearray()
        while not stream.send_now(b""):
            received += theirs.recv(65536)
        assert stream.moved == waiting
        assert stream.is_writable()
        while len(received) < there + 300_001:
            received += theirs.recv(65536)
        assert received.endswith(b"a" * 1000 + b"b")


def test_sendall_waits_for_room() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        there = fill(ours)
        thread = threading.Thread(target=stream.sendall, args=[bytes(500_000)])
        thread.start()
        received = 0
        while received < there + 500_000:
            received += len(theirs.recv(65536))
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_a_peer_that_takes_nothing() -> None:
    with socket_pair() as (ours, _):
        stream = SocketStream(ours, write_timeout=0.01)
        fill(ours)
        with pytest.raises(TimeoutError, match=r"no byte for Limits\.write_timeout \(0\.01 s\)"):
            stream.sendall(b"anybody?")


class Noted(threading.Condition):
    """Tells when somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.awaited.set()
        return super().wait(timeout)


@contextmanager
def crowded(sock: socket.socket) -> Iterator[SocketStream]:
    """Give a stream that somebody watches, on a socket without room, with a sender."""
    stream = SocketStream(sock)
    stream.rest = int
    stream._drained = noted = Noted()
    fill(sock)
    assert not stream.send_now(b"x")
    with elsewhere(stream.wait_writable) as result:
        assert noted.awaited.wait(SECONDS)
        yield stream
    assert result == [None]


def test_a_sender_goes_on_when_somebody_else_has_written_the_rest() -> None:
    """From a bug: it waited for room, and nothing was left that needed some."""

    class Taking:
        def send(self, data: bytes, flags: int) -> int:
            return len(data)

    with socket_pair() as (ours, _), crowded(ours) as stream:
        stream._raw = Taking()  # type: ignore[assignment]
        assert stream.send_now(b"")


def test_closing_wakes_a_sender_that_is_watched() -> None:
    with socket_pair() as (ours, _), crowded(ours) as stream:
        stream.close()


def test_a_watched_sender_gives_up_in_the_end() -> None:
    with socket_pair() as (ours, _):
        stream = SocketStream(ours, write_timeout=0.01)
        stream.rest = int
        fill(ours)
        stream.send_now(b"x")
        with pytest.raises(TimeoutError, match="took no byte"):
            stream.wait_writable()


def test_nobody_waits_for_a_descriptor_that_was_given_back() -> None:
    """From a bug: a sender that came late got ValueError."""
    with socket_pair() as (ours, _):
        stream = SocketStream(ours)
        stream.send_now(b"x")
        stream.release()
        stream.wait_writable()


def test_a_peer_that_is_gone() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        theirs.close()
        with pytest.raises(BrokenPipeError):
            stream.send_now(b"anybody?")


@pytest.mark.parametrize("timeout", [None, SECONDS])
def test_closing_wakes_whoever_reads(timeout: float | None) -> None:
    with socket_pair() as (ours, _):
        stream = SocketStream(ours)
        got: list[bytes] = []
        reading = threading.Event()

        def read() -> None:
            reading.set()
            got.append(stream.recv(9, timeout))

        thread = threading.Thread(target=read)
        thread.start()
        assert reading.wait(SECONDS)
        stream.close()
        thread.join(SECONDS)
        assert got == [b""]
        stream.close()  # no error the second time
        stream.release()
        stream.close()
        assert stream.fileno() == -1


def test_closing_wakes_whoever_writes() -> None:
    with socket_pair() as (ours, _):
        stream = SocketStream(ours)
        fill(ours)
        errors: list[Exception] = []

        def write() -> None:
            try:
                stream.sendall(b"x" * 500_000)
            except OSError as error:
                errors.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        wait_until(lambda: stream.waiting)
        stream.close()
        thread.join(SECONDS)
        assert isinstance(errors[0], BrokenPipeError)


def test_our_half_ends_alone() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        stream.sendall(b"last")
        stream.shut_write()
        assert [theirs.recv(9), theirs.recv(9)] == [b"last", b""]
        theirs.sendall(b"more")
        assert stream.recv(9) == b"more"


def test_small_writes_are_not_held_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with client, server:
            SocketStream(server)
            assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert SocketStream(client).getpeername() == listener.getsockname()


def test_rest_is_told_to_the_watcher() -> None:
    with socket_pair() as (ours, _):
        stream = SocketStream(ours)
        stream.rest()  # nobody watches
        told: list[str] = []
        stream.rest = lambda: told.append("rest")
        stream.rest()
        assert told == ["rest"]


def test_what_has_arrived_the_end_and_a_reset() -> None:
    with socket_pair() as (ours, theirs):
        stream = SocketStream(ours)
        assert read_now(stream) is None
        theirs.sendall(b"there")
        assert read_now(stream) == b"there"
        theirs.close()
        assert read_now(stream) == b""
        stream.release()
        assert read_now(stream) == b""
