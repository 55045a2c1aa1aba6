"""A WebSocket URI to what a request needs of it (RFC 6455, section 3).

This file must not know the handshake, and opens nothing.
"""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["WebSocketURI", "parse_uri"]

_PORTS = {"ws": 80, "wss": 443}


class WebSocketURI(NamedTuple):
    """What a client's request takes from a URI.

    Attributes:
        scheme: ``"http"`` for ``ws``, ``"https"`` for ``wss``: the scheme of the request.
        host: The ``Host`` header: host, and the port unless it is the scheme's own.
        target: Path and query, as they stand in the request line.
        authorization: The ``Authorization`` header that a user and password make, else empty.
    """

    scheme: str
    host: str
    target: str
    authorization: str


def parse_uri(uri: str) -> WebSocketURI:
    """Split ``ws://`` and ``wss://`` URIs.

    Raises:
        ValueError: If it is no WebSocket URI, or has characters that have to be percent-encoded.
    """
    parts = urlsplit(uri)
    if parts.scheme not in _PORTS:
        raise ValueError(f"a WebSocket URL begins with ws:// or wss://, not {uri!r}")
    if not parts.hostname:
        raise ValueError(f"a WebSocket URL needs a host: {uri!r}")
    if "#" in uri:
        raise ValueError(f"a WebSocket URL has no fragment: {uri!r}")
    host = _host(parts)
    if not _is_plain(host):
        raise ValueError(f"a host has no spaces and no control characters: {uri!r}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _is_plain(target):
        raise ValueError(f"percent-encode the URL's path and query: {uri!r}")
    scheme = "https" if parts.scheme == "wss" else "http"
    return WebSocketURI(scheme, host, target, _authorization(parts))


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host.encode("idna").decode()
    return host if parts.port in (None, _PORTS[parts.scheme]) else f"{host}:{parts.port}"


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(user.encode()).decode()


def _is_plain(text: str) -> bool:
    """Tell whether ``text`` is printable ASCII without spaces."""
    return text.isascii() and text.isprintable() and " " not in text
