"""The HTTP part of a connection: bytes to requests, requests to handlers, answers to bytes.

An ``HTTPProtocol`` serves one request after another until it is closed or becomes a WebSocket. What
HTTP/1.1 says is in ``fasterapi.http``; who answers is decided by the ``App``; here they meet a
transport.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from ..app.calls import refuse
from ..app.log import log_access, log_fault
from ..app.responses import busy_response
from ..errors import ConnectionClosed
from ..http import HTTP1Connection
from ..http.h2_stream import HTTP2Stream
from ..limits import Limits
from ..protocol.http import Request, Response
from ..sync.listening import client_name
from .channel import Channel

if TYPE_CHECKING:
    from .handlers import Call
    from .host import AppHost

__all__ = ["HTTPProtocol"]


class HTTPProtocol(Channel):
    """One connection as long as it speaks HTTP/1.1; the ``Exchange`` of its sessions.

    Args:
        server: Whose connection this is.

    Attributes:
        call: The handler at work on the current request.
        streamed: Bytes of a streamed body that wait for ``flush``; give them to ``sent``.
    """

    __slots__ = ("_h1", "_request", "_upgraded", "call", "streamed")

    _h1: HTTP1Connection | HTTP2Stream
    server: AppHost

    def __init__(self, server: AppHost) -> None:
        super().__init__(server, server.limits)
        self.call: Call | None = None
        self._request: Request | None = None
        self._upgraded = False
        self.streamed = 0

    # ---------------------------------------------------------------------- from the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: note the connection, or refuse it if there are too many."""
        self.transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=self.limits.write_high_water)
        self.client = client_name(transport.get_extra_info("peername"))
        self._h1 = self._speak()
        if not self.server.admit(self):
            self._refuse()
            return
        self.reschedule()

    def _speak(self) -> HTTP1Connection:
        """Make the protocol that requests and responses are in."""
        return HTTP1Connection(
            limits=self.limits,
            scheme="https" if self.transport.get_extra_info("sslcontext") else "http",
            client=self.client,
            default_headers=self.server.default_headers,
            now=self.server.clock(),
        )

    def _refuse(self) -> None:
        """Answer 503 without reading; the connection does not count."""
        response = busy_response("shutting down")
        if not self.server.stopping:
            limit = self.limits.max_connections
            response = refuse(self.client, "too many connections", "max_connections", limit)
        self._h1.refuse(response)
        self._settle()

    def data_received(self, data: bytes) -> None:
        """Take what the transport read."""
        if self._linger_until is not None:
            return
        request = self._h1.receive_data(data, self.server.clock())
        if request is not None:
            self._serve(request)
        self._settle()

    def eof_received(self) -> bool:
        """Take the peer's end: whoever waits for an event stream has left."""
        self.peer_ended = True
        if self._linger_until is not None or self._upgraded:
            return self._linger_until is None and self.transport.can_write_eof()
        self._h1.receive_eof(self.server.clock())
        if self.call is not None:
            self.call.half_closed()
        self._settle()
        # What is being answered goes on; over TLS nothing does, when the peer has ended its half.
        return self._request is not None and self.transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:
        """Let the handler know."""
        super().connection_lost(error)
        self.server.forget(self)
        if self.call is not None and not self._upgraded:
            self.call.client_lost()

    # ------------------------------------------------------------------------------- requests

    def _serve(self, request: Request) -> None:
        """Have a request answered."""
        self._request = request
        if self.server.stopping:
            self.respond(busy_response("shutting down"))
        else:
            self.server.serve(self, request)

    def _settle(self) -> None:
        """Write what is queued; read on, wait or close, as the state of things asks."""
        if self.lost or self._upgraded or self._linger_until is not None:
            return
        self._write()
        if self._h1.should_close and self._request is None:
            if self._h1.fault:
                log_fault(self.client, self._h1.fault)
            if self._h1.peer_gone:
                self.close_when_written()
            else:
                self.shut_write()
            return
        self.read(self._h1.wants_data)
        self.reschedule()

    def use_limits(self, limits: Limits) -> None:
        """Apply a route's write limits, for as long as its exchange takes."""
        if limits is not self.limits:
            self.limit_writes(limits)
            self.limits = limits

    def _completed(self) -> None:
        """An exchange is complete: the next request may wait already."""
        self.call = None
        self.use_limits(self.server.limits)
        self._request = self._h1.next_request(self.server.clock())
        self._settle()
        if self._request is not None:
            # Not now: a handler that answers at once would nest as deep as the pipeline.
            self.server.loop.call_soon(self._serve_next, self._request)

    def _serve_next(self, request: Request) -> None:
        if not self.lost:
            self._serve(request)
            self._settle()

    # ------------------------------------------------------------------- answers: an Exchange

    def respond(self, response: Response) -> None:
        """Write a whole response."""
        request = self._alive()
        self._h1.respond(response, now=self.server.clock())
        self._log(request, response)
        self._completed()

    def start_stream(self, response: Response) -> None:
        """Write the head of a streamed response."""
        request = self._alive()
        self._h1.start_stream(response)
        self._log(request, response)
        self._settle()

    def send_data(self, data: bytes) -> None:
        """Write a piece of a streamed body; a peer that reads too slowly is cut off."""
        if self._paused:
            self.check_buffer()
        self.take_data(data)

    def take_data(self, data: bytes) -> None:
        """Do the same for senders who wait while the peer reads slowly."""
        if self.lost or self.aborted or self._request is None:
            raise ConnectionClosed
        self._h1.send_data(data)
        self.streamed += len(data)

    @property
    def queued(self) -> int:
        """Bytes that wait for ``flush``."""
        return self.streamed

    def flush(self) -> None:
        """Write what is queued, unless the transport has enough."""
        if not self._paused and not self.lost and not self._upgraded:
            self._write()

    def _write(self) -> None:
        self.streamed = 0
        if data := self._h1.data_to_send():
            self.transport.write(data)

    def end(self) -> None:
        """End a streamed body."""
        if not self.lost:
            self._h1.end(now=self.server.clock())
            self._completed()

    def upgrade(self, response: Response) -> bytes:
        """Write the response to a handshake; the transport is the WebSocket's from now on."""
        request = self._alive()
        rest = self._h1.upgrade(response)
        self._log(request, response)
        self.transport.write(self._h1.data_to_send())
        self._upgraded = True
        self._request = self.call = None
        del self._h1  # a WebSocket may live long, and has no use for it
        self.server.timers.cancel(self)
        return rest

    def _alive(self) -> Request:
        if self.lost or self.aborted or self._request is None:
            raise ConnectionClosed
        return self._request

    def _log(self, request: Request, response: Response) -> None:
        if self.server.access_log:
            log_access(request, response.status)

    def _resumed(self) -> None:
        self.flush()
        if self.call is not None:
            self.call.resumed()
        self.reschedule()

    # ------------------------------------------------------------------------------- the end

    def shut_down(self) -> None:
        """The server stops: an idle connection ends, one at work says that it is the last."""
        if self._upgraded:
            return  # the WebSocket that takes over is told
        self._h1.close_after_response()
        if self.call is not None:
            self.call.shut_down()
        self._settle()

    def _deadline(self) -> float | None:
        # A stream has no silence to break while bytes wait to be sent.
        deadline = self._h1.next_deadline()
        if self.call is None or self._paused:
            return deadline
        due = self.call.next_deadline()
        return due if deadline is None or (due is not None and due < deadline) else deadline

    def _tick(self, now: float) -> None:
        if self._upgraded:
            return
        if self.call is not None and not self._paused:
            with suppress(ConnectionClosed):  # the handler will see it too
                self.call.tick(now)
        if self._request is None:
            self._h1.tick(now)
        self._settle()
