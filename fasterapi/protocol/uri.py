"""A URI to what a client needs of it: whom to connect to and what to ask (RFC 3986; RFC 6455, 3).

``ws``, ``wss``, ``http`` and ``https`` are split the same way. This file must not know the
handshake, and opens nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = [
    "HTTP_SCHEMES", "URI", "WEBSOCKET_SCHEMES", "basic_credentials", "parse_uri",
    "without_userinfo",
]  # fmt: skip

WEBSOCKET_SCHEMES = ("ws", "wss")
HTTP_SCHEMES = ("http", "https")

_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_BEGINNING = re.compile(r"[\x00-\x20]*(?:[A-Za-z][A-Za-z0-9+.\-]*:)?/*")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?")


class URI(NamedTuple):
    """What a client takes from a URI.

    Attributes:
        scheme: ``"ws"``, ``"wss"``, ``"http"`` or ``"https"``.
        host: Name or address to connect to, a name in ASCII, an IPv6 address without brackets.
        port: TCP port; the scheme's own if the URI has none.
        target: Path and query, as they stand in the request line.
        authorization: The ``Authorization`` header that a user and password make, else empty.
    """

    scheme: str
    host: str
    port: int
    target: str
    authorization: str = ""

    @property
    def secure(self) -> bool:
        """Whether the connection is TLS."""
        return self.scheme in ("wss", "https")

    @property
    def authority(self) -> str:
        """The ``Host`` header: host, and the port unless it is the scheme's own."""
        return self._host if self.port == _PORTS[self.scheme] else self.address

    @property
    def address(self) -> str:
        """Host and port, as they stand in a CONNECT and in messages."""
        return f"{self._host}:{self.port}"

    @property
    def origin(self) -> tuple[bool, str, int]:
        """What two URIs share if what is meant for one may be told to the other (RFC 6454)."""
        return self.secure, self.host, self.port

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        """Write it without user and password."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_uri(uri: str, schemes: Collection[str] = WEBSOCKET_SCHEMES) -> URI:
    """Split a URI.

    Args:
        uri: The URI.
        schemes: Those allowed. A WebSocket's URI has no fragment; one of another kind is left out.

    Raises:
        ValueError: If it has another scheme, or no host, or characters that have to be
            percent-encoded.
    """
    kind = "WebSocket URL" if "ws" in schemes else "URL"
    shown = repr(without_userinfo(uri))
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:  # whose text may have a part of a password
        raise ValueError(
            f"a {kind} has a host, an IPv6 address in brackets perhaps, "
            f"and a port from 0 to 65535: {shown}"
        ) from None
    if parts.scheme not in schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"a {kind} begins with {wanted}, not {shown}")
    if not parts.hostname:
        raise ValueError(f"a {kind} needs a host: {shown}")
    if "#" in uri and parts.scheme in WEBSOCKET_SCHEMES:
        raise ValueError(f"a {kind} has no fragment: {shown}")
    host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
    if not _is_plain(host):
        raise ValueError(f"a host has no spaces and no control characters: {shown}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _is_plain(target):
        raise ValueError(f"percent-encode the URL's path and query: {shown}")
    port = _PORTS[parts.scheme] if port is None else port
    return URI(parts.scheme, host, port, target, _authorization(parts))


def without_userinfo(url: str) -> str:
    """Give a URL, or what should be one, without user and password, to be shown.

    Where a password with a slash in it makes a URL that is none, all up to the last ``@`` goes.
    """
    url = re.sub(r"[\t\r\n]", "", url)  # which nobody who splits URLs sees
    beginning = _BEGINNING.match(url)
    assert beginning is not None
    rest = url[beginning.end() :]
    authority = _AUTHORITY.match(rest)
    assert authority is not None
    user, at, host = authority[0].rpartition("@")
    cut = len(user + at) if _HOST.fullmatch(host) else rest.rfind("@") + 1
    return beginning[0] + rest[cut:]


def basic_credentials(user: str, password: str) -> str:
    """Write the value of an ``Authorization`` field (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    return basic_credentials(unquote(parts.username), unquote(parts.password or ""))


def _is_plain(text: str) -> bool:
    """Tell whether ``text`` is printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text
