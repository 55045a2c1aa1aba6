"""A ``def`` handler's request and its WebSocket in the loop: what ``bridge`` carries to and fro.

``BridgeExchange`` answers a request from a thread, and ``BridgeWebSocketProtocol`` is the
transport's side of the WebSocket that it may become.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionClosed
from ..protocol.connection import WebSocketConnection
from ..protocol.http import Response
from ..sync.websocket import SyncWebSocket
from .bridge import BridgeStream, Outflow
from .carrier import WebSocketChannel

if TYPE_CHECKING:
    from .http import HTTPProtocol

__all__ = ["BridgeExchange", "BridgeWebSocketProtocol"]


class BridgeExchange:
    """Answers a request from a thread; see ``Exchange``.

    Args:
        http: The connection that the request came on. Made in the loop's thread.

    Attributes:
        stream: The byte stream of the WebSocket that the request may become.
    """

    def __init__(self, http: HTTPProtocol) -> None:
        self._http = http
        self._head: Response | None = None  # of a streamed response that has not begun
        self._ended = False
        self._outflow = Outflow(
            http.server.loop,
            http.limits.write_high_water,
            self._write,
            lambda: http._paused,
        )
        self.stream = BridgeStream(http)

    def attach(self, websocket: SyncWebSocket) -> None:
        """Give the transport to a WebSocket whose handshake is accepted."""
        self._soon(self._attach, websocket)

    def respond(self, response: Response) -> None:
        """Write a whole response."""
        self._outflow.ask(self._http.respond, response)

    def start_stream(self, response: Response) -> None:
        """Write the head of a streamed response; it does not wait for the loop."""
        self._head = response
        self._soon(self._start)

    def send_data(self, data: bytes) -> None:
        """Write a piece of a streamed body; from a thread, waiting for room."""
        if self._outflow.in_loop() and self._http._paused:
            self._http.check_buffer()  # it does not wait
        self._outflow.put(data)

    def end(self) -> None:
        """End a streamed body; it does not wait for the loop."""
        self._soon(self._end)

    def upgrade(self, response: Response) -> bytes:
        """Write the response to a handshake; reading pauses until ``attach``."""
        return self._outflow.ask(self._upgrade, response)

    def resumed(self) -> None:
        """The transport takes bytes again."""
        self._outflow.resumed()

    def lose(self) -> None:
        """The client is gone."""
        self._outflow.lose()
        self.stream.outflow.lose()

    def call_soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Have the loop call a function."""
        self._outflow.call_soon(function, *args)

    def _start(self) -> None:
        """Write the head, unless what came after it has been quicker: the loop's own calls are."""
        head, self._head = self._head, None
        if head is not None:
            with suppress(ConnectionClosed):
                self._http.start_stream(head)

    def _write(self, data: bytes) -> None:
        if self._ended:
            raise ConnectionClosed
        self._start()
        self._http.take_data(data)
        self._http.flush()

    def _end(self) -> None:
        if self._ended:
            return
        self._start()
        self._outflow._carry()
        self._ended = True
        self._http.end()
        self._outflow.lose()  # a thread that still waits to send

    def _upgrade(self, response: Response) -> bytes:
        rest = self._http.upgrade(response)
        self._http.read(False)
        return rest

    def _attach(self, websocket: SyncWebSocket) -> None:
        if self._http.lost or websocket._connection is None:
            self.lose()
            self.stream.feed_eof()  # the handler may be waiting for bytes already
            websocket.lose()
            return
        protocol = BridgeWebSocketProtocol(
            websocket, websocket._connection, self._http, self.stream
        )
        self.stream.begin(protocol)

    def _soon(self, function: Callable[..., Any], *args: Any) -> None:
        if self._outflow.in_loop():
            function(*args)
        else:
            self._outflow.call_soon(function, *args)


class BridgeWebSocketProtocol(WebSocketChannel):
    """The transport's side of a ``SyncWebSocket``.

    Args:
        websocket: The handler's side.
        connection: The protocol; touch it under the session's lock only, or to read its state.
        http: The connection that carried the handshake.
        stream: What the session reads from and writes to.
    """

    __slots__ = ("_stream",)

    websocket: SyncWebSocket

    def __init__(
        self,
        websocket: SyncWebSocket,
        connection: WebSocketConnection,
        http: HTTPProtocol,
        stream: BridgeStream,
    ) -> None:
        super().__init__(websocket, connection, http)
        self._stream = stream

    def data_received(self, data: bytes) -> None:
        """Take what the transport read."""
        self._stream.feed(data)

    def _take_eof(self) -> None:
        self._stream.feed_eof()
        if self.lost:
            self._stream.outflow.lose()
            with self.websocket._lock:
                self.websocket._write_failed()

    def _resumed(self) -> None:
        self._stream.outflow.resumed()
        self.websocket.write_piece()

    def _tick(self, now: float) -> None:
        self.websocket.tick(now)
        self.settle()

    def shut_down(self) -> None:
        """Close with 1001."""
        self.websocket.shut_down()

    def settle(self) -> None:
        """See to the transport's end, unless a thread is about to write and has time to."""
        with self.websocket._lock:  # or bytes might be between the connection and the outflow
            overdue = self.connection.finished and not self.peer_ended
            if overdue or not self._stream.outflow.busy:
                super().settle()
            else:
                self.reschedule()
