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


def test_other_errors_are_reported(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.sock.prepare(errno.EINVAL)
    desk.dial()
    desk.turn()
    assert "could not be looked after" in caplog.text


def test_a_connection_that_is_gone_is_passed_over(desk: Desk) -> None:
    desk.sock.prepare(errno.ECONNABORTED)
    desk.dial()
    desk.turn()
    assert desk.turn() == 2


def test_closing_lets_go_of_the_socket(desk: Desk) -> None:
    desk.listener.close(0)
    desk.watcher.look()
    assert desk.sock.fileno() == -1
