"""HTTP/2 on an asyncio transport: each stream is one more byte transport for the same sessions.

``HTTP2Protocol`` runs a connection. What its streams carry is served by the classes that serve
connections of HTTP/1.1: ``StreamProtocol`` is an ``HTTPProtocol`` for one request, and a WebSocket
takes over a ``StreamTransport`` as it takes over any other. What HTTP/2 says is in
``fasterapi.http``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ..http.h2 import HTTP2Connection
from ..http.h2_events import RequestReceived, RequestRefused, StreamData, StreamEvent, StreamLost
from ..http.h2_frames import PREFACE
from ..http.h2_stream import HTTP2Stream
from ..protocol.http import Request
from .channel import Channel
from .http import HTTPProtocol
from .stream import StreamTransport

if TYPE_CHECKING:
    from .host import AppHost

__all__ = ["HTTP2Protocol", "NegotiatingProtocol", "StreamProtocol"]


class NegotiatingProtocol(HTTPProtocol):
    """A connection that may turn out to be of HTTP/2: by ALPN, or by how it begins (section 3).

    Args:
        server: Whose connection this is.
    """

    __slots__ = ("_first", "_undecided")

    def __init__(self, server: AppHost) -> None:
        super().__init__(server)
        self._undecided = True
        self._first = b""  # what may be the beginning of HTTP/2

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; with TLS, what is spoken is settled already."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._undecided = False
            if tls.selected_alpn_protocol() == "h2" and self._linger_until is None:
                HTTP2Protocol(self)

    def data_received(self, data: bytes) -> None:
        """Take what the transport read; the first bytes tell what is spoken."""
        if self._undecided:
            data = self._first + data
            if PREFACE.startswith(data[: len(PREFACE)]) and self._linger_until is None:
                self._first = data
                if len(data) >= len(PREFACE):
                    HTTP2Protocol(self).data_received(data)
                return
            self._undecided = False
        super().data_received(data)


class HTTP2Protocol(Channel):
    """A connection that speaks HTTP/2.

    Args:
        http: The connection as it began, whose transport and place with the server this takes.
    """

    __slots__ = ("_flushing", "_h2", "_transports")

    server: AppHost

    def __init__(self, http: HTTPProtocol) -> None:
        super().__init__(http.server, http.server.limits)
        self.transport = http.transport
        self.client = http.client
        self._flushing = False
        self._transports: dict[int, StreamTransport] = {}
        self._h2 = HTTP2Connection(
            limits=self.limits,
            scheme="https" if self.transport.get_extra_info("sslcontext") else "http",
            client=self.client,
            default_headers=self.server.default_headers,
            now=self.server.clock(),
        )
        self.server.timers.cancel(http)
        self.transport.set_protocol(self)
        self.server.replace(http, self)
        self.flush()

    # ---------------------------------------------------------------------- from the transport

    def data_received(self, data: bytes) -> None:
        """Take what the transport read; what is sent meanwhile is written at its end."""
        if self._linger_until is not None:
            return
        self.corked = True
        try:
            for event in self._h2.receive_data(data, self.server.clock()):
                self._take(event)
        finally:
            self.corked = False  # even if a handler has had the process end
        self.flush()

    def eof_received(self) -> bool:
        """Take the peer's end; nobody can be answered who gives no more credit."""
        self.peer_ended = True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Let every stream know."""
        super().connection_lost(error)
        self.server.forget(self)
        self._lose_all(error)

    def _take(self, event: StreamEvent) -> None:
        if isinstance(event, RequestReceived):
            self._serve(event.stream, event.request)
            return
        if isinstance(event, RequestRefused):
            self.server.fault(self.client, event.fault)
            return
        transport = self._transports.get(event.stream.number)
        if isinstance(event, StreamLost):
            if event.fault:
                self.server.fault(self.client, event.fault)
            if transport is not None:
                self.forget_stream(transport)
                transport.lose(ConnectionResetError("the stream was reset"))
        elif transport is not None and isinstance(event, StreamData):
            transport.feed(event.data)
        elif transport is not None:
            transport.feed_eof()

    def _serve(self, stream: HTTP2Stream, request: Request) -> None:
        transport = StreamTransport(self, stream)
        self._transports[stream.number] = transport
        protocol = StreamProtocol(self.server)
        transport.set_protocol(protocol)
        protocol.begin(transport, request)

    # -------------------------------------------------------------------------------- writing

    def flush(self) -> None:
        """Write what is queued, as far as the transport takes it, and tell the streams."""
        if self._flushing or self.lost:
            return
        self._flushing = True
        try:
            while not self._paused and (data := self._h2.data_to_send(self.server.clock())):
                self.transport.write(data)
                for stream in self._h2.progressed():
                    if (transport := self._transports.get(stream.number)) is not None:
                        transport.progressed()
        finally:
            self._flushing = False
        self._settle()

    def forget_stream(self, transport: StreamTransport) -> None:
        """Note that a stream is over."""
        self._transports.pop(transport.stream.number, None)

    def _settle(self) -> None:
        """Read on, wait or close, as the state of things asks."""
        if self._h2.should_close and self._linger_until is None:
            if self._h2.fault:
                self.server.fault(self.client, self._h2.fault)
            # Not now: one of them may be the caller.
            self.server.loop.call_soon(self._lose_all, ConnectionResetError("closed for a fault"))
            self.shut_write()
        elif self._linger_until is None:
            self.read(self._h2.wants_data)
        self.reschedule()

    def _resumed(self) -> None:
        self.flush()

    # ------------------------------------------------------------------------------- the end

    def _lose_all(self, error: Exception | None) -> None:
        transports = list(self._transports.values())
        self._transports.clear()
        for transport in transports:
            transport.stream.lose()
            transport.lose(error)

    def shut_down(self) -> None:
        """The server stops: nothing new is taken, what is open is told by itself."""
        self.server.loop.call_soon(self._say_goodbye)

    def _say_goodbye(self) -> None:
        """Send GOAWAY behind what the end of each stream has brought about.

        There are clients, of the h2 library for one, that take nothing after it.
        """
        self.flush()
        self._h2.shut_down()
        self.flush()

    def _deadline(self) -> float | None:
        return self._h2.next_deadline() if self._linger_until is None else None

    def _tick(self, now: float) -> None:
        if self._linger_until is None:
            for event in self._h2.tick(now):
                self._take(event)
            self.flush()


class StreamProtocol(HTTPProtocol):
    """One stream as long as it carries HTTP: an ``HTTPProtocol`` whose request has come already.

    Args:
        server: Whose connection this is.
    """

    __slots__ = ()

    def begin(self, transport: StreamTransport, request: Request) -> None:
        """Serve the request."""
        self.transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=self.limits.write_high_water)
        self.client = request.client
        self._h1 = transport.stream
        if self.server.admit(self):
            self._serve(request)
            self._settle()
        else:
            self._refuse()

    def _limit_silence(self, seconds: float) -> None:
        """Leave it: the connection is other streams', too."""

    def _write(self) -> None:
        super()._write()
        self.transport.write(b"")  # the head is not among the bytes, and has to go out too
