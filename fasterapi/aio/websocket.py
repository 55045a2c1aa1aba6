"""``WebSocket``: what an ``async def`` handler gets, on an asyncio transport.

The session's state and rules are ``app.websocket``'s, the protocol's are the core's. What is here
waits and wakes; ``carrier`` is the transport's side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..app.websocket import Received, WebSocketBase
from ..errors import ConcurrentReceive, ConnectionClosed, LocalProtocolError
from ..limits import FREE_BURST, MAX_BURST, MESSAGE_OVERHEAD
from ..protocol.connection import WebSocketConnection
from ..protocol.events import Event, Fragment
from ..protocol.headers import HeaderPairs
from ..protocol.prepared import PreparedMessage
from .carrier import WebSocketProtocol
from .wakeup import Resumption, resume

if TYPE_CHECKING:
    from .channel import Channel
    from .host import Host

__all__ = ["WebSocket"]

Buffer = bytes | bytearray | memoryview
Message = str | bytes
_WHOLE = (str, bytes)


class WebSocket(WebSocketBase):
    """A WebSocket for ``async def`` handlers.

    The handshake is accepted at the first send or receive, or by ``accept``; until then ``reject``
    declines it. ``send`` and its kin queue at once and return an awaitable: await it to wait while
    the peer reads slowly (over ``Limits.write_high_water``); it is no coroutine, so a send that is
    not awaited is sent all the same. The peer's going raises ``ConnectionClosed``, from ``receive``
    and ``send`` alike; a handler may let it escape.

    See ``WebSocketBase`` for its attributes.
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

    # --------------------------------------------------------------------------- handshake

    def accept(
        self, *, subprotocol: str | None = None, headers: HeaderPairs = ()
    ) -> Awaitable[None]:
        """Accept the handshake.

        Args:
            subprotocol: One that the client offers; by default the route's first that it offers.
            headers: Header fields for the response.

        Raises:
            LocalProtocolError: If it was accepted already, the client does not offer the
                subprotocol, or a header can't be sent.
            ConnectionClosed: If the handshake was rejected, or the client is gone.
        """
        self._accept(subprotocol, headers)
        return self._server.done

    def reject(
        self, status: int = 403, *, headers: HeaderPairs = (), body: bytes | str = b""
    ) -> Awaitable[None]:
        """Decline the handshake with an HTTP response.

        Raises:
            LocalProtocolError: If it was answered already, or the response can't be sent.
        """
        self._reject(status, headers, body)
        return self._server.done

    # ----------------------------------------------------------------------------- receiving

    async def receive(self) -> Received:
        """Wait for the next message: ``str`` for text, ``bytes`` for binary.

        It may be cancelled, or put under a timeout, without losing a message.

        Raises:
            ConnectionClosed: If there will be none.
            ConcurrentReceive: If another task is waiting already.
        """
        inbox = self._inbox
        items = inbox.items
        message: Message | Fragment | None
        if items and inbox.plain and self._burst < MAX_BURST:
            # Many messages are there, and nobody has to be told: what follows, in fewer steps.
            message = items.popleft()
            inbox.size -= len(message) + MESSAGE_OVERHEAD
            self._answering = True
            self._burst += 1
            return message
        if self._connection is None:
            self._open()
        self._answering = False
        message = None
        if self._inbox.items or self._ending:
            if self._burst >= MAX_BURST:
                await self._take_turns()
            message = self._next_message()
        while message is None:
            message = await self._arrival()
            self._waiter = None
            if message is not None:  # handed over, past the inbox
                self._answering = True
                return message
            message = self._next_message()
        self._burst += 1
        self._caught_up()
        return message

    async def receive_text(self) -> str:
        """Wait for the next message; ``InvalidMessage`` if it is binary. Else as ``receive``."""
        return self._text(await self.receive())

    async def receive_bytes(self) -> bytes:
        """Wait for the next message; ``InvalidMessage`` if it is text. Else as ``receive``."""
        return self._bytes(await self.receive())

    async def receive_json(self) -> Any:
        """Wait for the next message and parse it; ``InvalidMessage`` if it is not JSON."""
        return self._json(await self.receive())

    async def receive_stream(self) -> AsyncIterator[Message]:
        """Yield the next message in parts, as they arrive: all ``str`` or all ``bytes``.

        A message far larger than memory can be taken so, with ``Limits.max_message_size`` raised.
        What is left of it when the loop is left early is dropped. Errors as in ``receive``.
        """
        reader = self._begin_stream()
        finished = False
        try:
            while not finished:
                part = self._next_part(reader)
                while part is None:
                    part = await self._arrival()
                    self._waiter = None
                    if part is None:
                        part = self._next_part(reader)
                self._answering = True
                self._caught_up()
                finished = not isinstance(part, Fragment) or part.fin
                yield part.data if isinstance(part, Fragment) else part
        finally:
            self._end_stream(reader)

    def __aiter__(self) -> Self:
        """Iterate over messages until the connection closes, however it does."""
        return self

    async def __anext__(self) -> Received:
        """Give the next message."""
        try:
            return await self.receive()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    # ------------------------------------------------------------------------------- sending

    def send(self, message: Message | Buffer, *, compress: bool | None = None) -> Awaitable[None]:
        """Send a message: ``str`` as text, bytes as binary.

        Args:
            message: The message.
            compress: Whether to compress it, where that was negotiated; by default as configured.

        Returns:
            An awaitable that is over when the peer has taken enough of what waits to be sent.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
            LocalProtocolError: If a fragmented message is unfinished, or text is not valid Unicode.
        """
        channel = self._channel
        if channel is None or channel._paused:
            self._check_buffer()
            self._send_message(message, compress)
            return self._sent()
        connection = channel.connection
        try:
            if isinstance(message, str):
                connection.send_text(message, compress=compress)
            else:
                connection.send_binary(message, compress=compress)
        except LocalProtocolError:
            self._sendable()  # if it is over, that is what is wrong
            raise
        if channel.corked and connection.queued <= FREE_BURST:
            return channel.server.done  # as ``sent`` would say: little, and written soon
        return channel.sent(connection.queued)

    def send_text(self, text: str, *, compress: bool | None = None) -> Awaitable[None]:
        """Send a text message; see ``send``."""
        self._check_buffer()
        self._sendable().send_text(text, compress=compress)
        return self._sent()

    def send_binary(self, data: Buffer, *, compress: bool | None = None) -> Awaitable[None]:
        """Send a binary message; see ``send``."""
        self._check_buffer()
        self._sendable().send_binary(data, compress=compress)
        return self._sent()

    send_bytes = send_binary

    def send_json(self, value: Any, *, compress: bool | None = None) -> Awaitable[None]:
        """Send a value as JSON, in a text message; see ``send``."""
        return self.send_text(self.dumps(value), compress=compress)

    async def send_stream(
        self,
        parts: AsyncIterable[str] | AsyncIterable[bytes] | Iterable[str] | Iterable[bytes],
        *,
        compress: bool | None = None,
    ) -> None:
        """Send one message in fragments, each as soon as it is there.

        Args:
            parts: All ``str``, for a text message, or all bytes.
            compress: As in ``send``.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
        """
        kind: type[str | bytes] = bytes
        async for part in _each(parts):
            kind = str if isinstance(part, str) else bytes
            self._check_buffer()
            self._sendable().send_fragment(part, fin=False, compress=compress)
            await self._sent()
        self._sendable().send_fragment(kind(), fin=True, compress=compress)
        await self._sent()

    def ping(self, payload: bytes | str | None = None) -> Awaitable[float]:
        """Send a ping.

        Args:
            payload: 0 to 125 bytes; by default one that no other ping has.

        Returns:
            An awaitable that gives the seconds until the pong came, or raises
            ``ConnectionClosed``.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
            LocalProtocolError: If the payload is too long, or of a ping still unanswered.
        """
        connection = self._sendable()
        payload = self._next_ping(payload)
        pings = self._pings = self._pings or {}
        if payload in pings:
            raise LocalProtocolError("a ping with this payload is still unanswered")
        connection.ping(payload, now=self._server.clock())
        waiter = pings[payload] = self._server.loop.create_future()
        waiter.add_done_callback(partial(self._ping_over, payload))
        self._sent()
        return waiter

    def pong(self, payload: bytes | str = b"") -> Awaitable[None]:
        """Send an unsolicited pong, a sign of life; pings are answered without it."""
        self._sendable().pong(payload.encode() if isinstance(payload, str) else payload)
        return self._sent()

    def close(self, code: int = 1000, reason: str = "") -> Awaitable[None]:
        """Close the connection; it is no error if it is closed already.

        Args:
            code: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Returns:
            An awaitable that is over when the peer has agreed, or ``Limits.close_timeout`` later.

        Raises:
            LocalProtocolError: If the code or the reason can't be sent.
        """
        self._close(code, reason)
        return self._closing()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed, by whichever side; messages are left unread."""
        self._open()
        await self._closing()

    def drained(self) -> None:
        """Take note that the peer takes bytes again; tasks that wait for it are woken elsewhere."""

    @property
    def buffered(self) -> int:
        """Bytes that wait to be sent."""
        if self._channel is None or self._connection is None:
            return 0
        return self._connection.queued + self._channel.transport.get_write_buffer_size()

    # ------------------------------------------------------------------------- the other side

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
        if channel is not None and channel._paused and self._connection is not None:
            channel.check_buffer(self._connection.queued)
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


async def _each(
    parts: AsyncIterable[str] | AsyncIterable[bytes] | Iterable[str] | Iterable[bytes],
) -> AsyncIterator[str | bytes]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for item in parts:
            yield item
