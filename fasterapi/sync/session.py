"""What ``SyncWebSocket`` does under its verbs: it keeps threads apart, and is watched.

``_lock`` guards the session, the connection and writing; nothing blocks while it is held. Two
things are done without it: whoever waits for a message reads the stream (``reader``); and whoever
waits for room waits on the stream, and then goes on under the lock (``writer``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import LocalProtocolError
from ..protocol.prepared import PreparedMessage
from ..protocol.state import OPEN
from .reader import BlockingReader

__all__ = ["BlockingSession"]


class BlockingSession(BlockingReader):
    """A WebSocket on a blocking byte stream, without its verbs.

    Args:
        args, options: As for ``BlockingReader``.
        attach: Called once, when the handshake is accepted and the stream is the WebSocket's.
    """

    __slots__ = ("_awaited", "_done", "_on_attach", "_opening", "_pings")

    def __init__(self, *args: Any, attach: Callable[[Any], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_attach = attach
        self._awaited = 0  # queued bytes of threads that wait for room
        self._opening = threading.Lock()
        self._done = threading.Event()
        self._pings: dict[bytes, tuple[threading.Event, list[float]]] = {}

    # --------------------------------------------------------------------------- the watcher

    def pump(self) -> None:
        """Read what has arrived, for a handler that is busy elsewhere. Never blocks.

        Whoever watches the stream calls it when there is something to read.
        """
        with self._lock:
            self._read_now()
            self._write()

    def tick(self, now: float) -> float | None:
        """Do what is due, and give the next deadline; called by whoever watches the stream."""
        with self._lock:
            if self._connection is None:
                return None
            self._take(self._connection.tick(now))
            self._write()
            if self._ending and self.waiting:
                self._stream.end_reading()  # nothing will come for whoever waits
            return self._connection.next_deadline()

    def shut_down(self) -> None:
        """Close with 1001, for the server stops. Never blocks."""
        self._shut_down()
        self.write_out(blocking=False)

    def lose(self) -> None:
        """Take the stream's end, whatever was under way."""
        with self._lock:
            self.lost = True
            if self._connection is None:
                self._ended(1006, "")
            else:
                self._take(self._connection.receive_eof(self._clock(), drop=True))
            self._release()
        self._stream.close()  # whoever reads it goes on
        self._stream.rest()

    # ------------------------------------------------------------------------- the other side

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        """Be the one who answers the handshake, unless it is accepted.

        It is done outside the lock: the response goes over the transport, which may block.

        Raises:
            LocalProtocolError: If another thread is at it, and this one may not wait.
        """
        if self._connection is not None:
            yield
            return
        if not self._opening.acquire(blocking=self._stream.may_wait()):
            raise LocalProtocolError(
                "another thread is answering this WebSocket's handshake, for which the event loop "
                "can't wait; use it when it is accepted, or from a thread (asyncio.to_thread)"
            )
        try:
            yield
        finally:
            self._opening.release()

    def _check_may_wait(self, verb: str) -> None:
        if not self._stream.may_wait():
            raise LocalProtocolError(
                f"SyncWebSocket.{verb}() waits, and would hold the event loop up; "
                f"call it in a thread: await asyncio.to_thread(websocket.{verb})"
            )

    def _ensure_open(self) -> None:
        if self._connection is None:
            with self._deciding():
                self._open()
            self.write_out()

    def _attach(self, rest: bytes) -> None:
        assert self._connection is not None
        self._connection.piecewise = True  # the lock is free between two pieces
        self._connection.stepwise = True
        with self._lock:
            self._take(self._connection.receive_data(rest, self._clock()))
        self._on_attach(self)
        self._stream.rest()

    def _release(self) -> None:
        self._done.set()
        pings, self._pings = self._pings, {}
        for answered, _ in pings.values():
            answered.set()

    def _answered_ping(self, payload: bytes, latency: float) -> None:
        answered, result = self._pings.pop(payload, (None, []))
        if answered is not None:
            result.append(latency)
            answered.set()

    def _flush(self) -> None:
        """Leave it: whoever calls the session writes out when it has released the lock."""

    def _await_room(self) -> None:
        """Write what is queued; ``ConnectionClosed`` if it is in vain."""
        if self._stream.may_wait():
            with self._awaiting():
                self.write_out()
        else:
            self.write_out()
            self._check_backlog()
        if self.lost:
            with self._lock:
                if not (self.waiting or self._ending):
                    self._write_failed()  # whoever was to see to it has a message instead
            raise self._closed_error()

    def _write_soon(self) -> bool:
        """Write what was queued, or leave it while the handler has messages to answer.

        It is written when the handler waits, or when whoever watches the stream looks at it.
        """
        stream = self._stream
        if self._inbox.items and stream.corks and self._queued() <= self._limits.write_high_water:
            stream.rest()
            return True
        return self._write()

    @contextmanager
    def _awaiting(self) -> Iterator[None]:
        """Own what is queued and is nobody else's: whoever waits makes its peer keep nothing."""
        with self._lock:
            size = max(0, self._queued() - self._awaited)
            self._awaited += size
        try:
            yield
        finally:
            with self._lock:
                self._awaited -= size

    def _check_backlog(self) -> None:
        """Give a peer up that reads too slowly for those who send and don't wait."""
        with self._lock:
            unsent = self._queued() - self._awaited
            most = self._limits.max_write_buffer
            if unsent > most and not self._stream.is_writable():
                self.give_up(
                    f"it reads too slowly, {unsent} bytes wait to be sent, over "
                    f"Limits.max_write_buffer ({most})"
                )

    def _send_prepared(self, message: PreparedMessage) -> bool:
        with self._lock:
            connection = self._connection
            self._check_backlog()
            if connection is None or self.lost or not self._takes_prepared():
                return False
            connection.send_prepared(message)
            self._write()
            return True

    def _queued(self) -> int:
        return self._connection.queued if self._connection is not None else 0

    def _write_failed(self) -> None:
        if self.waiting:  # that thread reads what the peer said before it left, and then the end
            self.lost = True
            self._stream.end_reading()
            return
        self._read_now()
        self.lose()

    def _is_behind(self) -> bool:
        return self._connection is not None and self._connection.behind

    def _is_ending(self) -> bool:
        return self.state is not OPEN

    def _client(self) -> str:
        return self.request.client
