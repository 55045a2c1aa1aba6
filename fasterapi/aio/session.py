"""What ``WebSocket`` does under its verbs: it waits and wakes, on an asyncio transport.

The session's state and rules are ``app.websocket``'s, the protocol's are the core's; ``carrier`` is
the transport's side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar

from ..app.websocket import WebSocketBase
from ..errors import ConcurrentReceive
from ..protocol.connection import WebSocketConnection
from ..protocol.events import Event
from ..protocol.prepared import PreparedMessage
from .carrier import WebSocketProtocol
from .wakeup import Resumption, resume

if TYPE_CHECKING:
    from .channel import Channel
    from .host import Host

__all__ = ["WebSocketSession"]

Message = str | bytes
_WHOLE = (str, bytes)


class WebSocketSession(WebSocketBase):
    """A WebSocket on an asyncio transport, without its verbs.

    Args:
        args, options: As for ``WebSocketBase``.
        http: The channel that the handshake came on.
    """

    __slots__ = (
        "_burst", "_channel", "_close_waiters", "_http", "_pings", "_resumption", "_waiter",
    )  # fmt: skip

    _carrier: ClassVar[type[WebSocketProtocol]] = WebSocketProtocol

    def __init__(self, *args: Any, http: Channel, **options: Any) -> None:
        super().__init__(*args, **options)
        self._http: Channel | None = http
        self._channel: WebSocketProtocol | None = None
        self._waiter: asyncio.Future[Message | None] | None = None
        self._resumption: Resumption | None = None
        self._burst = 0  # messages handed out since the handler last waited
        self._close_waiters: list[asyncio.Future[None]] | None = None
        self._pings: dict[bytes, asyncio.Future[float]] | None = None

    # ----------------------------------------------------------------------- the transport's side

    def drained(self) -> None:
        """Take note that the peer takes bytes again; tasks that wait for it are woken elsewhere."""

    @property
    def _server(self) -> Host:
        channel = self._channel or self._http
        assert channel is not None
        return channel.server

    def _attach(self, rest: bytes) -> None:
        assert self._http is not None
        assert self._connection is not None
        self._channel = channel = self._carrier(self, self._connection, self._http)
        self._http = None
        channel.resume_reading()
        if rest:
            channel.data_received(rest)
        else:
            channel.connection.tick(channel.began)  # with that keepalive begins
        if channel.peer_ended:
            channel.eof_received()
        channel.reschedule()

    def _flush(self) -> None:
        if self._channel is not None:
            self._channel.flush()

    def _send_prepared(self, message: PreparedMessage) -> bool:
        channel = self._channel
        if channel is None or channel.lost or not self._takes_prepared():
            return False
        if channel._paused:
            self._check_buffer()
            if channel.aborted:
                return False
        connection = channel.connection
        connection.send_prepared(message)
        if connection.queued > channel.limits.write_high_water:
            channel.flush()
        else:
            channel.flush_soon()
        return True

    def _check_buffer(self) -> None:
        channel = self._channel
        if channel is not None and channel.lost:
            raise self._closed_error()
        if channel is not None and channel._paused:
            channel.check_buffer()
            if channel.aborted:
                channel._take_eof()

    def _sent(self) -> Awaitable[None]:
        assert self._channel is not None
        return self._channel.sent(self._channel.connection.queued)

    def _arrival(self) -> asyncio.Future[Message | None]:
        """Give a future of the next message, or of ``None`` when there may be one to take."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            raise ConcurrentReceive(
                "another task is waiting in receive() of this WebSocket; "
                "let one task receive and pass messages on"
            )
        self._burst = 0
        self._waiter = waiter = self._channel.server.create_future()  # type: ignore[union-attr]
        return waiter

    async def _take_turns(self) -> None:
        """Let the loop serve others, and write what this handler has sent."""
        self._burst = 0
        self._flush()
        await asyncio.sleep(0)

    def _take(self, events: list[Event]) -> None:
        """Take what the connection reported, and wake whoever waits for it.

        A single message that is waited for goes to its handler directly if that can be resumed at
        once: a message given to a future would be lost if the task were cancelled before it runs.
        """
        waiter = self._waiter
        if waiter is not None and len(events) == 1 and self._local_close is None:
            message = events[0]
            if isinstance(message, _WHOLE) and self._resume(waiter, message):
                return
        self._dispatch(events)
        if self._ending:
            self._release()
        if self._inbox.full:
            self._channel.stop_reading()  # type: ignore[union-attr]  # it has brought the events
        if waiter is None or not self._inbox.items or not self._resume(waiter, None):
            self._wake()

    def _resume(self, waiter: asyncio.Future[Message | None], message: Message | None) -> bool:
        """Resume the task that waits, with a message or to look for one, if it can be at once."""
        loop = self._channel.server.loop  # type: ignore[union-attr]
        resumption = resume(waiter, message, loop, self._resumption)
        if resumption is None:
            return False
        self._resumption = resumption
        return True

    def _wake(self) -> None:
        """Wake whoever waits for a message or the end, if either is there."""
        if self._ending:
            self._release()
        waiter = self._waiter
        if waiter is not None and (self._ending or self._inbox.items) and not waiter.done():
            waiter.set_result(None)

    def _release(self) -> None:
        """Wake everyone who waits for the end, or for an answer that will not come."""
        if not self._lingering:
            waiters, self._close_waiters = self._close_waiters, None
            for waiter in waiters or ():
                if not waiter.done():
                    waiter.set_result(None)
        pings, self._pings = self._pings, None
        for ping in pings.values() if pings else ():
            if not ping.done():
                ping.set_exception(self._closed_error())

    @property
    def _lingering(self) -> bool:
        """Whether who closes waits for the transport's end too: a client's loop may end then."""
        channel = self._channel
        return channel is not None and self.response is not None and not channel.lost

    def _sendable(self) -> WebSocketConnection:
        if self._channel is not None and self._channel.lost:
            raise self._closed_error()
        return super()._sendable()

    def _closing(self) -> Awaitable[None]:
        lost = self._channel is not None and self._channel.lost
        if lost or (self._ending and not self._lingering):
            return self._server.done
        waiter = self._server.loop.create_future()
        self._close_waiters = [*(self._close_waiters or ()), waiter]
        return waiter

    def _caught_up(self) -> None:
        channel = self._channel
        if channel is not None and not channel._reading and not self._inbox.full:
            channel.resume_reading()

    def _ping_over(self, payload: bytes, waiter: asyncio.Future[float]) -> None:
        if not waiter.cancelled():
            waiter.exception()  # seen, even if nobody awaits the ping
        elif self._pings:
            self._pings.pop(payload, None)

    def _answered_ping(self, payload: bytes, latency: float) -> None:
        waiter = self._pings.pop(payload, None) if self._pings else None
        if waiter is not None and not waiter.done():
            waiter.set_result(latency)
