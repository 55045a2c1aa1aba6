"""What a server may be told, for type checkers and editors; ``sync.listening`` has the defaults.

Sockets and TLS contexts are whatever the adapters take for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

__all__ = ["ServerOptions", "ServingOptions", "check_options"]


class ServingOptions(TypedDict, total=False):
    """What ``App.run`` hands on to its server.

    Attributes:
        uds: Path of a unix socket to listen on, instead of host and port.
        sock: A bound ``socket.socket`` to listen on, instead of either.
        ssl_certfile, ssl_keyfile: Certificate chain and key in PEM files, for TLS.
        ssl_context: A ready ``ssl.SSLContext`` instead.
        http2: Whether HTTP/2 is spoken beside HTTP/1.1: to clients that choose it during the TLS
            handshake (ALPN) and, on a server without TLS, to those that begin with it (prior
            knowledge). ``None``, the default: with TLS, if h2 is installed. ``True`` insists, and
            has a ready ``ssl_context`` offer it too. The blocking server has none.
        access_log: Whether requests are logged; they are by default.
        grace: Seconds that handlers have when the server stops; 5 by default.
        backlog: Connections that may wait to be accepted; 2048 by default.
    """

    uds: str | None
    sock: Any
    ssl_certfile: str | None
    ssl_keyfile: str | None
    ssl_context: Any
    http2: bool | None
    access_log: bool
    grace: float
    backlog: int


class ServerOptions(ServingOptions, total=False):
    """What both servers may be told beside their app, by ``serve`` and ``run``.

    Attributes:
        host: Address or name to listen on, ``"127.0.0.1"`` by default; ``None``: all addresses.
        port: TCP port, 8000 by default; 0 lets the system choose.
        clock: The time in seconds; for tests.
    """

    host: str | None
    port: int
    clock: Callable[[], float]


def check_options(verb: str, options: Mapping[str, Any], known: type) -> None:
    """Refuse an option that there is not.

    Args:
        verb: What was called.
        options: What it was told.
        known: What it may be told, ``ServingOptions`` or ``ServerOptions``.

    Raises:
        TypeError: If there is one more.
    """
    if unknown := set(options) - set(known.__annotations__):
        raise TypeError(f"{verb}() has no option {min(unknown)!r}")
