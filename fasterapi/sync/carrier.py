"""A WebSocket's socket, watched: bytes while its handler is busy elsewhere, deadlines, the end.

What becomes of the connection is the core's to say, in either role; here it is done to the socket.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..protocol.flow import WriteProgress
from ..protocol.state import OPEN
from .stream import SocketStream
from .watcher import AGAIN, READ, WRITE, Watcher
from .websocket import SyncWebSocket

__all__ = ["WebSocketCarrier"]


class WebSocketCarrier:
    """What a watcher does for a ``SyncWebSocket`` on a socket; see ``Watched``.

    Args:
        websocket: It has its connection already.
        stream: Its stream, which is released at the end.
        watcher: Who watches.
        clock: The time in seconds, the same as the watcher's and the session's.
        access_log: Whether the end is logged.
        on_end: Called once, in the watcher's thread, when the descriptor is given back.
        hurry: Asked whether to hang up when all is said, without waiting for the peer to.

    Attributes:
        bucket, listed: The watcher's.
        over: Whether the descriptor is given back.
    """

    __slots__ = (
        "_access_log", "_began", "_clock", "_closed", "_hurry", "_on_end", "_progress", "_seen",
        "_shut", "_stream", "bucket", "listed", "over", "websocket",
    )  # fmt: skip

    def __init__(
        self,
        websocket: SyncWebSocket,
        stream: SocketStream,
        watcher: Watcher,
        *,
        clock: Callable[[], float],
        access_log: bool = False,
        on_end: Callable[[], None] | None = None,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        connection = websocket._connection
        assert connection is not None
        self.websocket = websocket
        self.bucket: int | None = None
        self.listed = False
        self.over = False
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._access_log = access_log
        self._on_end = on_end
        self._hurry = hurry
        self._progress = WriteProgress(connection.limits)
        self._seen = -1  # how often the handler had read at the last look
        self._shut = False  # our half has ended
        self._closed = False  # both have
        stream.corks = True
        stream.write_timeout = connection.limits.write_timeout
        stream.rest = partial(watcher.touch, self)

    # -------------------------------------------------------------------------- for the watcher

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._stream.fileno()

    def look(self) -> int:
        """See to the end; read and write for a handler that has done neither since last time."""
        if self._seen < 0:
            self._seen = 0
            return AGAIN  # the socket is to be known as ours before it can be given back
        websocket = self.websocket
        if websocket.state is not OPEN and not websocket.waiting and not websocket.ended:
            # TLS has an end of its own: it may have come with the last bytes, and nothing behind it
            # for a selector to see.
            websocket.pump()
        self.settle()
        if self.over:
            return 0
        if self._closed:
            return AGAIN  # a thread is about to leave it
        room = self._room()
        seen, self._seen = self._seen, websocket.reads
        if seen != self._seen and websocket.state is OPEN:
            return room | AGAIN
        if websocket.waiting:
            return room
        websocket.write_out(blocking=False)
        if websocket._unread:
            websocket.pump()
        return room | self._reading()

    def ready(self, events: int) -> int:
        """Take bytes for the handler, or write what has waited for room."""
        websocket = self.websocket
        if events & WRITE:
            websocket.write_out(blocking=False)
        if events & READ and not websocket.waiting:
            websocket.pump()
        self.settle()
        if self.over or self._closed:
            return 0 if self.over else AGAIN
        room = self._room()
        return room if websocket.waiting else room | self._reading()

    def _room(self) -> int:
        """Tell whether something is left to write, which the watcher does."""
        written = self._stream.is_writable() and not self.websocket._is_behind()
        return 0 if written else WRITE

    def _reading(self) -> int:
        """Tell whether to read on: unless enough waits for the handler, or nothing will come."""
        websocket = self.websocket
        connection = websocket._connection
        assert connection is not None
        with websocket._lock:
            wanted = not websocket._inbox.full or connection.state is not OPEN
            if connection.reading is not wanted:
                connection.reading = wanted
        if websocket._unread:
            return AGAIN
        return READ if wanted and not websocket.ended else 0

    def next_deadline(self) -> float | None:
        """Give the earliest: the protocol's, or that of a peer that takes nothing."""
        if self.over:
            return None
        connection = self.websocket._connection
        assert connection is not None
        self._progress.update(self._stream.waiting, self._clock(), self._stream.moved)
        deadlines = (connection.next_deadline(), self._progress.deadline())
        return min((d for d in deadlines if d is not None), default=None)

    def on_timer(self, now: float) -> float | None:
        """Do what is due."""
        if self.over:
            return None
        self._progress.update(self._stream.waiting, now, self._stream.moved)
        if self._progress.stalled(now):
            self.websocket.give_up(self._stream.stalled)
        self.websocket.tick(now)
        self._stream.rest()
        return self.next_deadline()

    # ---------------------------------------------------------------------------------- the end

    def shut(self) -> None:
        """End our half as soon as all is written; from any thread, the rest is the watcher's."""
        connection = self.websocket._connection
        assert connection is not None
        with self.websocket._lock:
            if connection.write_finished and not self._stream.waiting and not self._shut:
                self._shut = True
                self._stream.shut_write()

    def settle(self) -> None:
        """See to the socket's end, once the WebSocket is closing; for the watcher's thread."""
        websocket = self.websocket
        connection = websocket._connection
        assert connection is not None
        if self.over or (connection.state is OPEN and not websocket.lost):
            return
        self.shut()
        with websocket._lock:
            lost = websocket.lost and not websocket.waiting  # or that thread reads to the end
            over = connection.finished or lost or (self._shut and self._hurry())
            if over and not self._closed:
                self._closed = True
                if lost and not connection.finished:
                    websocket._write_failed()
                else:
                    websocket.lose()
            if self._closed and not websocket.waiting:
                self.over = True
                self._stream.release()
        if self.over:
            websocket._log_end(self._clock() - self._began, self._access_log)
            if self._on_end is not None:
                self._on_end()
