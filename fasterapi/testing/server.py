"""A server without a socket, and a connection to it: the client's end, as bytes.

A ``MemoryServer`` is the asyncio server with everything but its listening: the same connections,
handlers, limits and shutdown. A ``Wire`` is what a network would be.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from ..aio.http import HTTPProtocol
from ..aio.server import Server
from .clock import Clock, ManualTimers
from .transport import MemoryTransport

if TYPE_CHECKING:
    from ..aio.handlers import Call
    from ..app import App
    from ..protocol.http import Request

__all__ = ["MemoryServer", "Wire"]


class MemoryServer(Server):
    """The asyncio server, on a clock of its own, for connections in memory.

    Args:
        app: The application.
        changed: Called, in the loop, when something has happened that somebody may wait for.
        grace: Seconds, of real time, that handlers have when it stops.

    Attributes:
        time: The clock.
        crashes: What handlers raised that they should not.
        context: That of the start-up, as the handlers of a listening server see it.
    """

    timers: ManualTimers
    context: Context

    def __init__(
        self, app: App, changed: Callable[[], None], *, grace: float = 1.0, access_log: bool = True
    ) -> None:
        self.time = Clock()
        super().__init__(app, clock=self.time, grace=grace, access_log=access_log)
        self.changed = changed
        self.crashes: deque[BaseException] = deque()

    async def start(self) -> None:
        """Run the app's start-up."""
        self.use(asyncio.get_running_loop())
        await self._lifespan.enter_async_context(self.app.lifespan_context())
        self.context = copy_context()

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the loop that everything runs in."""
        super().use(loop)
        self.timers = ManualTimers(loop, self.clock)

    def crashed(self, request: Request, handler: str, error: BaseException) -> None:
        """Keep an error for the test, and log it; called from handlers' threads too."""
        super().crashed(request, handler, error)
        name = handler.rpartition(".")[2]
        error.add_note(f"raised on the server, by {name}() for {request.method} {request.target}")
        self.crashes.append(error)
        self.loop.call_soon_threadsafe(self.changed)

    def finished(self, call: Call) -> None:
        """Note that a handler has ended."""
        super().finished(call)
        self.changed()


class Wire:
    """A connection to a ``MemoryServer``: reads arrive one by one, each in a callback of the loop.

    Args:
        server: The server.
        extra: What the server's transport knows of the connection: ``peername``, ``sslcontext``.

    Attributes:
        transport: The server's end.
        sent: All that the client has sent.
        ended: Whether the server writes no more, and the client has taken all.
        on_data: Called with what the server has written.
        on_end: Called when the server writes no more.
    """

    def __init__(self, server: MemoryServer, **extra: Any) -> None:
        self.server = server
        self.sent = bytearray()
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_end: Callable[[], None] = _ignore
        self._call: Call | None = None
        self._outgoing: deque[bytes | None] = deque()  # None is the end
        self._hanging_up = False
        self._scheduled = False
        self._position = 0
        self.ended = False
        self._context = server.context.copy()
        self.transport = MemoryTransport(server.loop, self._schedule, self._context, **extra)
        self.transport.set_protocol(HTTPProtocol(server))
        self._context.run(self.transport.protocol.connection_made, self.transport)

    @property
    def received(self) -> bytes:
        """All that the server has written and the client has taken."""
        return bytes(self.transport.written[: self._position])

    @property
    def unread(self) -> int:
        """Bytes sent that the server has not read."""
        return sum(len(data) for data in self._outgoing if data is not None)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone, for both sides."""
        return self.transport.lost

    @property
    def call(self) -> Call | None:
        """The handler at work on the latest request; ``None`` if none is."""
        return self._call if self._call in self.server.calls else None

    @property
    def is_http(self) -> bool:
        """Whether the server takes what comes for HTTP; a thread takes a moment to change that."""
        return isinstance(self.transport.protocol, HTTPProtocol) and not self.transport.closing

    @property
    def busy(self) -> bool:
        """Whether bytes, or the end, are under way."""
        return self._scheduled

    def send(self, *reads: bytes) -> None:
        """Send bytes, each piece to be a read of its own."""
        for data in reads:
            self.sent += data
            self._outgoing.append(data)
        self._schedule()

    def send_eof(self) -> None:
        """End the client's half."""
        self._outgoing.append(None)
        self._schedule()

    async def delivered(self) -> None:
        """Wait until the server has read what was sent, or does not read."""
        await asyncio.sleep(0)
        while self._scheduled and self._is_delivering():  # noqa: ASYNC110  # a read a turn
            await asyncio.sleep(0)

    def close(self) -> None:
        """End the connection, behind what is sent, as closing a socket does."""
        if not self._hanging_up and not self.transport.lost:
            self._hanging_up = True
            self.send_eof()

    def drop(self, error: Exception | None = None) -> None:
        """Lose the connection: nothing more arrives, on either side."""
        self._outgoing.clear()
        self.transport.lose(error)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.server.loop.call_soon(self._exchange, context=self._context)

    def _exchange(self) -> None:
        """Carry what is under way, one read in each direction."""
        self._scheduled = False
        transport = self.transport
        if len(transport.written) > self._position:
            data = bytes(transport.written[self._position :])
            self._position += len(data)
            self.on_data(data)
        elif self._ends():
            self.ended = True
            self.on_end()
        if self._is_delivering():
            self._deliver(self._outgoing.popleft())
        self.server.changed()
        if self._is_delivering() or len(transport.written) > self._position or self._ends():
            self._schedule()

    def _is_delivering(self) -> bool:
        return bool(self._outgoing) and self.transport.reading and not self.transport.closing

    def _ends(self) -> bool:
        transport = self.transport
        over = transport.lost or transport.ended
        return over and not self.ended and not transport.buffer

    def _deliver(self, data: bytes | None) -> None:
        """Hand on one read; a protocol that fails loses its connection, as with asyncio's own."""
        try:
            self._hand_on(data)
        except Exception as error:  # noqa: BLE001  # reported, where asyncio reports it
            self.server.loop.call_exception_handler(
                {
                    "message": "Fatal error: the protocol failed to take what was received",
                    "exception": error,
                    "transport": self.transport,
                    "protocol": self.transport.protocol,
                }
            )
            self.transport.lose(error)

    def _hand_on(self, data: bytes | None) -> None:
        protocol = self.transport.protocol
        if data is not None:
            protocol.data_received(data)
            # Only an HTTP connection has one; it hands it to the WebSocket that it becomes.
            self._call = getattr(protocol, "call", None) or self._call
            return
        if not protocol.eof_received():
            self.transport.close()
        if self._hanging_up:
            self.server.loop.call_soon(self.drop)


def _ignore(*args: object) -> None:
    """Stand in for somebody who reads."""
