"""``AsyncTestWebSocket``: a WebSocket's other end, with everything that a client may do or fail to.

What it sends by ``send`` and its kin comes from the client half of the core; ``send_frame`` and
``send_raw`` go past it, and may break every rule.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionClosed
from ..protocol.codes import Opcode
from ..protocol.connection import WebSocketConnection
from ..protocol.events import Closed, Event, Ping, Pong
from ..protocol.state import State
from .frames import WireFrame, read_frames, write_frame
from .http import Reply
from .session import Session

if TYPE_CHECKING:
    from .host import Host
    from .server import Wire

__all__ = ["AsyncTestWebSocket"]


class AsyncTestWebSocket(Session):
    """A WebSocket to the app under test; made by ``AsyncTestClient.websocket``.

    Pings are answered by themselves, as by any client. A timeout is in seconds of real time, and
    by default the client's.

    Attributes:
        response: The response to the handshake.
        subprotocol: The one agreed on.
        close_code: How it closed (RFC 6455, section 7.1.5): the code of the server's Close, 1005
            if that had none, 1006 if there was no Close; ``None`` while it is open.
        close_reason: The reason given with it.
        auto_pong: Whether pings are answered.
    """

    close_code: int | None = None
    close_reason = ""

    def __init__(
        self,
        host: Host,
        wire: Wire,
        name: str,
        connection: WebSocketConnection,
        response: Reply,
        *,
        rest: bytes = b"",
        auto_pong: bool = True,
    ) -> None:
        super().__init__(host, wire, name)
        self.response = response
        self.subprotocol = connection.subprotocol
        self.auto_pong = auto_pong
        self._connection = connection
        self._muted = False
        self._messages: deque[str | bytes] = deque()
        self._pings: deque[bytes] = deque()
        self._pongs: deque[bytes] = deque()
        self._received = 0
        self._sent_before = len(wire.sent)
        self._received_before = len(wire.received) - len(rest)
        if rest:
            self._take(rest)
        if wire.ended:
            self._take_end()

    # ------------------------------------------------------------------------------- receiving

    async def receive(self, *, timeout: float | None = None) -> str | bytes:
        """Wait for the next message: ``str`` for text, ``bytes`` for binary.

        Raises:
            TimeoutError: If none came in time; it says what did.
            ConnectionClosed: If none will come.
            Exception: What the handler raised; see ``AsyncTestClient``.
        """
        await self._wait(lambda: self._messages or self._is_over, timeout, "message")
        if self._messages:
            return self._messages.popleft()
        raise await self._closed_error(timeout)

    async def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for the next message, a text; errors as in ``receive``.

        Raises:
            AssertionError: If it is binary.
        """
        message = await self.receive(timeout=timeout)
        if not isinstance(message, str):
            raise AssertionError(f"a binary message instead of text: {message[:200]!r}")
        return message

    async def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for the next message, a binary one; errors as in ``receive``.

        Raises:
            AssertionError: If it is text.
        """
        message = await self.receive(timeout=timeout)
        if isinstance(message, str):
            raise AssertionError(f"a text message instead of binary: {message[:200]!r}")
        return message

    async def receive_json(self, *, timeout: float | None = None) -> Any:
        """Wait for the next message and parse it; errors as in ``receive``.

        Raises:
            ValueError: If it is not JSON.
        """
        return json.loads(await self.receive(timeout=timeout))

    async def receive_ping(self, *, timeout: float | None = None) -> bytes:
        """Wait for the next ping, and give its payload; errors as in ``receive``."""
        return await self._receive_control(self._pings, timeout, "ping")

    async def receive_pong(self, *, timeout: float | None = None) -> bytes:
        """Wait for the next pong, and give its payload; errors as in ``receive``."""
        return await self._receive_control(self._pongs, timeout, "pong")

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over messages until the server closes; an abnormal end raises.

        Raises:
            ConnectionClosed: If it closes with another code than 1000 or 1001.
        """
        while True:
            try:
                message = await self.receive()
            except ConnectionClosed as closed:
                if closed.code in (1000, 1001):
                    return
                raise
            yield message

    # --------------------------------------------------------------------------------- sending

    async def send(self, message: str | bytes, *, compress: bool | None = None) -> None:
        """Send a message: ``str`` as text, bytes as binary.

        Args:
            message: The message.
            compress: Whether to compress it, where that was negotiated; by default as configured.

        Raises:
            ConnectionClosed: If the connection is closed, or closing.
            Exception: What the handler raised, if that is why.
        """
        await self._check_open()
        if isinstance(message, str):
            self._connection.send_text(message, compress=compress)
        else:
            self._connection.send_binary(message, compress=compress)
        await self._flush()

    async def send_text(self, text: str, *, compress: bool | None = None) -> None:
        """Send a text message; see ``send``."""
        await self.send(text, compress=compress)

    async def send_bytes(self, data: bytes, *, compress: bool | None = None) -> None:
        """Send a binary message; see ``send``."""
        await self.send(data, compress=compress)

    async def send_json(self, value: Any, *, compress: bool | None = None) -> None:
        """Send a value as JSON, in a text message; see ``send``."""
        await self.send(json.dumps(value), compress=compress)

    async def send_fragment(self, data: str | bytes, *, fin: bool) -> None:
        """Send a fragment of a message (RFC 6455, section 5.4); see ``send``.

        Args:
            data: ``str`` in each fragment of a text message, bytes in each of a binary one.
            fin: Whether the message ends with it.
        """
        await self._check_open()
        self._connection.send_fragment(data, fin=fin)
        await self._flush()

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping; ``receive_pong`` waits for its answer. Errors as in ``send``."""
        await self._check_open()
        self._connection.ping(payload)
        await self._flush()

    async def pong(self, payload: bytes = b"") -> None:
        """Send a pong that nobody asked for, or by hand what ``auto_pong`` does not."""
        await self.send_frame(Opcode.PONG, payload)

    async def send_frame(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        fin: bool = True,
        rsv: int = 0,
        key: bytes | None = None,
    ) -> None:
        """Send one frame, whether RFC 6455 allows it here or not.

        Args:
            opcode: 0 to 15; see ``fasterapi.protocol.Opcode``.
            payload: Its bytes, before masking.
            fin: Whether it ends its message.
            rsv: RSV bits: any of 0x40, 0x20, 0x10.
            key: The masking key, four bytes, random by default; ``b""``: not masked.

        Raises:
            ConnectionClosed: If the connection is gone.
        """
        await self.send_raw(write_frame(opcode, payload, fin=fin, rsv=rsv, key=key))

    async def send_raw(self, *reads: bytes) -> None:
        """Send bytes as they are, each piece to arrive in a read of its own.

        Raises:
            ConnectionClosed: If the connection is gone.
        """
        if self._wire.lost:
            raise ConnectionClosed(self.close_code or 1006, self.close_reason)
        if not self._muted:
            self._wire.send(*reads)
            await self._wire.delivered()

    async def send_eof(self) -> None:
        """End this half of the connection without a Close, and go on reading."""
        self._wire.send_eof()
        await self._host.settle()

    def mute(self) -> None:
        """Send nothing any more, not even pongs: a peer that has vanished without a word.

        What is sent from now on is lost on its way. ``unmute`` ends it.
        """
        self._muted = True

    def unmute(self) -> None:
        """Send again."""
        self._muted = False

    # --------------------------------------------------------------------------------- closing

    async def close(
        self, code: int = 1000, reason: str = "", *, timeout: float | None = None
    ) -> None:
        """Send a Close and wait for the server's; it is no error if there is one already.

        Args:
            code: 1000 to 1003, 1007 to 1014, 3000 to 4999; 1005 for a Close without a code.
            reason: At most 123 bytes of UTF-8.
            timeout: Seconds that the server has to answer.

        Raises:
            TimeoutError: If it did not.
            LocalProtocolError: If the code or the reason may not be sent.
        """
        if self._is_over:
            return
        if code == 1005 and not reason:
            await self.send_frame(Opcode.CLOSE)
        elif self._connection.state is State.OPEN:
            self._connection.close(code, reason)
            await self._flush()
        await self.wait_closed(timeout=timeout)

    async def wait_closed(self, *, timeout: float | None = None) -> int:
        """Wait until the connection is closed, by whichever side, and give ``close_code``.

        Messages that came before stay to be received.

        Raises:
            TimeoutError: If it stays open.
            Exception: What the handler raised; see ``AsyncTestClient``.
        """
        await self._wait(lambda: self._is_over, timeout, "end")
        await self._closed_error(timeout)
        assert self.close_code is not None
        return self.close_code

    # ------------------------------------------------------------------------------- the bytes

    @property
    def sent_bytes(self) -> bytes:
        """All that was sent behind the handshake."""
        return bytes(self._wire.sent[self._sent_before :])

    @property
    def received_bytes(self) -> bytes:
        """All that the server has sent behind the handshake."""
        return self._wire.received[self._received_before :]

    @property
    def sent_frames(self) -> list[WireFrame]:
        """The frames that were sent."""
        return read_frames(self.sent_bytes, masked=True)

    @property
    def received_frames(self) -> list[WireFrame]:
        """The frames that the server has sent, as they stood on the wire."""
        return read_frames(self.received_bytes)

    @property
    def extensions(self) -> list[str]:
        """The extensions agreed on, as ``Sec-WebSocket-Extensions`` names them."""
        return self.response.headers.get_all("sec-websocket-extensions")

    # ------------------------------------------------------------------------------ underneath

    @property
    def _is_over(self) -> bool:
        return self.close_code is not None

    async def _check_open(self) -> None:
        if self._is_over or self._connection.state is not State.OPEN:
            raise await self._closed_error(None)

    async def _closed_error(self, timeout: float | None) -> ConnectionClosed:
        """Give the error that says that it is over; a handler's own goes first, and is raised."""
        if self.close_code == 1011:
            await self._concluded(timeout)  # it closes before it says why
        self._host.raise_crash()
        return ConnectionClosed(self.close_code or 1006, self.close_reason)

    async def _receive_control(
        self, arrived: deque[bytes], timeout: float | None, what: str
    ) -> bytes:
        await self._wait(lambda: arrived or self._is_over, timeout, what)
        if arrived:
            return arrived.popleft()
        raise await self._closed_error(timeout)

    def _take(self, data: bytes) -> None:
        self._report(self._connection.receive_data(data, self._host.server.time.now))
        self._write()
        if self._connection.finished:
            self._wire.close()

    def _take_end(self) -> None:
        self._report(self._connection.receive_eof(self._host.server.time.now))
        self._write()
        self._wire.close()

    def _report(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, str | bytes):
                self._received += 1
                self._messages.append(event)
            elif isinstance(event, Ping):
                self._pings.append(event.payload)
            elif isinstance(event, Pong):
                self._pongs.append(event.payload)
            elif isinstance(event, Closed):
                self.close_code, self.close_reason = event.code, event.reason

    def _write(self) -> None:
        """Send what the connection has to say, as far as this client says it."""
        data = self._connection.data_to_send()
        if not self.auto_pong:
            frames = read_frames(data, masked=True)
            data = b"".join(frame.data for frame in frames if frame.opcode != Opcode.PONG)
        if data and not self._muted and not self._wire.lost:
            self._wire.send(data)

    async def _flush(self) -> None:
        self._write()
        await self._wire.delivered()

    def _so_far(self) -> str:
        state = "open"
        if self._is_over:
            state = f"closed with {self.close_code} {self.close_reason!r}"
        elif self._wire.transport.stuck:
            state = f"open, and paused with {self.unsent} bytes to take"
        waiting = [repr(message)[:80] for message in self._messages]
        unread = f", of which not received yet: {', '.join(waiting[:5])}" if waiting else ""
        frames = ", ".join(
            f"{getattr(frame.opcode, 'name', frame.opcode)} of {len(frame.payload)}"
            for frame in self.received_frames[-5:]
        )
        return f"{state}; {self._received} messages{unread}; last frames: {frames or 'none'}"

    async def _leave(self) -> None:
        if self._muted or self._wire.transport.stuck:
            await self.drop()
        else:
            await self.close()
        await self._concluded()
        await self._host.settle()
