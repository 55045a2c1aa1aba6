"""What the servers of both adapters share: their options, their addresses, their sockets."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..app.log import server as log
from .stream import limit_silence

if TYPE_CHECKING:
    from ..app import App

__all__ = [
    "EXHAUSTED",
    "PAUSE",
    "DateField",
    "ServerBase",
    "client_name",
    "log_exhausted",
    "set_tcp_options",
]

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What a system answers that has nothing left to give to a connection."""

PAUSE = 1.0
"""Seconds after which it is asked again."""

_KEEPALIVE_OPTIONS = {
    # Without pings, TCP itself has to notice that the client of an event stream has vanished.
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 2,
}


class ServerBase:
    """The options of a server, and where it is to be found; derive from it.

    Args:
        app: The application.
        host: Address or name to listen on; ``None``: all addresses.
        port: TCP port; 0 lets the system choose.
        uds: Path of a unix socket to listen on, instead of host and port.
        sock: A bound socket to listen on, instead of either.
        ssl_certfile, ssl_keyfile: Certificate chain and key in PEM files, for TLS.
        ssl_context: A ready context instead.
        http2: Whether HTTP/2 is spoken beside HTTP/1.1: to clients that choose it during the TLS
            handshake (ALPN) and, on a server without TLS, to those that begin with it (prior
            knowledge). ``None``: with TLS, if h2 is installed. ``True`` insists, and has a ready
            ``ssl_context`` offer it too. The blocking server has none.
        access_log: Whether requests are logged.
        grace: Seconds that handlers have when the server stops.
        backlog: Connections that may wait to be accepted.
        clock: The time in seconds; for tests.

    Raises:
        ImportError: If ``http2`` is true and h2 is not installed.
        TypeError: If a route needs an event loop, and the server has none.
        ValueError: If options don't fit together, or the server has no HTTP/2 to speak.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str | None = "127.0.0.1",
        port: int = 8000,
        uds: str | None = None,
        sock: socket.socket | None = None,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        http2: bool | None = None,
        access_log: bool = True,
        grace: float = 5.0,
        backlog: int = 2048,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._port, self._uds, self._sock = host, port, uds, sock
        self._ssl = ssl_context or _ssl_context(ssl_certfile, ssl_keyfile)
        self._grace = grace
        self._backlog = backlog
        self._uds_file: tuple[int, int] | None = None
        self._choose_http(http2, given=ssl_context is not None)
        self._set_up(app, access_log, clock)

    def _choose_http(self, http2: bool | None, *, given: bool) -> None:
        """Take which versions of HTTP are to be spoken.

        Args:
            http2: As for the server.
            given: Whether the TLS context is somebody else's.
        """
        raise NotImplementedError

    def _set_up(self, app: App, access_log: bool, clock: Callable[[], float]) -> None:
        """Take the other options, and whatever else a deriving class has."""
        raise NotImplementedError

    @property
    def sockets(self) -> list[Any]:
        """The listening sockets."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        """The TCP port listened on."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where a browser finds the server; ``unix:`` and the path for a unix socket."""
        address = self.sockets[0].getsockname()
        if not isinstance(address, tuple):
            return f"unix:{address}"
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{'https' if self._ssl else 'http'}://{host}:{address[1]}"

    def _note_file(self) -> None:
        """Note which file the unix socket is, now that it is bound."""
        self._uds_file = _file_id(self._uds)

    def _remove_file(self) -> None:
        """Remove the unix socket's file, unless another server has put its own there."""
        if self._uds is not None and self._uds_file == _file_id(self._uds) is not None:
            Path(self._uds).unlink(missing_ok=True)


class DateField:
    """The header field of every response (RFC 9110, section 6.6.1), made once a second."""

    def __init__(self) -> None:
        self._date = (0, "")

    def __call__(self) -> list[tuple[str, str]]:
        """Give it, in a list of its own."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = now, formatdate(now, usegmt=True)
        return [("Date", self._date[1])]


def _file_id(path: str | None) -> tuple[int, int] | None:
    """Tell one file from another of the same name; ``None`` if there is none."""
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _ssl_context(certfile: str | None, keyfile: str | None) -> ssl.SSLContext | None:
    if certfile is None:
        if keyfile is not None:
            raise ValueError("ssl_keyfile needs ssl_certfile beside it")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certfile, keyfile)
    return context


def set_tcp_options(listener: Any, write_timeout: float) -> None:
    """Set options on a listening socket; every connection that it accepts inherits them."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    limit_silence(listener, write_timeout)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE_OPTIONS.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def client_name(peer: Any) -> str:
    """Give a peer's address for logs and handlers; that of a unix socket has none.

    Args:
        peer: The address as ``socket.getpeername`` gives it.
    """
    if not isinstance(peer, tuple):
        return ""
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def log_exhausted(error: OSError) -> None:
    """Log that connections have to wait, for one can't be accepted; what to do, where it helps."""
    advice = (
        ". Allow more open files (ulimit -n) or fewer connections (Limits.max_connections)"
        if error.errno in EXHAUSTED
        else ""
    )
    log.error(
        "can't accept connections: %s; trying again every %g s%s", error.strerror, PAUSE, advice
    )
