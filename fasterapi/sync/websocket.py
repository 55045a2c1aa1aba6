"""``SyncWebSocket``: what a ``def`` handler gets, on a blocking byte stream: its verbs.

The session's state and rules are ``app.websocket``'s, the protocol's are the core's, and how bytes
come and go is ``session``'s.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ..app.websocket import Received
from ..errors import ConnectionClosed
from ..protocol.events import Fragment
from ..protocol.frames import Buffer
from ..protocol.headers import HeaderPairs
from .session import BlockingSession
from .stream import LONGEST_WAIT

__all__ = ["SyncWebSocket"]

Message = str | bytes


_MARGIN = 1.0
"""Seconds after ``close_timeout`` in which whoever keeps the deadlines has noticed it."""


class SyncWebSocket(BlockingSession):
    """A WebSocket for ``def`` handlers; every method may be called from any thread.

    The handshake is accepted at the first send or receive, or by ``accept``; until then ``reject``
    declines it. ``send`` and its kin block while the peer reads slowly. The peer's going raises
    ``ConnectionClosed``, from ``receive`` and ``send`` alike; a handler may let it escape.

    See ``WebSocketBase`` for its attributes.
    """

    __slots__ = ()

    # --------------------------------------------------------------------------- handshake

    def accept(self, *, subprotocol: str | None = None, headers: HeaderPairs = ()) -> None:
        """Accept the handshake.

        Args:
            subprotocol: One that the client offers; by default the route's first that it offers.
            headers: Header fields for the response.

        Raises:
            LocalProtocolError: If it was accepted already, the client does not offer the
                subprotocol, or a header can't be sent.
            ConnectionClosed: If the handshake was rejected, or the client is gone.
        """
        with self._deciding():
            self._accept(subprotocol, headers)
        self.write_out()

    def reject(
        self, status: int = 403, *, headers: HeaderPairs = (), body: bytes | str = b""
    ) -> None:
        """Decline the handshake with an HTTP response.

        Raises:
            LocalProtocolError: If it was answered already, or the response can't be sent.
        """
        with self._deciding():
            self._reject(status, headers, body)

    # ----------------------------------------------------------------------------- receiving

    def receive(self, timeout: float | None = None) -> Received:
        """Wait for the next message: ``str`` for text, ``bytes`` for binary.

        Args:
            timeout: Seconds to wait; ``None``: for ever.

        Raises:
            ConnectionClosed: If there will be none.
            ConcurrentReceive: If another thread is waiting already.
            TimeoutError: If there is none in time; no message is lost.
        """
        if self._connection is None:
            self._ensure_open()
        if timeout is None and (alone := self._wait_for_one()) is not None:
            return alone
        message = self._wait_for(self._next_message, timeout)
        assert not isinstance(message, Fragment)
        return message

    def receive_text(self, timeout: float | None = None) -> str:
        """Wait for the next message; ``InvalidMessage`` if it is binary. Else as ``receive``."""
        return self._text(self.receive(timeout))

    def receive_bytes(self, timeout: float | None = None) -> bytes:
        """Wait for the next message; ``InvalidMessage`` if it is text. Else as ``receive``."""
        return self._bytes(self.receive(timeout))

    def receive_json(self, timeout: float | None = None) -> Any:
        """Wait for the next message and parse it; ``InvalidMessage`` if it is not JSON."""
        return self._json(self.receive(timeout))

    def receive_stream(self, timeout: float | None = None) -> Iterator[Message]:
        """Yield the next message in parts, as they arrive: all ``str`` or all ``bytes``.

        A message far larger than memory can be taken so, with ``Limits.max_message_size`` raised;
        but a compressed frame is inflated whole, so raise it where ``compression`` is ``None``.
        What is left of it when the loop is left early is dropped. ``timeout`` is for each part;
        errors as in ``receive``.
        """
        self._ensure_open()
        with self._lock:
            reader = self._begin_stream()
        finished = False
        try:
            while not finished:
                part = self._wait_for(partial(self._next_part, reader), timeout)
                finished = not isinstance(part, Fragment) or part.fin
                yield part.data if isinstance(part, Fragment) else part
        finally:
            with self._lock:
                self._end_stream(reader)

    def __iter__(self) -> Iterator[Received]:
        """Iterate over messages until the connection closes, however it does."""
        while True:
            try:
                yield self.receive()
            except ConnectionClosed:
                return

    # ------------------------------------------------------------------------------- sending

    def send(self, message: Message | Buffer, *, compress: bool | None = None) -> None:
        """Send a message: ``str`` as text, bytes as binary.

        Args:
            message: The message.
            compress: Whether to compress it, where that was negotiated; by default as configured.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
            LocalProtocolError: If a fragmented message is unfinished, or text is not valid Unicode.
        """
        if self._connection is None:
            self._ensure_open()
        with self._lock:
            self._send_message(message, compress)
            written = self._write_soon()
        if not written:
            self._await_room()

    def send_text(self, text: str, *, compress: bool | None = None) -> None:
        """Send a text message; see ``send``."""
        if self._connection is None:
            self._ensure_open()
        with self._lock:
            self._sendable().send_text(text, compress=compress)
            written = self._write_soon()
        if not written:
            self._await_room()

    def send_binary(self, data: Buffer, *, compress: bool | None = None) -> None:
        """Send a binary message; see ``send``."""
        if self._connection is None:
            self._ensure_open()
        with self._lock:
            self._sendable().send_binary(data, compress=compress)
            written = self._write_soon()
        if not written:
            self._await_room()

    send_bytes = send_binary

    def send_json(self, value: Any, *, compress: bool | None = None) -> None:
        """Send a value as JSON, in a text message; see ``send``."""
        self.send_text(self.dumps(value), compress=compress)

    def send_stream(
        self, parts: Iterable[str] | Iterable[bytes], *, compress: bool | None = None
    ) -> None:
        """Send one message in fragments, each as soon as it is there.

        Args:
            parts: All ``str``, for a text message, or all bytes.
            compress: As in ``send``.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
        """
        kind: type[str | bytes] = bytes
        for part in parts:
            kind = str if isinstance(part, str) else bytes
            self._send_fragment(part, False, compress)
        self._send_fragment(kind(), True, compress)

    def _send_fragment(self, part: Message, fin: bool, compress: bool | None) -> None:
        self._ensure_open()
        with self._lock:
            self._sendable().send_fragment(part, fin=fin, compress=compress)
            written = self._write()
        if not written:
            self._await_room()

    def ping(self, payload: bytes | str | None = None, timeout: float | None = None) -> float:
        """Send a ping and wait for its pong.

        No pong is read while more than ``Limits.receive_high_water`` waits for ``receive``.

        Args:
            payload: 0 to 125 bytes; by default one that no other ping has.
            timeout: Seconds to wait; ``None``: until the connection closes.

        Returns:
            The seconds that it took.

        Raises:
            ConnectionClosed: If the connection closed before the pong came.
            LocalProtocolError: If the payload is too long, or of a ping still unanswered; or in an
                event loop's thread, which can't wait.
            TimeoutError: If it did not come in time.
        """
        self._check_may_wait("ping")
        self._ensure_open()
        answered, latency = threading.Event(), list[float]()
        with self._lock:
            payload = self._send_ping(payload, self._pings, self._clock())
            self._pings[payload] = answered, latency
        self.write_out()
        if not self._await(answered, timeout):
            with self._lock:
                self._pings.pop(payload, None)
            raise TimeoutError(f"no pong within {timeout} s")
        if not latency:
            raise self._closed_error()
        return latency[0]

    def pong(self, payload: bytes | str = b"") -> None:
        """Send an unsolicited pong, a sign of life; pings are answered without it."""
        self._ensure_open()
        with self._lock:
            self._sendable().pong(payload.encode() if isinstance(payload, str) else payload)
        self.write_out()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait for the peer's agreement or ``Limits.close_timeout``.

        It is no error if the connection is closed already. An event loop's thread does not wait.

        Args:
            code: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            LocalProtocolError: If the code or the reason can't be sent.
        """
        with self._deciding():
            self._close(code, reason)
        self.write_out()
        if self._connection is not None:
            self._await(self._done, self._limits.close_timeout + _MARGIN)

    def _close(self, code: int, reason: str) -> None:
        if self._undecided:
            self._open()  # not under the lock, for the response may block
        with self._lock:
            super()._close(code, reason)
        self._stream.rest()  # a deadline has begun, and writing may take longer

    def _conclude(self, error: BaseException | None) -> bool:
        with self._deciding():
            crashed = super()._conclude(error)
        self.write_out()
        return crashed

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until the connection is closed, by whichever side; messages are left unread.

        Returns:
            Whether it is; False after ``timeout`` seconds.

        Raises:
            LocalProtocolError: In an event loop's thread, which can't wait.
        """
        if not self._done.is_set():
            self._check_may_wait("wait_closed")
        self._ensure_open()
        return self._done.wait(None if timeout is None else min(timeout, LONGEST_WAIT))
