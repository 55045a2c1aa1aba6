"""Accepting, also when the system has nothing left to give."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from fasterapi.sync.listener import Listener
from fasterapi.sync.watcher import Watcher

from .pairs import SECONDS


class Socket(socket.socket):
    """Fails as it is told, before it accepts."""

    def prepare(self, *numbers: int) -> None:
        self.numbers = list(numbers)

    def accept(self) -> tuple[socket.socket, object]:
        if self.numbers:
            raise OSError(self.numbers.pop(0), "meant to")
        return super().accept()


class Desk:
    """A listener, its watcher without a thread, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.accepted: list[socket.socket] = []
        self.sock = Socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.prepare()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen()
        self.watcher = Watcher(lambda: self.now, threaded=False)
        self.listener = Listener(self.sock, self.watcher, lambda: self.now, self.accepted.append)
        self.watcher.look()

    def dial(self) -> socket.socket:
        client = socket.create_connection(self.sock.getsockname(), SECONDS)
        self.accepted.append(client)  # to be closed with the others
        return client

    def turn(self) -> int:
        """Let the watcher work; tell how many connections there are."""
        self.watcher.attend(0.01)
        self.watcher.walk(self.now)
        self.watcher.look()
        return len(self.accepted)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.listener.close(0)
    made.watcher.look()
    made.watcher.close()
    for sock in made.accepted:
        sock.close()


def test_connections_are_handed_on(desk: Desk) -> None:
    for _ in range(3):
        desk.dial()
    assert desk.turn() == 6


def test_an_exhausted_system_is_asked_again_later(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.sock.prepare(errno.EMFILE, errno.ENFILE)
    desk.dial()
    for _ in range(3):
        assert desk.turn() == 1
    desk.now += 1.1
    desk.turn()  # once more, in vain
    assert desk.turn() == 1
    desk.now += 1.1
    desk.turn()
    assert desk.turn() == 2
    assert caplog.text.count("can't accept connections") == 1
    assert "ulimit -n" in caplog.text


@pytest.mark.parametrize("number", [errno.EPROTO, errno.EINVAL, errno.EPERM])
def test_no_other_error_makes_it_deaf(
    desk: Desk, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """From a bug: one error that was not foreseen, and nobody listened any more."""
    desk.sock.prepare(number)
    desk.dial()
    assert desk.turn() == 1
    desk.now += 1.1
    desk.turn()
    assert desk.turn() == 2
    assert caplog.text.count("can't accept connections") == 1
    assert "ulimit" not in caplog.text


def test_a_socket_that_somebody_else_has_closed_is_given_up(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.sock.prepare(errno.EBADF)
    desk.dial()
    desk.turn()
    desk.now += 1.1
    assert desk.turn() == 1
    assert "could not be looked after" in caplog.text


def test_a_connection_that_fails_harms_no_other(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [ValueError("meant to")]

    def accept(sock: socket.socket) -> None:
        if failures:
            raise failures.pop()
        desk.accepted.append(sock)

    desk.listener._accept = accept
    first = desk.dial()
    desk.dial()
    assert desk.turn() == 3
    assert "a connection could not be accepted" in caplog.text
    assert first.recv(1) == b""


def test_a_connection_that_is_gone_is_passed_over(desk: Desk) -> None:
    desk.sock.prepare(errno.ECONNABORTED)
    desk.dial()
    desk.turn()
    assert desk.turn() == 2


def test_closing_lets_go_of_the_socket(desk: Desk) -> None:
    desk.listener.close(0)
    desk.watcher.look()
    assert desk.sock.fileno() == -1
