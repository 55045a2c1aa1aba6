"""Between a thread and the event loop: what a ``def`` handler's session reads from and writes to.

The one file of this package that knows threads. ``BridgeStream`` is the blocking byte stream of a
``SyncWebSocket``; ``Outflow`` carries bytes out, in order, and holds the thread up while the
transport is full. The loop never waits for a thread. What they carry is ``bridged``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConnectionClosed
from ..protocol.state import State

if TYPE_CHECKING:
    from .bridged import BridgeWebSocketProtocol
    from .http import HTTPProtocol

__all__ = ["BridgeStream", "Outflow"]

Result = TypeVar("Result")


class Outflow:
    """Bytes from threads to a transport.

    Args:
        loop: The transport's loop; the outflow is made in its thread.
        high_water: Bytes that may wait for the loop before ``put`` blocks.
        write: Takes them, in the loop; raises ``ConnectionClosed`` if nobody is left.
        is_full: Tells whether the transport has enough.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        high_water: int,
        write: Callable[[bytes], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._high_water = high_water
        self._write = write
        self._is_full = is_full
        self._changed = threading.Condition()
        self._chunks: list[bytes] = []
        self._size = 0
        self._full = False
        self._scheduled = False
        self._lost = False

    def in_loop(self) -> bool:
        """Tell whether the loop's own thread is calling."""
        return threading.get_ident() == self._loop_thread

    @property
    def busy(self) -> bool:
        """Whether bytes wait for the loop."""
        return self._size > 0

    def has_room(self) -> bool:
        """Tell whether the transport takes more."""
        return not self._full and self._size <= self._high_water

    def put(self, data: bytes) -> None:
        """Write ``data``; from a thread, wait while the transport is full.

        Raises:
            ConnectionClosed: If nobody is left to read it.
        """
        if not self.in_loop():
            self.wait()
        self.put_now(data)

    def wait(self) -> None:
        """Wait while the transport is full; ``ConnectionClosed`` if nobody is left to read it."""
        with self._changed:
            while not self._lost and not self.has_room():
                self._changed.wait()
            if self._lost:
                raise ConnectionClosed

    def put_now(self, data: bytes) -> bool:
        """Write ``data`` without waiting; tell whether there is room for more.

        Raises:
            ConnectionClosed: If nobody is left to read it.
        """
        in_loop = self.in_loop()
        with self._changed:
            if self._lost:
                raise ConnectionClosed
            self._chunks.append(data)
            self._size += len(data)
            schedule = not in_loop and not self._scheduled
            self._scheduled = self._scheduled or schedule
            room = self.has_room()
        if in_loop:
            self._carry()
        elif schedule:
            self.call_soon(self._carry)
        return in_loop or room

    def call_soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Have the loop call a function; a loop that is closed does not."""
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            self.lose()  # the loop is closed, and with it every connection

    def ask(self, function: Callable[..., Result], *args: Any) -> Result:
        """Have the loop call a function, and wait for what comes of it.

        Raises:
            ConnectionClosed: If the loop is closed.
        """
        if self.in_loop():
            return function(*args)
        future: Future[Result] = Future()

        def call() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001  # raised again where it is awaited
                future.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            raise ConnectionClosed from None  # the loop is closed
        return future.result()

    def resumed(self) -> None:
        """The transport takes bytes again."""
        with self._changed:
            self._full = self._is_full()
            self._changed.notify_all()

    def lose(self) -> None:
        """Nobody is left: whoever waits is told."""
        with self._changed:
            self._lost = True
            self._chunks.clear()
            self._size = 0
            self._changed.notify_all()

    def _carry(self) -> None:
        with self._changed:
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
            self._scheduled = False
        if data:
            try:
                self._write(data)
            except ConnectionClosed:
                self.lose()
        self.resumed()


class BridgeStream:
    """A transport as a blocking byte stream; see ``ByteStream``.

    Args:
        http: The connection whose transport it will be.

    Attributes:
        corks: It does not: what is sent in one turn of the loop is joined anyway.
    """

    corks = False

    def __init__(self, http: HTTPProtocol) -> None:
        self._high_water = http.limits.receive_high_water
        self._arrived = threading.Condition()
        self._incoming = bytearray()
        self._ended = False
        self._waiting = False  # a thread in recv
        self._watched = False
        self._protocol: BridgeWebSocketProtocol | None = None
        self.outflow = Outflow(
            http.server.loop,
            http.limits.write_high_water,
            self._write,
            lambda: self._protocol is not None and self._protocol._paused,
        )

    # ---------------------------------------------------------------------------- in a thread

    def may_wait(self) -> bool:
        """Tell whether it is not the loop's thread that calls."""
        return not self.outflow.in_loop()

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        """Wait for bytes; ``b""`` is the end.

        Raises:
            TimeoutError: After ``timeout`` seconds.
            BlockingIOError: In the loop's thread, which never waits.
        """
        if not self.outflow.in_loop():
            with self._arrived:
                self._waiting = True
                in_time = self._arrived.wait_for(lambda: self._incoming or self._ended, timeout)
                self._waiting = False
            if not in_time:
                raise TimeoutError("no message arrived in time")
        return self.recv_now(size)

    def recv_now(self, size: int) -> bytes:
        """Give what has arrived; ``BlockingIOError`` if it is nothing."""
        with self._arrived:
            if not self._incoming and not self._ended:
                raise BlockingIOError
            data = bytes(self._incoming[:size])
            del self._incoming[:size]
            resume = len(self._incoming) <= self._high_water // 2 < len(self._incoming) + len(data)
        if resume:
            self.outflow.call_soon(self._resume)
        return data

    def send_now(self, data: bytes) -> bool:
        """Take ``data``; tell whether there is room. ``BrokenPipeError`` if nobody is left."""
        if not data:
            return self.is_writable()
        try:
            return self.outflow.put_now(data)
        except ConnectionClosed:
            raise BrokenPipeError("the client is gone") from None

    def wait_writable(self) -> None:
        """Wait for room; ``BlockingIOError`` in the loop's thread, which never waits."""
        if self.outflow.in_loop():
            raise BlockingIOError
        try:
            self.outflow.wait()
        except ConnectionClosed:
            raise BrokenPipeError("the client is gone") from None

    def end_reading(self) -> None:
        """Have the handler go on, as if the client had ended its half."""
        self.feed_eof()

    def close(self) -> None:
        """End the connection."""
        if self._protocol is not None:
            self.outflow.call_soon(self._protocol.transport.close)

    def is_writable(self) -> bool:
        """Tell whether the transport takes more."""
        paused = self._protocol is not None and self._protocol._paused
        return not paused and self.outflow.has_room()

    def rest(self) -> None:
        """Have the loop read for a handler that does not, and write what nobody waits for."""
        with self._arrived:
            self._watched = True
            waiting = bool(self._incoming) or self._ended
        protocol = self._protocol
        if protocol is None:
            return
        connection = protocol.connection
        due = connection.unread or connection.behind or connection.state is not State.OPEN
        if waiting or due:
            self.outflow.call_soon(self._watch)

    # ---------------------------------------------------------------------------- in the loop

    def begin(self, protocol: BridgeWebSocketProtocol) -> None:
        """Begin to carry a WebSocket."""
        self._protocol = protocol
        protocol.resume_reading()
        if protocol.peer_ended:
            protocol.eof_received()
        protocol.reschedule()
        self._watch()

    def feed(self, data: bytes) -> None:
        """Take what the transport read."""
        with self._arrived:
            self._incoming += data
            full = len(self._incoming) > self._high_water
        if full and self._protocol is not None:
            self._protocol.read(False)
        self._notify()

    def feed_eof(self) -> None:
        """Take the end of what the peer sends."""
        with self._arrived:
            self._ended = True
        self._notify()

    def _notify(self) -> None:
        with self._arrived:
            self._arrived.notify_all()
            pump = self._watched and not self._waiting
        if pump:
            self._watch()

    def _watch(self) -> None:
        """Read and write for the handler, and see to what became of the connection."""
        protocol = self._protocol
        if protocol is not None:
            with self._arrived:
                pending = bool(self._incoming) or self._ended
            if pending or protocol.websocket._unread:
                protocol.websocket.pump()
            if protocol.connection.behind and self.is_writable():
                protocol.websocket.write_piece()
            protocol.settle()
            if protocol.websocket._unread:
                self.outflow.call_soon(self._watch)

    def _resume(self) -> None:
        if self._protocol is not None:
            self._protocol.read(True)

    def _write(self, data: bytes) -> None:
        protocol = self._protocol
        if protocol is None or protocol.lost or protocol.aborted:
            raise ConnectionClosed
        protocol.transport.write(data)
        if protocol.connection.state is not State.OPEN:
            protocol.settle()  # what came to its end meanwhile has waited for these bytes
