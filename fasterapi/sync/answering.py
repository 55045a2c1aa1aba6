"""Answers of the blocking server, from whichever thread: what an ``Exchange`` does to a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..app.log import log_access
from ..errors import ConnectionClosed
from ..http import HTTP1Connection
from ..protocol.http import Request, Response
from .sse import SyncSSEConnection
from .stream import SocketStream
from .websocket import SyncWebSocket
from .writer import BlockingWriter

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Answering"]


class Answering(BlockingWriter[SocketStream]):
    """The ``Exchange`` of a connection's sessions; derive from it.

    Only ``send_data`` waits for room; what the other verbs queue is written out by the connection's
    thread, for they may be called from any other.

    Attributes:
        client: The peer's address, for handlers and the log.
        lost: Whether nobody is left to write to.
        server: Whose connection this is.
    """

    client: str
    server: Server
    _h1: HTTP1Connection
    _left: bool  # the client went before its event stream ended
    _request: Request | None
    _session: SyncSSEConnection | SyncWebSocket | None  # of the handler at work

    def respond(self, response: Response) -> None:
        """Write a whole response."""
        with self._lock:
            request = self._answerable()
            self._h1.respond(response, now=self.server.clock())
            self._log(request, response)
            self._request = None
            self._write()

    def start_stream(self, response: Response) -> None:
        """Write the head of a streamed response."""
        with self._lock:
            request = self._answerable()
            self._h1.start_stream(response)
            self._log(request, response)
            self._write()

    def send_data(self, data: bytes) -> None:
        """Write a piece of a streamed body, waiting for room if it is the handler that asks."""
        with self._lock:
            self._alive()
            self._h1.send_data(data)
            written = self._write()
        if not written and not self.server.watcher.is_current():
            self.write_out()
        if self.lost:
            raise ConnectionClosed

    def end(self) -> None:
        """End a streamed body."""
        with self._lock:
            self._alive()
            self._h1.end(now=self.server.clock())
            self._request = None
            self._write()

    def upgrade(self, response: Response) -> bytes:
        """Write the response to a handshake; the stream is the WebSocket's from now on."""
        with self._lock:
            request = self._alive()
            rest = self._h1.upgrade(response)
            self._log(request, response)
            self._request = self._session = None  # what arrives now is the WebSocket's
            self._write()
            return rest

    def _alive(self) -> Request:
        if self.lost or self._request is None:
            raise ConnectionClosed
        return self._request

    def _answerable(self) -> Request:
        request = self._alive()  # or what spoke HTTP may be gone
        if self.server.stopping:
            self._h1.close_after_response()
        return request

    def _log(self, request: Request, response: Response) -> None:
        if self.server.access_log:
            log_access(request, response.status)

    # ---------------------------------------------------------------------------- for a writer

    def _data_to_send(self) -> bytes:
        return self._h1.data_to_send()

    def _client(self) -> str:
        return self.client

    def lose(self) -> None:
        """Take that the client is gone; its handler is told."""
        with self._lock:
            if self.lost:
                return
            self.lost = True
            session = self._session
            self._stream.close()
        if isinstance(session, SyncSSEConnection):
            self._left = session.is_open()
            session._lost()
        elif session is not None:
            session.lose()
