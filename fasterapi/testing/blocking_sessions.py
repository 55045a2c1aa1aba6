"""The connections of a ``TestClient``: each waits for what its ``async`` twin does.

Verbs, errors and attributes are those of the twin, and a test compares them; so are the words.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from ..errors import ConnectionClosed
from ..protocol.sse import ServerSentEvent
from .events import AsyncTestEventStream, StreamEnded
from .frames import WireFrame
from .http import Reply
from .server import Wire
from .session import Session
from .websocket import AsyncTestWebSocket

__all__ = ["BlockingSession", "TestEventStream", "TestWebSocket"]

T = TypeVar("T")
S = TypeVar("S", bound=Session)


class Run(Protocol):
    """Runs a coroutine in the loop of a ``TestClient``."""

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end."""


class BlockingSession(Generic[S]):
    """One connection of a ``TestClient``.

    Args:
        run: Runs a coroutine.
        session: The same for ``async``.
    """

    __test__ = False

    def __init__(self, run: Run, session: S) -> None:
        self._session = session
        self._run = run

    @property
    def wire(self) -> Wire:
        """The connection under it, with all of its bytes, those of the handshake among them."""
        return self._session.wire

    @property
    def is_lost(self) -> bool:
        """Whether the connection under it is gone, for both sides."""
        return self._session.is_lost

    @property
    def unread(self) -> int:
        """Bytes sent that the server does not read, for its handler has not caught up."""
        return self._session.unread

    @property
    def unsent(self) -> int:
        """Bytes that the server has to send while this client is paused."""
        return self._session.unsent

    def pause(self) -> None:
        """Take nothing from the server any more, as a client that reads slowly."""
        self._run(self._session.pause())

    def resume(self) -> None:
        """Take what waits, and go on."""
        self._run(self._session.resume())

    def drop(self, error: Exception | None = None) -> None:
        """Lose the connection, with no Close and no end; see ``AsyncTestWebSocket.drop``."""
        self._run(self._session.drop(error))

    def wait_handler(self, *, timeout: float | None = None) -> None:
        """Wait until the handler has ended; see ``AsyncTestWebSocket.wait_handler``."""
        self._run(self._session.wait_handler(timeout=timeout))

    def __enter__(self) -> Self:
        """Give the connection, to be left in order at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave; at once, if the block has failed."""
        self._run(self._session.__aexit__(kind, error, traceback))


class TestWebSocket(BlockingSession[AsyncTestWebSocket]):
    """A WebSocket to the app under test; made by ``TestClient.websocket``.

    Its verbs, errors and attributes are those of ``AsyncTestWebSocket``, without ``await``.
    """

    def receive(self, *, timeout: float | None = None) -> str | bytes:
        """Wait for the next message; see ``AsyncTestWebSocket.receive``."""
        return self._run(self._session.receive(timeout=timeout))

    def receive_text(self, *, timeout: float | None = None) -> str:
        """Wait for the next message, a text; see ``AsyncTestWebSocket.receive_text``."""
        return self._run(self._session.receive_text(timeout=timeout))

    def receive_bytes(self, *, timeout: float | None = None) -> bytes:
        """Wait for the next message, a binary one; see ``AsyncTestWebSocket.receive_bytes``."""
        return self._run(self._session.receive_bytes(timeout=timeout))

    def receive_json(self, *, timeout: float | None = None) -> Any:
        """Wait for the next message and parse it; see ``AsyncTestWebSocket.receive_json``."""
        return self._run(self._session.receive_json(timeout=timeout))

    def receive_ping(self, *, timeout: float | None = None) -> bytes:
        """Wait for the next ping, and give its payload."""
        return self._run(self._session.receive_ping(timeout=timeout))

    def receive_pong(self, *, timeout: float | None = None) -> bytes:
        """Wait for the next pong, and give its payload."""
        return self._run(self._session.receive_pong(timeout=timeout))

    def __iter__(self) -> Iterator[str | bytes]:
        """Iterate over messages until the server closes; an abnormal end raises.

        Raises:
            ConnectionClosed: If it closes with another code than 1000 or 1001.
        """
        while True:
            try:
                message = self.receive()
            except ConnectionClosed as closed:
                if closed.code in (1000, 1001):
                    return
                raise
            yield message

    def send(self, message: str | bytes, *, compress: bool | None = None) -> None:
        """Send a message; see ``AsyncTestWebSocket.send``."""
        self._run(self._session.send(message, compress=compress))

    def send_text(self, text: str, *, compress: bool | None = None) -> None:
        """Send a text message; see ``send``."""
        self._run(self._session.send_text(text, compress=compress))

    def send_bytes(self, data: bytes, *, compress: bool | None = None) -> None:
        """Send a binary message; see ``send``."""
        self._run(self._session.send_bytes(data, compress=compress))

    def send_json(self, value: Any, *, compress: bool | None = None) -> None:
        """Send a value as JSON, in a text message; see ``send``."""
        self._run(self._session.send_json(value, compress=compress))

    def send_fragment(self, data: str | bytes, *, fin: bool) -> None:
        """Send a fragment of a message; see ``AsyncTestWebSocket.send_fragment``."""
        self._run(self._session.send_fragment(data, fin=fin))

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping; ``receive_pong`` waits for its answer."""
        self._run(self._session.ping(payload))

    def pong(self, payload: bytes = b"") -> None:
        """Send a pong that nobody asked for, or by hand what ``auto_pong`` does not."""
        self._run(self._session.pong(payload))

    def send_frame(
        self,
        opcode: int,
        payload: bytes = b"",
        *,
        fin: bool = True,
        rsv: int = 0,
        key: bytes | None = None,
    ) -> None:
        """Send one frame, allowed or not; see ``AsyncTestWebSocket.send_frame``."""
        self._run(self._session.send_frame(opcode, payload, fin=fin, rsv=rsv, key=key))

    def send_raw(self, *reads: bytes) -> None:
        """Send bytes as they are; see ``AsyncTestWebSocket.send_raw``."""
        self._run(self._session.send_raw(*reads))

    def send_eof(self) -> None:
        """End this half of the connection without a Close, and go on reading."""
        self._run(self._session.send_eof())

    def mute(self) -> None:
        """Send nothing any more, not even pongs; see ``AsyncTestWebSocket.mute``."""
        self._session.mute()

    def unmute(self) -> None:
        """Send again."""
        self._session.unmute()

    def close(self, code: int = 1000, reason: str = "", *, timeout: float | None = None) -> None:
        """Send a Close and wait for the server's; see ``AsyncTestWebSocket.close``."""
        self._run(self._session.close(code, reason, timeout=timeout))

    def wait_closed(self, *, timeout: float | None = None) -> int:
        """Wait until it is closed, by whichever side; see ``AsyncTestWebSocket.wait_closed``."""
        return self._run(self._session.wait_closed(timeout=timeout))

    @property
    def response(self) -> Reply:
        """The response to the handshake."""
        return self._session.response

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on."""
        return self._session.subprotocol

    @property
    def extensions(self) -> list[str]:
        """The extensions agreed on, as ``Sec-WebSocket-Extensions`` names them."""
        return self._session.extensions

    @property
    def close_code(self) -> int | None:
        """How it closed; ``None`` while it is open. See ``AsyncTestWebSocket``."""
        return self._session.close_code

    @property
    def close_reason(self) -> str:
        """The reason given with it."""
        return self._session.close_reason

    @property
    def auto_pong(self) -> bool:
        """Whether pings are answered."""
        return self._session.auto_pong

    @auto_pong.setter
    def auto_pong(self, value: bool) -> None:
        self._session.auto_pong = value

    @property
    def sent_bytes(self) -> bytes:
        """All that was sent behind the handshake."""
        return self._session.sent_bytes

    @property
    def received_bytes(self) -> bytes:
        """All that the server has sent behind the handshake."""
        return self._session.received_bytes

    @property
    def sent_frames(self) -> list[WireFrame]:
        """The frames that were sent."""
        return self._session.sent_frames

    @property
    def received_frames(self) -> list[WireFrame]:
        """The frames that the server has sent, as they stood on the wire."""
        return self._session.received_frames


class TestEventStream(BlockingSession[AsyncTestEventStream]):
    """An event stream of the app under test; made by ``TestClient.events``.

    Its verbs, errors and attributes are those of ``AsyncTestEventStream``, without ``await``.
    """

    def receive(self, *, timeout: float | None = None) -> ServerSentEvent:
        """Wait for the next event; see ``AsyncTestEventStream.receive``."""
        return self._run(self._session.receive(timeout=timeout))

    def __iter__(self) -> Iterator[ServerSentEvent]:
        """Iterate over the events to the end of the stream."""
        while True:
            try:
                event = self.receive()
            except StreamEnded:
                return
            yield event

    def wait_ended(self, *, timeout: float | None = None) -> None:
        """Wait until the server ends the stream; see ``AsyncTestEventStream.wait_ended``."""
        self._run(self._session.wait_ended(timeout=timeout))

    def wait_response(self, *, timeout: float | None = None) -> Reply:
        """Wait for the response's head; see ``AsyncTestEventStream.wait_response``."""
        return self._run(self._session.wait_response(timeout=timeout))

    def close(self) -> None:
        """Leave: the connection ends, and an ``async def`` handler is cancelled."""
        self._run(self._session.close())

    @property
    def body(self) -> bytes:
        """The stream as it came so far, comments and all."""
        return self._session.body

    @property
    def comments(self) -> list[str]:
        """The comments that have come."""
        return self._session.comments

    @property
    def last_event_id(self) -> str:
        """What a browser would send as ``Last-Event-ID`` now; ``""``: nothing."""
        return self._session.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds after which the server has clients come back, if it said so."""
        return self._session.retry
