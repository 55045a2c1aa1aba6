"""What ``SyncWebSocket`` does under its verbs: it reads, writes, waits, and keeps threads apart.

``_lock`` guards the session, the connection and writing; nothing blocks while it is held. Two
things are done without it: whoever waits for a message reads the stream, having said so by
``waiting``, which keeps the watcher from reading; and whoever waits for room waits on the stream,
and then goes on under the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..app.websocket import WebSocketBase
from ..errors import ConcurrentReceive, ConnectionClosed, LocalProtocolError
from ..protocol.events import Event, Fragment
from ..protocol.prepared import PreparedMessage
from ..protocol.state import OPEN
from .stream import LONGEST_WAIT, ByteStream
from .writer import BlockingWriter

__all__ = ["BlockingSession"]

Message = str | bytes

_READ_SIZE = 65536
_MESSAGES = (str, bytes)
_READS = 16
"""Reads of one call of ``pump``, before others are served."""


class BlockingSession(WebSocketBase, BlockingWriter[ByteStream]):
    """A WebSocket on a blocking byte stream, without its verbs.

    Args:
        args, options: As for ``WebSocketBase``.
        stream: Its bytes.
        attach: Called once, when the handshake is accepted and ``stream`` is the WebSocket's.
        clock: The time in seconds.

    Attributes:
        ended: Whether the peer has ended its half of the stream.
        lost: Whether nobody is left to write to.
        reads: How often the stream has been read by whoever waited for it.
        waiting: Whether a thread is reading the stream now, and the watcher has to leave it alone.
    """

    __slots__ = (
        "_clock", "_done", "_lock", "_on_attach", "_opening", "_pings", "_reading", "_receiving",
        "_stream", "ended", "lost", "reads", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        *args: Any,
        stream: ByteStream,
        attach: Callable[[Any], None],
        clock: Callable[[], float],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._on_attach = attach
        self._stream = stream
        self._clock = clock
        self._lock = threading.RLock()
        self._opening = threading.Lock()
        self._done = threading.Event()
        self._pings: dict[bytes, tuple[threading.Event, list[float]]] = {}
        self._reading = threading.Lock()  # whoever waits for a message, apart from the watcher
        self._receiving = False
        self.waiting = False
        self.reads = 0
        self.lost = False
        self.ended = False

    # --------------------------------------------------------------------------- the watcher

    def pump(self) -> None:
        """Read what has arrived, for a handler that is busy elsewhere. Never blocks.

        Whoever watches the stream calls it when there is something to read.
        """
        with self._lock:
            self._read_now()
            self._write()

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
            try:
                data = self._stream.recv_now(_READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            self._feed(data)

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

    def _take(self, events: list[Event]) -> None:
        self._dispatch(events)
        connection, full = self._connection, self._inbox.full
        if connection is not None and connection.reading is full:
            connection.reading = not full
        if self._ending:
            self._release()

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
            return self._stream.recv(_READ_SIZE, timeout)
        except BlockingIOError:
            raise TimeoutError("nothing to read yet") from None
        except TimeoutError as error:
            if error.errno is None:
                raise
            return b""  # it is the connection that has timed out
        except OSError:
            return b""  # a reset is an end like any other

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

    @property
    def _unread(self) -> bool:
        """Whether a step of a read is due: nobody waits for it, and the handler has caught up."""
        connection = self._connection
        if connection is None or not connection.unread or self.waiting:
            return False
        return not self._inbox.full or connection.state is not OPEN

    def _await_room(self) -> None:
        """Write what is queued; ``ConnectionClosed`` if it is in vain."""
        self.write_out()
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

    def _send_prepared(self, message: PreparedMessage) -> bool:
        with self._lock:
            connection = self._connection
            if connection is None or self.lost or not self._takes_prepared():
                return False
            most = self._limits.max_write_buffer
            if connection.queued > most:
                self.give_up(
                    f"it reads too slowly, {connection.queued} bytes wait to be sent, over "
                    f"Limits.max_write_buffer ({most})"
                )
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
