"""``WebSocket``: what an ``async def`` handler gets, on an asyncio transport.

Its verbs. How they wait and what wakes them is ``session``'s; the state and the rules are
``app.websocket``'s, and the protocol's are the core's.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable
from functools import partial
from typing import Any, Self

from ..app.websocket import Received
from ..errors import ConnectionClosed, LocalProtocolError
from ..limits import FREE_BURST, MAX_BURST, MESSAGE_OVERHEAD
from ..protocol.events import Fragment
from ..protocol.frames import Buffer
from ..protocol.headers import HeaderPairs
from .session import WebSocketSession

__all__ = ["WebSocket"]

Message = str | bytes


class WebSocket(WebSocketSession):
    """A WebSocket for ``async def`` handlers.

    The handshake is accepted at the first send or receive, or by ``accept``; until then ``reject``
    declines it. ``send`` and its kin queue at once and return an awaitable: await it to wait while
    the peer reads slowly (over ``Limits.write_high_water``); it is no coroutine, so a send that is
    not awaited is sent all the same. The peer's going raises ``ConnectionClosed``, from ``receive``
    and ``send`` alike; a handler may let it escape.

    See ``WebSocketBase`` for its attributes.
    """

    __slots__ = ()

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

        A message far larger than memory can be taken so, with ``Limits.max_message_size`` raised;
        but a compressed frame is inflated whole, so raise it where ``compression`` is ``None``.
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
        pings = self._pings = self._pings or {}
        payload = self._send_ping(payload, pings, self._server.clock())
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
        """Wait until the connection is closed, by whichever side; messages are left unread.

        While over ``Limits.receive_high_water`` of them wait, nothing more is read, not even the
        peer's Close: it is noticed when another task receives, and a peer that is gone when the
        pings to it fail.
        """
        self._open()
        await self._closing()
        if self._channel is not None:
            self._channel.drop_unread()

    @property
    def buffered(self) -> int:
        """Bytes that wait to be sent."""
        if self._channel is None or self._connection is None:
            return 0
        return self._connection.queued + self._channel.transport.get_write_buffer_size()


async def _each(
    parts: AsyncIterable[str] | AsyncIterable[bytes] | Iterable[str] | Iterable[bytes],
) -> AsyncIterator[str | bytes]:
    if isinstance(parts, AsyncIterable):
        async for part in parts:
            yield part
    else:
        for item in parts:
            yield item
