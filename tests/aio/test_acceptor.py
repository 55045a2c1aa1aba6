"""Accepting connections, also when the system has nothing left to give."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from fasterapi.aio.acceptor import Acceptor

from .conftest import Runner


class Loop:
    """Keeps what it is asked to watch and to call."""

    def __init__(self) -> None:
        self.readers: dict[Any, Callable[[], None]] = {}
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0
        self.tasks = 0

    def add_reader(self, sock: Any, call: Callable[..., None], *args: Any) -> None:
        self.readers[sock] = lambda: call(*args)

    def remove_reader(self, sock: Any) -> bool:
        return self.readers.pop(sock, None) is not None

    def call_later(self, delay: float, call: Callable[[], None]) -> Loop:
        self.later.append((delay, call))
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def create_task(self, coroutine: Any) -> Loop:
        coroutine.close()
        self.tasks += 1
        return self

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        call(self)


class Listener:
    """A socket that listens; ``waiting`` are connections or errors."""

    def __init__(self, *waiting: Any) -> None:
        self.waiting = list(waiting)
        self.open = True

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def accept(self) -> tuple[Any, Any]:
        if not self.waiting:
            raise BlockingIOError
        item = self.waiting.pop(0)
        if isinstance(item, int):
            raise OSError(item, os.strerror(item))
        return item, None

    def close(self) -> None:
        self.open = False


class Connection:
    def setblocking(self, flag: bool) -> None:
        assert not flag


async def serve(connection: Any) -> None:
    """Serve it."""


def make(*listeners: Listener) -> tuple[Loop, Acceptor]:
    loop = Loop()
    return loop, Acceptor(loop, listeners, serve)  # type: ignore[arg-type]


def test_all_that_wait_are_accepted() -> None:
    listener = Listener(*[Connection()] * 10)
    loop, _ = make(listener)
    loop.readers[listener]()
    assert loop.tasks == 10


def test_others_have_their_turn_in_a_crowd() -> None:
    listener = Listener(*[Connection()] * 1000)
    loop, _ = make(listener)
    loop.readers[listener]()
    assert 10 < loop.tasks < 100
    assert listener in loop.readers


def test_a_client_that_has_gone_already_is_none() -> None:
    listener = Listener(errno.ECONNABORTED, Connection())
    loop, _ = make(listener)
    loop.readers[listener]()  # the loop asks again, for there is more
    loop.readers[listener]()
    assert loop.tasks == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_nothing_left_is_said_once_and_waited_for(
    caplog: pytest.LogCaptureFixture, number: int
) -> None:
    listener, other = Listener(Connection(), *[number] * 3, Connection(), number), Listener()
    loop, _ = make(listener, other)
    loop.readers[listener]()
    assert (loop.tasks, loop.readers) == (1, {})
    for _ in range(2):
        delay, again = loop.later.pop()
        assert delay >= 0.5
        again()
        assert set(loop.readers) == {listener, other}
        loop.readers[listener]()
        assert (loop.tasks, loop.readers) == (1, {})
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)
    assert os.strerror(number) in record.getMessage()
    assert "ulimit -n" in record.getMessage()
    loop.later.pop()[1]()
    loop.readers[listener]()
    assert loop.tasks == 2
    assert len(caplog.records) == 2  # it had gone well in between


def test_any_other_error_is_the_loops_to_report() -> None:
    listener = Listener(errno.EPERM, Connection())
    loop, _ = make(listener)
    with pytest.raises(PermissionError):
        loop.readers[listener]()
    loop.readers[listener]()
    assert loop.tasks == 1


def test_closing() -> None:
    listener = Listener(errno.EMFILE)
    loop, acceptor = make(listener)
    loop.readers[listener]()
    acceptor.close()
    assert (listener.open, loop.readers, loop.cancelled) == (False, {}, 1)


def test_over_a_socket(run_everywhere: Runner) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        served = loop.create_future()

        async def answer(connection: socket.socket) -> None:
            assert connection.gettimeout() == 0
            with connection:
                await loop.sock_sendall(connection, b"hello")
            served.set_result(None)

        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        acceptor = Acceptor(loop, [listener], answer)
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.read() == b"hello"
        await served
        writer.close()
        await writer.wait_closed()
        acceptor.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    run_everywhere(main())
