"""How a client gets to a server, as data: TLS, socket and proxy; what fits together and what not.

One set of rules for every adapter; nothing is opened here, so a socket and a TLS context are
whatever the adapter takes for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ProxyError
from ..protocol.reconnect import Reconnect
from ..protocol.uri import URI
from .proxy import Proxy, pick_proxy

__all__ = ["SOCKS_NEEDS", "Route", "proxy_unreachable", "socks_failed", "timeout_text"]

SOCKS_NEEDS = "a SOCKS proxy needs python-socks: pip install 'fasterapi[socks]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to a server.

    Attributes:
        uri: Where it leads before any redirect.
        ssl: A TLS context for it; ``None``: the system's certificates decide.
        server_hostname: The name that the server's certificate has to have, instead of the URI's.
        uds: Path of a unix socket, instead of the URI's host and port.
        sock: A connected socket instead.
        proxy: A proxy's URL; ``True``: what the environment says; ``None``: none.

    Raises:
        ValueError: If these don't fit together.
    """

    uri: URI
    ssl: Any = None
    server_hostname: str | None = None
    uds: str | None = None
    sock: Any = None
    proxy: bool | str | None = True

    def __post_init__(self) -> None:
        if isinstance(self.ssl, bool):
            raise ValueError(
                "ssl has to be an ssl.SSLContext; the URL says whether there is TLS, "
                "and without a context certificates are verified as usual"
            )
        if not self.uri.secure and (self.ssl is not None or self.server_hostname is not None):
            raise ValueError(
                f"{self.uri} is without TLS; ssl and server_hostname need wss or https"
            )
        if self.uds is not None and self.sock is not None:
            raise ValueError("give either uds or sock, not both")
        if self.fixed and isinstance(self.proxy, str):
            raise ValueError(f"{self.fixed} leads past any proxy; leave proxy out")
        if isinstance(self.proxy, str):
            pick_proxy(self.proxy, self.uri, {})

    @property
    def fixed(self) -> str:
        """Why it can't lead to another server, empty if it can."""
        if self.uds is not None:
            return f"the unix socket {self.uds}"
        return "the given socket" if self.sock is not None else ""

    def policy(
        self, choice: bool | Reconnect | None, default: bool | Reconnect = True
    ) -> Reconnect | None:
        """Judge what a client was told of reconnecting.

        Args:
            choice: A policy; ``True``: the client's own; ``False``: never; ``None``: ``default``.
            default: What counts then.

        Raises:
            TypeError: If it is something else.
            ValueError: If there is a given socket, which serves one connection.
        """
        if self.sock is not None:
            if choice:
                raise ValueError("a given socket serves one connection; leave reconnect out")
            return None
        if choice is None:
            choice = default
        if isinstance(choice, bool):
            return Reconnect() if choice else None
        if not isinstance(choice, Reconnect):
            raise TypeError(f"reconnect has to be a Reconnect, True or False, not {choice!r}")
        return choice

    def proxy_for(self, uri: URI, environ: Mapping[str, str]) -> Proxy | None:
        """Give the proxy to take to a URI, one that a redirect leads to among others."""
        return None if self.fixed else pick_proxy(self.proxy, uri, environ)

    def hostname_for(self, uri: URI) -> str:
        """Give the name that the certificate there has to have."""
        if self.server_hostname is not None and uri.origin == self.uri.origin:
            return self.server_hostname
        return uri.host


def timeout_text(uri: URI, seconds: float, waiting_for: str) -> str:
    """Say what did not come in time."""
    return (
        f"no connection to {uri} within {seconds:g} s: still waiting for {waiting_for}; "
        "see open_timeout"
    )


def proxy_unreachable(proxy: Proxy, error: OSError) -> OSError | None:
    """Say that it is the proxy that can't be connected to, with an error of the same number.

    ``None``: it is a deadline of ours, which is told with what was waited for.
    """
    text = f"can't reach the proxy {proxy}: {error.strerror or error}"
    if error.errno is not None:
        return OSError(error.errno, text)  # of the class that belongs to the number
    return None if isinstance(error, TimeoutError) else OSError(text)


def socks_failed(proxy: Proxy, uri: URI, error: Exception) -> ProxyError:
    """Say what came of a SOCKS proxy, in our own kind of error."""
    return ProxyError(f"the proxy {proxy} does not connect to {uri.address}: {error}")
