"""``SyncWebSocket``: what a ``def`` handler gets, on a blocking byte stream.

The session's state and rules are ``app.websocket``'s, the protocol's are the core's. What is here
reads, writes and waits, and keeps threads apart:

* ``_lock`` guards the session and the connection; nothing blocks while it is held;
* ``_reading`` belongs to whoever reads the stream: the handler in ``receive``, or the watcher;
* ``_sending`` keeps writes in order; what is queued meanwhile is written by whoever holds it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ..app.websocket import Received, WebSocketBase
from ..errors import ConcurrentReceive, ConnectionClosed, LocalProtocolError
from ..protocol.events import Event, Fragment
from ..protocol.headers import HeaderPairs
from ..protocol.state import State
from .stream import ByteStream

__all__ = ["SyncWebSocket"]

Buffer = bytes | bytearray | memoryview
Message = str | bytes

_READ_SIZE = 65536
_MARGIN = 1.0
"""Seconds after ``close_timeout`` in which whoever keeps the deadlines has noticed it."""


class SyncWebSocket(WebSocketBase):
    """A WebSocket for ``def`` handlers; every method may be called from any thread.

    The handshake is accepted at the first send or receive, or by ``accept``; until then ``reject``
    declines it. ``send`` and its kin block while the peer reads slowly. The peer's going raises
    ``ConnectionClosed``, from ``receive`` and ``send`` alike; a handler may let it escape.

    See ``WebSocketBase`` for its attributes, and:

    Attributes:
        writing: Whether bytes are on their way from the connection to the stream.
    """

    __slots__ = (
        "_clock", "_done", "_lock", "_on_attach", "_opening", "_pings", "_reading", "_receiving",
        "_sending", "_stream", "writing",
    )  # fmt: skip

    def __init__(
        self,
        *args: Any,
        stream: ByteStream,
        attach: Callable[[SyncWebSocket], None],
        clock: Callable[[], float],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._on_attach = attach
        self._stream = stream
        self._clock = clock
        self._lock = threading.RLock()
        self._opening = threading.Lock()
        self._reading = threading.Lock()
        self._sending = threading.Lock()
        self._done = threading.Event()
        self._pings: dict[bytes, tuple[threading.Event, list[float]]] = {}
        self._receiving = False
        self.writing = False

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
        with self._opening:
            self._accept(subprotocol, headers)
        self.write_out()

    def reject(
        self, status: int = 403, *, headers: HeaderPairs = (), body: bytes | str = b""
    ) -> None:
        """Decline the handshake with an HTTP response.

        Raises:
            LocalProtocolError: If it was answered already, or the response can't be sent.
        """
        with self._opening:
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
        self._ensure_open()
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

        A message far larger than memory can be taken so, with ``Limits.max_message_size`` raised.
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
        self._ensure_open()
        with self._lock:
            self._send_message(message, compress)
        self.write_out()

    def send_text(self, text: str, *, compress: bool | None = None) -> None:
        """Send a text message; see ``send``."""
        self._ensure_open()
        with self._lock:
            self._sendable().send_text(text, compress=compress)
        self.write_out()

    def send_binary(self, data: Buffer, *, compress: bool | None = None) -> None:
        """Send a binary message; see ``send``."""
        self._ensure_open()
        with self._lock:
            self._sendable().send_binary(data, compress=compress)
        self.write_out()

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
        self.write_out()

    def ping(self, payload: bytes | str | None = None, timeout: float | None = None) -> float:
        """Send a ping and wait for its pong.

        Args:
            payload: 0 to 125 bytes; by default one that no other ping has.
            timeout: Seconds to wait; ``None``: until the connection closes.

        Returns:
            The seconds that it took.

        Raises:
            ConnectionClosed: If the connection closed before the pong came.
            LocalProtocolError: If the payload is too long, or of a ping still unanswered.
            TimeoutError: If it did not come in time.
        """
        self._ensure_open()
        answered, latency = threading.Event(), list[float]()
        with self._lock:
            connection = self._sendable()
            payload = self._next_ping(payload)
            if payload in self._pings:
                raise LocalProtocolError("a ping with this payload is still unanswered")
            connection.ping(payload, now=self._clock())
            self._pings[payload] = answered, latency
        self.write_out()
        if not answered.wait(timeout):
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

        It is no error if the connection is closed already.

        Args:
            code: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            LocalProtocolError: If the code or the reason can't be sent.
        """
        with self._opening:
            self._close(code, reason)
        self.write_out()
        if self._connection is not None:
            self._done.wait(self._limits.close_timeout + _MARGIN)

    def _close(self, code: int, reason: str) -> None:
        if self._undecided:
            self._open()  # not under the lock, for the response may block
        with self._lock:
            super()._close(code, reason)
        self._stream.rest()  # a deadline has begun, and writing may take longer

    def _conclude(self, error: BaseException | None) -> bool:
        with self._opening:
            crashed = super()._conclude(error)
        self.write_out()
        return crashed

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until the connection is closed, by whichever side; messages are left unread.

        Returns:
            Whether it is; False after ``timeout`` seconds.
        """
        self._ensure_open()
        return self._done.wait(timeout)

    # --------------------------------------------------------------------------- the watcher

    def pump(self) -> None:
        """Read what has arrived, for a handler that is busy elsewhere. Never blocks.

        Whoever watches the stream calls it when there is something to read.
        """
        if not self._reading.acquire(blocking=False):
            return
        try:
            while not self._inbox.full and self._read():
                pass
        except TimeoutError:
            pass  # the handler was quicker
        finally:
            self._reading.release()
        self.write_out(blocking=False)

    def tick(self, now: float) -> float | None:
        """Do what is due, and give the next deadline; called by whoever watches the stream."""
        with self._lock:
            if self._connection is None:
                return None
            self._take(self._connection.tick(now))
        self.write_out(blocking=False)
        return self._connection.next_deadline()

    def shut_down(self) -> None:
        """Close with 1001, for the server stops. Never blocks."""
        self._shut_down()
        self.write_out(blocking=False)

    def lose(self) -> None:
        """Take the stream's end, whatever was under way."""
        with self._lock:
            if self._connection is None:
                self._ended(1006, "")
            else:
                self._take(self._connection.receive_eof(self._clock()))
            self._release()

    # ------------------------------------------------------------------------- the other side

    def _ensure_open(self) -> None:
        """Accept outside the lock: the response goes over the transport, which may block."""
        if self._connection is None:
            with self._opening:
                self._open()
            self.write_out()

    def _attach(self, rest: bytes) -> None:
        assert self._connection is not None
        with self._lock:
            self._take(self._connection.receive_data(rest, self._clock()))
        self._on_attach(self)
        self._stream.rest()

    def _take(self, events: list[Event]) -> None:
        self._dispatch(events)
        if self._connection is not None:
            self._connection.reading = not self._inbox.full
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
        """Read the stream until ``take`` finds something."""
        deadline = None if timeout is None else self._clock() + timeout
        with self._lock:
            if self._receiving:
                raise ConcurrentReceive(
                    "another thread is waiting in receive() of this WebSocket; "
                    "let one thread receive and pass messages on"
                )
            self._receiving = True
            self._begin_receive()
        try:
            with self._reading:
                while True:
                    with self._lock:
                        found = take()
                    if found is not None:
                        return found
                    self._stream.settimeout(
                        None if deadline is None else max(0.0, deadline - self._clock())
                    )
                    self._read()
                    self.write_out(blocking=False)
        finally:
            self._receiving = False
            self._stream.rest()
            self.write_out()

    def _read(self) -> bool:
        """Read the stream once; tell whether there may be more to read."""
        try:
            data = self._stream.recv(_READ_SIZE)
        except BlockingIOError:
            raise TimeoutError("nothing to read yet") from None
        except TimeoutError:
            raise
        except OSError:
            data = b""  # a reset is an end like any other
        with self._lock:
            connection = self._open()
            now = self._clock()
            if data:
                self._take(connection.receive_data(data, now))
            else:
                self._take(connection.receive_eof(now))
        return bool(data)

    def write_out(self, blocking: bool = True) -> None:
        """Write what is queued; if another thread is writing, it writes that too.

        Args:
            blocking: Whether to wait for that thread, and for room.
        """
        wrote = False
        while (
            self._has_data()
            and (blocking or self._stream.is_writable())
            and self._sending.acquire(blocking)
        ):
            try:
                wrote = True
                with self._lock:
                    self.writing = True
                    data = self._data_to_send()
                self._stream.sendall(data)
            except OSError:
                self.lose()
                return
            finally:
                self.writing = False
                self._sending.release()
        if wrote and self.state is not State.OPEN:
            self._stream.rest()  # whoever watches sees to the transport's end

    def _has_data(self) -> bool:
        with self._lock:
            hold = self._answering or bool(self._inbox)
            return self._connection is not None and self._connection.has_data_to_send(
                hold_close=hold
            )
