"""Accepting connections in the watcher's thread, also when the system has nothing left to give."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable

from ..app.log import server as log
from .listening import PAUSE, log_exhausted
from .watcher import READ, Watcher

__all__ = ["Listener"]

_BATCH = 64
"""Connections accepted at once, before others are served."""


class Listener:
    """A listening socket; see ``Watched``.

    Args:
        sock: The socket; it listens already, and is closed by ``close``.
        watcher: Who watches it.
        clock: The time in seconds.
        accept: Given each connection, in the watcher's thread.

    Attributes:
        bucket, listed: The watcher's.
        sock: As given.
    """

    def __init__(
        self,
        sock: socket.socket,
        watcher: Watcher,
        clock: Callable[[], float],
        accept: Callable[[socket.socket], None],
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.bucket: int | None = None
        self.listed = False
        self._watcher = watcher
        self._clock = clock
        self._accept = accept
        self._closing = False
        self._closed = threading.Event()
        self._again_at: float | None = None  # accepting failed
        self._failing = False
        watcher.touch(self)

    def close(self, timeout: float) -> None:
        """Accept no more; wait so many seconds for the watcher to have let go of the socket."""
        self._closing = True
        self._watcher.touch(self)
        self._closed.wait(timeout)

    def fileno(self) -> int:
        """Give the descriptor."""
        return self.sock.fileno()

    def look(self) -> int:
        """Watch for connections, unless there is nothing to serve them with."""
        if self._closing:
            self.sock.close()
            self._closed.set()
            return 0
        return READ if self._again_at is None else 0

    def ready(self, events: int) -> int:
        """Accept what has come."""
        for _ in range(_BATCH):
            try:
                connection, _ = self.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                if error.errno == errno.EBADF:
                    raise  # somebody else has closed the socket
                if not self._failing:
                    log_exhausted(error)
                self._failing = True
                self._again_at = self._clock() + PAUSE
                break
            self._failing = False
            self._hand_on(connection)
        return self.look()

    def _hand_on(self, connection: socket.socket) -> None:
        try:
            self._accept(connection)
        except Exception as error:  # noqa: BLE001  # reported; the next ones are served
            log.error("a connection could not be accepted", exc_info=error)
            connection.close()

    def next_deadline(self) -> float | None:
        """Tell when to try again."""
        return self._again_at

    def on_timer(self, now: float) -> float | None:
        """Try again."""
        self._again_at = None
        self._watcher.touch(self)
        return None
