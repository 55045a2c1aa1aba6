"""Accepting connections, also when the system has nothing left to give.

asyncio's own accepting answers a process that is out of file descriptors with one traceback for
each connection that may wait, 2,048 by default, and again every second. Here that is one line in
the log, and a pause. What a connection is, and what is done with it, is not known here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from ..sync.listening import EXHAUSTED, PAUSE, log_exhausted

__all__ = ["Acceptor"]

_BATCH = 64
"""Connections accepted in one turn of the loop, before others are served."""


class Acceptor:
    """Accepts what comes in on listening sockets.

    Args:
        loop: A loop that can watch sockets (``add_reader``).
        sockets: Sockets that listen; they are closed with the acceptor.
        serve: Given each connection, in a task of its own.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sockets: Iterable[socket.socket],
        serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
    ) -> None:
        self._loop = loop
        self._serve = serve
        self._sockets = list(sockets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._exhausted = False
        self._pause: asyncio.TimerHandle | None = None
        for sock in self._sockets:
            sock.setblocking(False)
        self._watch()

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _watch(self) -> None:
        self._pause = None
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                self._wait(error)
                return
            self._exhausted = False
            connection.setblocking(False)
            task = self._loop.create_task(self._serve(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _wait(self, error: OSError) -> None:
        """Leave connections waiting for a while: the sockets would report them without an end."""
        if not self._exhausted:
            log_exhausted(error)
        self._exhausted = True
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        self._pause = self._loop.call_later(PAUSE, self._watch)
