"""A WebSocket over the socket that a WSGI server puts into the environ.

werkzeug, gunicorn and gevent all do so, each under a name of its own, over TLS or not. The
handshake is written to that socket, the handler runs where the framework has called, and when it is
over the server finds that its client has hung up: that is how it is kept from writing a response.
"""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from ..app.calls import conclude
from ..app.log import log_crash
from ..app.options import WebSocketOptions
from ..errors import HTTPError
from ..http.h1_response import write_head
from ..protocol.http import Request, Response
from ..protocol.sse import to_json
from ..sync.carrier import WebSocketCarrier
from ..sync.stream import SocketStream
from ..sync.watcher import shared_watcher
from ..sync.websocket import SyncWebSocket
from .wsgi_tls import ServedTLSStream

__all__ = ["hang_up", "serve_websocket", "to_request"]

_MARGIN = 1.0
"""Seconds after ``close_timeout`` in which the watcher has noticed it."""


def serve_websocket(
    environ: Mapping[str, Any],
    handler: Callable[[SyncWebSocket], object],
    options: WebSocketOptions,
    name: str,
) -> Response | None:
    """Serve a WebSocket until its handler has ended and it is closed.

    Args:
        environ: The request's.
        handler: Called with the WebSocket.
        options: Those of an app's route.
        name: The handler's, for the log.

    Returns:
        The response if the handshake was refused; ``None`` if there was a WebSocket: then nothing
        may be written any more, see ``hang_up``.

    Raises:
        RuntimeError: If the server gives no socket.
        Exception: Whatever the handler raised before the handshake was answered.
    """
    request = to_request(environ)
    exchange = _Exchange(_stream(environ, options.limits.write_timeout))
    session = SyncWebSocket(
        request,
        handshake=options.handshake(request),
        exchange=exchange,
        stream=exchange.stream,
        attach=exchange.attach,
        clock=time.monotonic,
        limits=options.limits,
        dumps=to_json,
        loads=json.loads,
    )
    if refusal := session._check():
        exchange.stream.release()
        return refusal
    error: Exception | None = None
    try:
        handler(session)
    except Exception as raised:  # noqa: BLE001  # see conclude
        error = raised
    if error is not None and session._undecided and not isinstance(error, HTTPError):
        exchange.stream.release()
        raise error
    crash = conclude(lambda _, error: error if session._conclude(error) else None, None, error)
    if crash is not None:
        log_crash(request, name, crash)
    exchange.finish(options.limits.close_timeout + _MARGIN)
    return exchange.response


def hang_up(environ: Mapping[str, Any], start_response: object) -> Any:
    """Be the WSGI application whose client has left: every server takes note, and writes nothing.

    Raises:
        BrokenPipeError: Always.
    """
    raise BrokenPipeError(errno.EPIPE, "this connection was a WebSocket, which is over")


class _Exchange:
    """One handshake's way to its answer; see ``Exchange``.

    Attributes:
        response: What it was refused with.
        stream: The socket.
    """

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.response: Response | None = None
        self._over = threading.Event()
        self._carrier: WebSocketCarrier | None = None

    def respond(self, response: Response) -> None:
        """Keep a refusal, for the framework to write."""
        self.response = response

    def upgrade(self, response: Response) -> bytes:
        """Write the response that accepts."""
        date = formatdate(time.time(), usegmt=True)
        self.stream.sendall(write_head(response, (), [("Date", date)]))
        return b""

    def attach(self, websocket: SyncWebSocket) -> None:
        """Have the WebSocket watched."""
        self._carrier = WebSocketCarrier(
            websocket, self.stream, shared_watcher(), clock=time.monotonic, on_end=self._over.set
        )

    def finish(self, seconds: float) -> None:
        """Wait until both sides have closed, for so long at most."""
        if self._carrier is None:
            self.stream.release()
        else:
            self._carrier.shut()
            self.stream.rest()
            self._over.wait(seconds)


def to_request(environ: Mapping[str, Any]) -> Request:
    """Make a request of an environ (PEP 3333); a WebSocket's has no body."""
    fields = [
        (key[5:].replace("_", "-").lower(), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not target:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING", "")
        target = quote(path.encode("latin-1")) + (f"?{query}" if query else "")
    host, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
    host = f"[{host}]" if ":" in host else host
    return Request(
        environ["REQUEST_METHOD"],
        target,
        fields,
        http_version=environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        scheme=environ.get("wsgi.url_scheme", "http"),
        client=f"{host}:{port}" if port else host,
    )


def _stream(environ: Mapping[str, Any], write_timeout: float) -> SocketStream:
    """Give the client's socket, which stays open when the server closes its own.

    Raises:
        RuntimeError: If there is none.
    """
    sock = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if sock is None:  # gevent's own server
        sock = getattr(getattr(environ["wsgi.input"], "rfile", None), "_sock", None)
        sock = sock or getattr(getattr(environ["wsgi.input"], "raw", None), "_sock", None)
    if sock is None or not hasattr(sock, "dup"):
        raise RuntimeError(
            f"{environ.get('SERVER_SOFTWARE') or 'this WSGI server'} hands out no socket, which a "
            "WebSocket needs: use gunicorn with threads or gevent, werkzeug or gevent, or serve it "
            "with fasterapi"
        )
    if hasattr(sock, "unwrap"):  # an SSLSocket; gevent's is no ssl.SSLSocket
        return ServedTLSStream(sock, write_timeout=write_timeout)
    return SocketStream(sock.dup(), write_timeout=write_timeout)
