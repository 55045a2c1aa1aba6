"""One connection of the blocking server, as long as it speaks HTTP/1.1, in a thread of its own.

What HTTP/1.1 says is in ``fasterapi.http``; who answers is decided by the ``App``; here they meet a
socket. ``handlers`` runs who answers; what happens while this thread is busy elsewhere, and at the
end, is ``attended``'s.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..app.log import log_fault
from ..app.log import server as log
from ..app.responses import busy_response
from ..errors import ConnectionClosed
from ..http import HTTP1Connection
from ..protocol.flow import WriteProgress
from ..protocol.http import Request, Response
from .attended import Attended
from .handlers import call
from .stream import READ_SIZE, SocketStream
from .tls import TLSStream

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Connection"]


class Connection(Attended):
    """An accepted connection; the ``Exchange`` of its sessions, and ``Watched``.

    Args:
        server: Whose connection this is.
        sock: The socket.
        client: The peer's address, for handlers and the log.

    Attributes:
        bucket, listed, carrier, client, lost, server: See its bases.
        handler: The name of the handler at work.
    """

    def __init__(self, server: Server, sock: socket.socket, client: str) -> None:
        self.server = server
        self.client = client
        self.bucket = None
        self.listed = False
        self.lost = False
        self.carrier = None
        self.handler = ""
        self._lock = threading.RLock()
        self._limits = server.app.limits
        self._stream = SocketStream(sock, write_timeout=self._limits.write_timeout)
        self._stream.rest = partial(server.watcher.touch, self)
        self._progress = WriteProgress(self._limits)
        self._request = None
        self._early = None
        self._session = None
        self._left = False
        self._ended = False
        self._leave_by = None
        self._over = False
        self._shut = False
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
            return self._stream.recv(READ_SIZE, timeout)
        except TimeoutError as error:
            return None if error.errno is None else b""
        except OSError:
            return b""

    def _answer(self, request: Request) -> None:
        """Find out who answers, and have it answer."""
        self._request = request
        with suppress(ConnectionClosed):
            if self.server.stopping:
                self.respond(busy_response("shutting down"))
            else:
                found = self.server.app.dispatch(request)
                if isinstance(found, Response):
                    self.respond(found)
                else:
                    call(self, found, request)
        if self.carrier is None:
            self.write_out()

    def _leave(self) -> None:
        """Write what is left, and have the watcher see the client off."""
        self.write_out()
        if self._h1.fault and not self.lost:
            log_fault(self.client, self._h1.fault)
        self.see_off()

    def refuse(self, response: Response) -> None:
        """Answer without reading, in the watcher's thread; over TLS, just hang up."""
        if self.server.tls is not None:
            self.lose()
        else:
            self._h1.refuse(response)
            self.write_out(blocking=False)
        self.see_off()
