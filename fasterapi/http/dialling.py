"""An ``Opening`` to steps: what to connect to, when TLS begins, what to ask, when to hang up.

An adapter takes the steps one after the other, each when the one before is done, and has a
connection and the response that counts when there is none left. Proxies, tunnels and redirects are
decided here; nothing is opened. What a step fails with ends it all, and is the adapter's to raise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.uri import URI
from .h1_client import ResponseReader
from .opening import Opening
from .proxy import Proxy, check_tunnel, connect_request
from .route import Route, proxy_unreachable

__all__ = ["Ask", "Connect", "HangUp", "StartTLS", "Step", "dialling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTLS:
    """Go on in TLS, inside of TLS perhaps.

    Attributes:
        waiting_for: What to say if it takes too long, as for every step.
        context: A TLS context; ``None``: the system's certificates decide.
        hostname: The name that the certificate has to have.
    """

    waiting_for: str
    context: Any
    hostname: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """Open a connection, to one of these; without any of them, take the socket that was given.

    Attributes:
        waiting_for: As for ``StartTLS``.
        address: Host and port.
        path: Of a unix socket.
        socks: A SOCKS proxy, to have connect to ``uri``.
        uri: Whom all this is for.
        proxy: Whose the address is, if it is an HTTP proxy's.
        tls: What follows at once; there is no step of its own.
    """

    waiting_for: str
    uri: URI
    address: tuple[str, int] | None = None
    path: str | None = None
    socks: Proxy | None = None
    proxy: Proxy | None = None
    tls: StartTLS | None = None

    def explain(self, error: OSError) -> None:
        """Take that there is no connection, and raise an error that says more, if there is one.

        Raises:
            OSError: It is the proxy that is not there.
        """
        told = None if self.proxy is None else proxy_unreachable(self.proxy, error)
        if told is not None:
            raise told from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Write a request, and read until the reader has its response.

    Attributes:
        waiting_for: As for ``StartTLS``.
        request: What to write.
        reader: Takes what comes.
    """

    waiting_for: str
    request: bytes
    reader: ResponseReader


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """Close the connection: the next one leads elsewhere."""

    waiting_for: str = ""


Step = Connect | StartTLS | Ask | HangUp


def dialling(
    route: Route,
    opening: Opening,
    environ: Mapping[str, str],
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Step]:
    """Give the steps; the last ``Ask`` has the response that counts.

    Args:
        route: The way.
        opening: What to ask, and of whom.
        environ: The environment's variables.
        limits: Those of a head.

    Raises:
        ProxyError: If the proxy refuses.
        RedirectError: For one that must not be followed.
        ValueError: If the environment names a proxy that is none.
    """
    while True:
        uri = opening.uri
        proxy = route.proxy_for(uri, environ)
        forwards = None
        if proxy is None or proxy.is_socks:
            yield _direct(route, uri, proxy)
        else:
            yield _to_proxy(uri, proxy)
            if uri.scheme == "http":
                forwards = proxy
            else:
                yield from _tunnel(route, uri, proxy, limits)
        reader = ResponseReader(opening.request.method, limits=limits)
        yield Ask(
            waiting_for="the server's answer", request=opening.to_send(forwards), reader=reader
        )
        assert reader.response is not None
        if not opening.follow(reader.response):
            return
        yield HangUp()


def _direct(route: Route, uri: URI, socks: Proxy | None) -> Connect:
    """Connect to the server, by a SOCKS proxy perhaps: from then on it is as if without one."""
    tls = _tls(route, uri)
    if socks is not None:
        return Connect(waiting_for=f"the proxy {socks}", uri=uri, socks=socks, tls=tls)
    to = route.fixed if route.uds is not None else uri.address
    return Connect(
        waiting_for=f"a connection to {to}",
        uri=uri,
        address=None if route.fixed else (uri.host, uri.port),
        path=route.uds,
        tls=tls,
    )


def _to_proxy(uri: URI, proxy: Proxy) -> Connect:
    waiting_for = f"the proxy {proxy}"
    tls = None
    if proxy.secure:
        tls = StartTLS(waiting_for=waiting_for, context=None, hostname=proxy.host)
    address = (proxy.host, proxy.port)
    return Connect(waiting_for=waiting_for, uri=uri, address=address, proxy=proxy, tls=tls)


def _tunnel(route: Route, uri: URI, proxy: Proxy, limits: Limits) -> Iterator[Step]:
    """Have an HTTP proxy connect to the server."""
    waiting_for = f"the proxy {proxy}"
    reader = ResponseReader("CONNECT", limits=limits, who=waiting_for)
    yield Ask(waiting_for=waiting_for, request=connect_request(uri, proxy), reader=reader)
    check_tunnel(reader, uri, proxy)
    if (tls := _tls(route, uri)) is not None:
        yield tls


def _tls(route: Route, uri: URI) -> StartTLS | None:
    if not uri.secure:
        return None
    return StartTLS(
        waiting_for=f"the TLS handshake with {uri.address}",
        context=route.ssl,
        hostname=route.hostname_for(uri),
    )
