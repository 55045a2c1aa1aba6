"""Proxies of a client: which one to take, and how to ask it for a connection. Nothing is opened.

A tunnel is asked for with CONNECT (RFC 9110, section 9.3.6), for everything but plain HTTP, which a
proxy forwards itself. SOCKS is spoken by a library that the adapters call. The environment's
variables come in as a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ..errors import ProxyError
from ..protocol.http import Request
from ..protocol.uri import URI, basic_credentials
from .h1_client import ResponseReader, write_request

__all__ = [
    "Proxy", "check_tunnel", "connect_request", "find_proxy", "forwarded", "parse_proxy",
    "pick_proxy",
]  # fmt: skip

_PORTS = {
    "http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080,
}  # fmt: skip

_VARIABLES = {
    # Without one of its own, a WebSocket takes SOCKS first and HTTPS's before HTTP's: that one is
    # meant to carry what it does not understand (RFC 6455, section 4.1).
    "ws": ("ws_proxy", "socks_proxy", "https_proxy", "http_proxy", "all_proxy"),
    "wss": ("wss_proxy", "socks_proxy", "https_proxy", "all_proxy"),
    "http": ("http_proxy", "all_proxy"),
    "https": ("https_proxy", "all_proxy"),
}


class Proxy(NamedTuple):
    """A proxy.

    Attributes:
        scheme: ``http``, ``https``, ``socks4``, ``socks4a``, ``socks5`` or ``socks5h``; with the
            two that end in a letter, the proxy looks names up.
        host, port: Where it is.
        user, password: For it; ``None`` if its URL has none.
    """

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = None

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, and not HTTP."""
        return self.scheme.startswith("socks")

    @property
    def socks_version(self) -> str:
        """``"SOCKS4"`` or ``"SOCKS5"``."""
        return self.scheme[:6].upper()

    @property
    def looks_names_up(self) -> bool:
        """Whether it is given names, and not addresses."""
        return self.scheme not in ("socks4", "socks5")

    @property
    def secure(self) -> bool:
        """Whether the connection to it is TLS."""
        return self.scheme == "https"

    @property
    def authorization(self) -> str:
        """The ``Proxy-Authorization`` header, empty without a user."""
        return "" if self.user is None else basic_credentials(self.user, self.password or "")

    def __str__(self) -> str:
        """Write it without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_proxy(url: str) -> Proxy:
    """Split the URL of a proxy.

    One without a scheme is HTTP, and ``socks`` is ``socks5h``: desktops write that into
    ``all_proxy``.

    Raises:
        ValueError: If it is none, or of a scheme that nobody speaks here.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:  # whose text may have a part of a password
        raise ValueError("not a proxy: its host is malformed, or its port") from None
    scheme = "socks5h" if parts.scheme == "socks" else parts.scheme
    if scheme not in _PORTS or not parts.hostname:
        # Not with the URL: there may be a password in it.
        raise ValueError(
            f"not a proxy: a URL of the scheme {scheme!r} and the host {parts.hostname!r}; "
            f"it begins with one of {', '.join(_PORTS)}, and has a host"
        )
    return Proxy(
        scheme,
        parts.hostname,
        _PORTS[scheme] if port is None else port,
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )


def pick_proxy(choice: bool | str | None, uri: URI, environ: Mapping[str, str]) -> Proxy | None:
    """Give the proxy to take.

    Args:
        choice: A proxy's URL; ``True``: what the environment says; ``None`` or ``False``: none.
        uri: Where the connection is to lead.
        environ: The environment's variables.

    Raises:
        ValueError: If the URL, or that of the variable, is no proxy's.
    """
    if isinstance(choice, str):
        return parse_proxy(choice)
    return find_proxy(uri, environ) if choice else None


def find_proxy(uri: URI, environ: Mapping[str, str]) -> Proxy | None:
    """Find the proxy that the environment names for a URI, as urllib and curl do.

    ``ws_proxy``, ``wss_proxy``, ``http_proxy``, ``https_proxy``, ``socks_proxy`` and ``all_proxy``
    are looked at, in lower case before upper case; ``HTTP_PROXY`` is not where a CGI script runs,
    for there a client's header makes it (httpoxy). ``no_proxy`` names hosts that need none.

    Raises:
        ValueError: If the variable's value is no proxy.
    """
    if _is_exempt(uri, _variable("no_proxy", environ)):
        return None
    for name in _VARIABLES[uri.scheme]:
        if value := _variable(name, environ):
            if name == "socks_proxy" and not value.startswith("socks"):
                value = "socks5h://" + value.rpartition("://")[2]
            try:
                return parse_proxy(value)
            except ValueError as error:
                found = name if name in environ else name.upper()
                raise ValueError(f"the environment variable {found}: {error}") from None
    return None


def connect_request(uri: URI, proxy: Proxy) -> bytes:
    """Write the request for a tunnel (RFC 9110, section 9.3.6)."""
    fields = [("Host", uri.address)]
    if proxy.authorization:
        fields.append(("Proxy-Authorization", proxy.authorization))
    return write_request(Request("CONNECT", uri.address, fields))


def forwarded(request: Request, uri: URI, proxy: Proxy) -> bytes:
    """Write a request to a proxy that forwards it: the absolute form (RFC 9112, section 3.2.2)."""
    fields = list(request.headers)
    if proxy.authorization:
        fields.append(("Proxy-Authorization", proxy.authorization))
    request = Request(request.method, str(uri), fields, body=request.body)
    return write_request(request)


def check_tunnel(reader: ResponseReader, uri: URI, proxy: Proxy) -> None:
    """Judge the answer to ``connect_request``: every 2xx opens the tunnel.

    Raises:
        ProxyError: If the proxy refuses, or speaks where only the server would, and it is not
            its turn.
    """
    response = reader.response
    assert response is not None
    status = response.status
    if 200 <= status <= 299:
        if reader.take_rest():
            raise ProxyError(f"the proxy {proxy} sends data of its own", status=status)
        return
    hint = ""
    if status == 407:
        hint = "; put user and password into its URL: http://user:password@host:port"
    phrase = f" {response.reason}" if response.reason else ""
    raise ProxyError(
        f"the proxy {proxy} does not connect to {uri.address}: {status}{phrase}{hint}",
        status=status,
    )


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if name in environ:  # empty means: none, whatever the one in upper case says
        return environ[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return ""
    return environ.get(name.upper(), "").strip()


def _is_exempt(uri: URI, no_proxy: str) -> bool:
    """Tell whether ``no_proxy`` names a host: by name, suffix, address or network; ``*`` is all."""
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return any(entry == "*" or _matches(uri, entry) for entry in entries if entry)


def _matches(uri: URI, entry: str) -> bool:
    if "/" in entry:
        try:
            return ip_address(uri.host) in ip_network(entry, strict=False)
        except ValueError:
            return False
    if entry.startswith("[") or entry.count(":") == 1:
        entry = entry.removesuffix(f":{uri.port}").strip("[]")
    name = entry.lstrip(".")
    return uri.host == name or (name != "" and uri.host.endswith(f".{name}"))
