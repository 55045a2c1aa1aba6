"""One connection of the blocking server, as long as it speaks HTTP/1.1, in a thread of its own.

What HTTP/1.1 says is in ``fasterapi.http``; who answers is decided by the ``App``; here they meet a
socket. While a handler is at work the server's watcher looks after the socket, and at the end it
waits for the client to hang up, so that the thread is free. A connection that becomes a WebSocket
is its carrier's from then on.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ..app.app import Match
from ..app.calls import (
    Step,
    answer,
    conclude,
    end_stream,
    run_in_thread,
    sse_arguments,
    websocket_arguments,
)
from ..app.event_response import EventResponse
from ..app.log import log_crash, log_fault
from ..app.log import server as log
from ..app.responses import error_response
from ..app.routing import RouteKind
from ..errors import ConnectionClosed
from ..http import HTTP1Connection
from ..limits import Limits
from ..protocol.flow import WriteProgress
from ..protocol.http import Request, Response
from .answering import Answering
from .carrier import WebSocketCarrier
from .sse import SyncSSEConnection
from .stream import SocketStream
from .styles import refuse_style
from .tls import TLSStream
from .watcher import READ, WRITE
from .websocket import SyncWebSocket

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Connection"]

_READ_SIZE = 65536


class Connection(Answering):
    """An accepted connection; the ``Exchange`` of its sessions, and ``Watched``.

    Args:
        server: Whose connection this is.
        sock: The socket.
        client: The peer's address, for handlers and the log.

    Attributes:
        bucket, listed: The watcher's.
        carrier: Who has taken over, once this is a WebSocket.
        handler: The name of the handler at work.
        lost: Whether nobody is left to write to.
    """

    def __init__(self, server: Server, sock: socket.socket, client: str) -> None:
        self.server = server
        self.client = client
        self.bucket: int | None = None
        self.listed = False
        self.lost = False
        self.carrier: WebSocketCarrier | None = None
        self.handler = ""
        self._lock = threading.RLock()
        self._limits = server.app.limits
        self._stream = SocketStream(sock, write_timeout=self._limits.write_timeout)
        self._stream.rest = partial(server.watcher.touch, self)
        self._progress = WriteProgress(self._limits)
        self._request = None
        self._early: Request | None = None  # came while the watcher was reading
        self._session = None
        self._left = False
        self._ended = False  # the peer has ended its half
        self._leave_by: float | None = None  # when the peer has to have hung up
        self._over = False
        self._shut = False  # our half has ended
        self._h1 = HTTP1Connection(
            limits=self._limits,
            scheme="http" if server.tls is None else "https",
            client=client,
            default_headers=server.default_headers,
            now=server.clock(),
        )

    # ---------------------------------------------------------------------------- in its thread

    def serve(self) -> None:
        """Serve one request after the other, until the connection ends or is a WebSocket."""
        try:
            if self._begin():
                while (request := self._next_request()) is not None:
                    self._answer(request)
                    if self.carrier is not None:
                        return
        except Exception as error:  # noqa: BLE001  # it would end the thread with no trace
            log.error("%s could not be served", self.client or "-", exc_info=error)
            self.lose()
        finally:
            if self.carrier is None:
                self._leave()
            self.server.finished(self)

    def _begin(self) -> bool:
        """Shake hands, if it is TLS; tell whether to go on."""
        if self.server.tls is None:
            return True
        self._stream = stream = TLSStream(self._stream, self.server.tls, server_side=True)
        try:
            stream.handshake(self._limits.handshake_timeout)
        except OSError as error:  # ssl.SSLError and every timeout are of this kind
            log_fault(self.client, f"TLS handshake failed: {error}")
            self.lose()
            return False
        return True

    def _next_request(self) -> Request | None:
        """Read until there is a whole request; ``None`` if there will be none."""
        h1, clock = self._h1, self.server.clock
        with self._lock:
            request, self._early = self._early, None
            if request is None:
                request = h1.next_request(clock())
        while request is None and not self.lost:
            if self.server.stopping and not self._stream.has_arrived():
                h1.close_after_response()
            if h1.should_close:
                break
            self.write_out()  # 100 Continue
            data = self._receive(h1.next_deadline())
            with self._lock:
                if data is None:
                    h1.tick(clock())
                elif data:
                    request = h1.receive_data(data, clock())
                else:
                    self._ended = True
                    h1.receive_eof(clock())
        return request

    def _receive(self, deadline: float | None) -> bytes | None:
        """Wait for bytes; ``b""`` at the end, ``None`` when the time is up."""
        timeout = None if deadline is None else max(0.0, deadline - self.server.clock())
        try:
            return self._stream.recv(_READ_SIZE, timeout)
        except TimeoutError as error:
            return None if error.errno is None else b""
        except OSError:
            return b""

    def _answer(self, request: Request) -> None:
        """Find out who answers, and have it answer."""
        self._request = request
        with suppress(ConnectionClosed):
            if self.server.stopping:
                self.respond(error_response(503, "shutting down"))
            else:
                found = self.server.app.dispatch(request)
                if isinstance(found, Response):
                    self.respond(found)
                else:
                    self._call(found, request)
        if self.carrier is None:
            self.write_out()

    def _leave(self) -> None:
        """Write what is left, and have the watcher wait for the client to hang up.

        Closing at once, with bytes of the client's unread, would reset the connection and could
        cost the client what we wrote last (RFC 9112, section 9.6).
        """
        self.write_out()
        if self._h1.fault and not self.lost:
            log_fault(self.client, self._h1.fault)
        self._farewell()

    def _farewell(self) -> None:
        with self._lock:
            self._leave_by = self.server.clock() + self._limits.close_timeout
            self._shut_write()
        self.server.watcher.touch(self)

    def refuse(self, response: Response) -> None:
        """Answer without reading, in the watcher's thread; over TLS, just hang up."""
        if self.server.tls is not None:
            self.lose()
        else:
            self._h1.refuse(response)
            self.write_out(blocking=False)
        self._farewell()

    # -------------------------------------------------------------------------------- handlers

    def _call(self, match: Match, request: Request) -> None:
        """Run the handler that a request is matched with, in a context of its own."""
        handler = match.route.handler
        self.handler = handler.name
        try:
            refuse_style(match.route)
        except TypeError as error:  # a route that was added after the start
            log_crash(request, handler.name, error)
            self.respond(error_response(500))
            return
        runs = {
            RouteKind.HTTP: self._call_plain,
            RouteKind.SSE: self._call_stream,
            RouteKind.WEBSOCKET: self._call_websocket,
        }
        self.server.context.copy().run(runs[match.route.kind], match, request)
        self.handler = ""

    def _call_plain(self, match: Match, request: Request) -> None:
        value, error = run_in_thread(match, request, request)
        if isinstance(value, EventResponse):
            self._call(value.match(), request)
            return
        self._conclude(
            match, request, partial(answer, self, dumps=self.server.app.dumps), value, error
        )

    def _call_stream(self, match: Match, request: Request) -> None:
        server = self.server
        began = server.clock()
        session = SyncSSEConnection(
            request, self, clock=server.clock, **sse_arguments(server.app, match, request, began)
        )
        if request.method == "HEAD":
            self.respond(session._response())
            return
        self._go_by(match.route.options.limits)
        self._look_after(session)
        value, error = run_in_thread(match, session, request)

        def end(value: Any, error: BaseException | None) -> BaseException | None:
            seconds = server.clock() - began if server.access_log else None
            return end_stream(session, value, error, left=self._left, seconds=seconds)

        self._conclude(match, request, end, value, error)
        self._look_after(None)
        self._go_by(self._limits)

    def _go_by(self, limits: Limits) -> None:
        """Give the client the time of these limits to take what is written."""
        with self._lock:
            self._progress = WriteProgress(limits)
            self._stream.limit_writes(limits.write_timeout)

    def _call_websocket(self, match: Match, request: Request) -> None:
        session = SyncWebSocket(
            request,
            exchange=self,
            stream=self._stream,
            attach=self._attach,
            clock=self.server.clock,
            **websocket_arguments(self.server.app, match, request),
        )
        if refusal := session._check():
            self.respond(refusal)
            return
        self._look_after(session)
        value, error = run_in_thread(match, session, request)

        def close(_: Any, error: BaseException | None) -> BaseException | None:
            return error if session._conclude(error) else None

        self._conclude(match, request, close, value, error)
        self._look_after(None)
        if self.carrier is not None:
            self.carrier.shut()
            self._stream.rest()

    def _conclude(
        self, match: Match, request: Request, step: Step, value: Any, error: BaseException | None
    ) -> None:
        if crash := conclude(step, value, error):
            log_crash(request, match.route.handler.name, crash)

    def _look_after(self, session: SyncSSEConnection | SyncWebSocket | None) -> None:
        """Have the watcher look after the socket while a handler is at work, or no more."""
        with self._lock:
            self._session = session
        if session is not None:
            self.server.watcher.touch(self)
            if self.server.stopping:
                self.stop()

    def _attach(self, websocket: SyncWebSocket) -> None:
        """Give the socket to a WebSocket whose handshake is accepted."""
        server = self.server
        self._go_by(websocket._limits)
        with self._lock:
            self.carrier = WebSocketCarrier(
                websocket,
                self._stream,
                server.watcher,
                clock=server.clock,
                access_log=server.access_log,
                on_end=partial(server.forget, self),
                hurry=lambda: server.stopping,
            )
            del self._h1  # a WebSocket may live long, and has no use for it
        if server.stopping:
            websocket.shut_down()

    # -------------------------------------------------------------------------- for the watcher

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._stream.fileno()

    def look(self) -> int:
        """Tell what to watch for: the client's going, while a handler is at work or at the end."""
        with self._lock:
            if self.carrier is not None or self._over:
                return 0
            if self._leave_by is not None:
                return self._see_off()
            if self.lost:
                return 0
            if self._h1.should_close:
                self._shut_write()  # the handler may go on; its client need not wait for that
            room = 0 if self._stream.is_writable() else WRITE
            watched = self._session is not None and not self._ended and self._h1.wants_data
            return room | (READ if watched else 0)

    def _shut_write(self) -> None:
        if not (self._shut or self.lost or self._stream.waiting):
            self._shut = True
            self._stream.shut_write()

    def ready(self, events: int) -> int:
        """Take what the client sends while a handler is at work, and its end."""
        with self._lock:
            if self.carrier is None and not self._over:
                if events & WRITE:
                    self._write()
                if events & READ and (self._leave_by is not None or self._session is not None):
                    self._take()
        return self.look()

    def _take(self) -> None:
        try:
            data = self._stream.recv_now(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # No client of an event stream ends its half and goes on; nor does a WebSocket's.
            self._ended = True
            self.lose()
        elif self._leave_by is None:
            self._early = self._h1.receive_data(data, self.server.clock())

    def _see_off(self) -> int:
        """Give the socket back when the client has hung up, or has had its time to."""
        assert self._leave_by is not None
        self._shut_write()
        # A server that stops waits for nobody who has been told.
        over = self._ended or self.lost or (self._shut and self.server.stopping)
        if over or self.server.clock() >= self._leave_by:
            self.release()
            return 0
        return READ if self._stream.is_writable() else READ | WRITE

    def release(self) -> None:
        """Give the descriptor back."""
        self._over = True
        self._stream.close()
        self._stream.release()
        self.server.forget(self)

    def next_deadline(self) -> float | None:
        """Give the earliest: a comment that is due, the end of patience with a slow reader."""
        if self.carrier is not None or self._over:
            return None
        now = self.server.clock()
        self._progress.update(self._stream.waiting, now, self._stream.moved)
        deadlines = [self._leave_by, self._progress.deadline()]
        session = self._session
        if isinstance(session, SyncSSEConnection) and self._stream.is_writable():
            deadlines.append(session._next_deadline())
        return min((d for d in deadlines if d is not None), default=None)

    def on_timer(self, now: float) -> float | None:
        """Do what is due."""
        if self.carrier is not None or self._over:
            return None
        self._progress.update(self._stream.waiting, now, self._stream.moved)
        if self._progress.stalled(now):
            self.give_up(self._stream.stalled)
        session = self._session
        if isinstance(session, SyncSSEConnection) and self._stream.is_writable():
            with suppress(ConnectionClosed):  # the handler will see it too
                session._tick(now)
        self._stream.rest()
        return self.next_deadline()

    # ------------------------------------------------------------------------ the server's end

    def stop(self) -> None:
        """Say goodbye, for the server stops. Never blocks."""
        with self._lock:  # the handler may be about to accept
            session = self.carrier.websocket if self.carrier is not None else self._session
            if self.carrier is not None or self._leave_by is not None:
                pass
            elif session is not None:
                self._h1.close_after_response()
            elif self._h1.resting and not self._stream.has_arrived():
                self._stream.end_reading()  # its thread waits for what need not come any more
        with suppress(ConnectionClosed):
            if isinstance(session, SyncSSEConnection):
                session._end()
            elif session is not None:
                session.shut_down()
        self.server.watcher.touch(self)

    def cut(self) -> None:
        """End the connection at once."""
        if self.carrier is not None:
            self.carrier.websocket.lose()
        else:
            self.lose()
