"""Reading a WebSocket's stream: by whoever waits for a message, or by the watcher for the others.

One thread at a time reads, and waits without holding the lock. It says so by ``waiting``, which
keeps the watcher from reading; nobody else may have what it has asked the system for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..app.websocket import WebSocketBase
from ..errors import ConcurrentReceive, ConnectionClosed
from ..protocol.events import Event, Fragment
from ..protocol.state import OPEN
from .stream import LONGEST_WAIT, READ_SIZE, ByteStream, read_now
from .writer import BlockingWriter

__all__ = ["BlockingReader"]

Message = str | bytes

_MESSAGES = (str, bytes)
_READS = 16
"""Reads at once for a handler that is busy elsewhere, before others are served."""


class BlockingReader(WebSocketBase, BlockingWriter[ByteStream]):
    """A WebSocket on a blocking byte stream: how its bytes become messages; derive from it.

    Args:
        args, options: As for ``WebSocketBase``.
        stream: Its bytes.
        clock: The time in seconds.

    Attributes:
        ended: Whether the peer has ended its half of the stream.
        lost: Whether nobody is left to write to.
        reads: How often the stream has been read by whoever waited for it.
        waiting: Whether a thread is reading the stream now, and the watcher has to leave it alone.
    """

    __slots__ = (
        "_clock", "_lock", "_reading", "_receiving", "_stream", "ended", "lost", "reads", "waiting",
    )  # fmt: skip

    def __init__(
        self, *args: Any, stream: ByteStream, clock: Callable[[], float], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._stream = stream
        self._clock = clock
        self._lock = threading.RLock()
        self._reading = threading.Lock()  # whoever waits for a message, apart from the watcher
        self._receiving = False
        self.waiting = False
        self.reads = 0
        self.lost = False
        self.ended = False

    def _release(self) -> None:
        """Take that the connection is closing: whoever waits for its end goes on."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------- for whoever waits

    def _wait_for(
        self, take: Callable[[], Message | Fragment | None], timeout: float | None
    ) -> Message | Fragment:
        """Give what ``take`` finds, reading the stream until it does."""
        deadline = None if timeout is None else self._clock() + timeout
        try:
            with self._lock:
                if self._receiving:
                    raise ConcurrentReceive(
                        "another thread is waiting in receive() of this WebSocket; "
                        "let one thread receive and pass messages on"
                    )
                self._begin_receive()
                full = self._inbox.full
                if (found := take()) is not None:
                    if full and not self._inbox.full:
                        self._stream.rest()  # the watcher may read again
                    return found
                self._receiving = True
            try:
                message: Message | Fragment = self._read_until(take, deadline)
                return message
            finally:
                self._receiving = False
        except ConnectionClosed:
            self.write_out()  # a Close that was owed until the handler had reached the end
            raise

    def _wait_for_one(self) -> Message | None:
        """Read the stream once, if that is all there is to do, and give the message that came.

        The same as below in fewer steps, for the commonest read of a handler that waits: one
        message and nothing else. ``None``: ``_wait_for`` it.
        """
        with self._lock:
            connection, inbox = self._connection, self._inbox  # which is another when it is used
            if self._receiving or self._ending or inbox.items or inbox.reader is not None:
                return None
            if connection is None or connection.unread:
                return None
            if not self._reading.acquire(blocking=False):
                return None
            self._receiving = self.waiting = True
        try:
            self._answering = False
            if not connection.reading or connection.queued:
                with self._lock:
                    connection.reading = True
                    self._write()
            data = self._receive(None)
            with self._lock:
                self.reads += 1
                if not data:
                    self._feed(data)
                    return None
                events = connection.receive_data(data, self._clock())
                if len(events) == 1 and self._local_close is None:
                    message = events[0]
                    if isinstance(message, _MESSAGES):
                        self._answering = True
                        return message
                self._take(events)
                self._write()  # pongs, perhaps, or a Close
        finally:
            self._receiving = self.waiting = False
            self._reading.release()
            self._stream.rest()
        return None

    def _await(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait for what reading brings about; read the stream meanwhile, if nobody else does.

        Whoever may not wait does not.
        """
        if not self._stream.may_wait():
            return event.is_set()

        def found() -> bool | None:
            others = self._receiving or (self._inbox.full and self.state is OPEN)
            return True if others or event.is_set() else None

        deadline = None if timeout is None else self._clock() + timeout
        if self._reading.acquire(blocking=False):
            self._reading.release()
            with suppress(TimeoutError):
                self._read_until(found, deadline)
        return event.wait(None if deadline is None else self._left(deadline))

    def _read_until(self, take: Callable[[], Any], deadline: float | None) -> Any:
        """Be the one who reads the stream, until ``take`` finds something.

        What is queued is written first: whoever waits has nothing more to add to it.
        """
        patience = -1 if deadline is None else self._left(deadline)
        if not self._reading.acquire(timeout=patience if self._stream.may_wait() else 0):
            raise TimeoutError("no message arrived in time")
        lock = self._lock
        try:
            with lock:
                found = take()
                if found is None:
                    self.waiting = True
                    connection = self._open()
                    if connection.queued or connection.has_data_to_send():
                        self._write()
            while found is None:
                if unread := connection.unread:
                    data = b""
                else:
                    data = self._receive(None if deadline is None else self._left(deadline))
                with lock:
                    self.reads += 1
                    alone = self._take_step() if unread else self._feed(data)
                    found = take()
                    if not alone:
                        self._write()  # pongs, perhaps, or a Close
        finally:
            self.waiting = False
            self._reading.release()
            self._stream.rest()
        return found

    def _left(self, deadline: float) -> float:
        return min(max(0.0, deadline - self._clock()), LONGEST_WAIT)

    def _receive(self, timeout: float | None) -> bytes:
        try:
            return self._stream.recv(READ_SIZE, timeout)
        except BlockingIOError:
            raise TimeoutError("nothing to read yet") from None
        except TimeoutError as error:
            if error.errno is None:
                raise
            return b""  # it is the connection that has timed out
        except OSError:
            return b""  # a reset is an end like any other

    # ------------------------------------------------------------------------------ for the watcher

    def _read_now(self) -> None:
        connection = self._connection
        if connection is None:
            return
        for _ in range(_READS):
            if self.waiting or (self._inbox.full and connection.state is OPEN):
                return
            if connection.unread:
                self._take_step()
                continue
            if self.ended:
                return
            data = read_now(self._stream)
            if data is None:
                return
            self._feed(data)

    @property
    def _unread(self) -> bool:
        """Whether a step of a read is due: nobody waits for it, and the handler has caught up."""
        connection = self._connection
        if connection is None or not connection.unread or self.waiting:
            return False
        return not self._inbox.full or connection.state is not OPEN

    # ------------------------------------------------------------------------------------- for both

    def _feed(self, data: bytes) -> bool:
        """Take what was read; tell whether it was one message and nothing else."""
        connection = self._connection or self._open()
        now = self._clock()
        if not data:
            self.ended = True
            self._take(connection.receive_eof(now))
            return False
        events = connection.receive_data(data, now)
        self._take(events)
        return len(events) == 1 and type(events[0]) in _MESSAGES

    def _take_step(self) -> bool:
        """Take the next step of a read that inflates to much; give what ``_feed`` does."""
        connection = self._connection or self._open()
        events = connection.receive_data(b"", self._clock())
        self._take(events)
        return False

    def _take(self, events: list[Event]) -> None:
        self._dispatch(events)
        connection, full = self._connection, self._inbox.full
        if connection is not None and connection.reading is full:
            connection.reading = not full
        if self._ending:
            self._release()
