"""Which web pages may open a WebSocket here: the origin policy (RFC 6455, section 10.2).

A browser sends cookies with a WebSocket to any site and no CORS stands in between, so the
``Origin`` header is the only defence against cross-site hijacking (CWE-1385). RFC 6454 defines it.
This file must not know the handshake: origin and host in, yes or no out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

__all__ = ["SAME_ORIGIN", "Origins", "check_origins", "is_allowed_origin"]


class _SameOrigin:
    """The default policy; a class of its own so that it prints well and is typed."""

    def __repr__(self) -> str:
        return "SAME_ORIGIN"


SAME_ORIGIN: Final = _SameOrigin()
"""Only pages of the request's own host; what sends no ``Origin`` is no browser and passes."""

Origins = _SameOrigin | Iterable[str | re.Pattern[str]] | None
"""``SAME_ORIGIN``; a list of ``"https://example.com"`` or patterns that match all of an origin;
``"*"`` in the list, or ``None`` instead of one, allows every origin."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class _Checked(tuple[str | re.Pattern[str], ...]):
    """Entries that are origins or patterns: nobody has to look again."""

    __slots__ = ()


def check_origins(origins: Origins) -> _SameOrigin | _Checked | None:
    """Bring a policy into the form that ``is_allowed_origin`` takes.

    Raises:
        ValueError: If an entry is no origin: scheme, host and perhaps a port.
    """
    if origins is None or isinstance(origins, _SameOrigin | _Checked):
        return origins
    entries = _Checked([origins] if isinstance(origins, str) else origins)
    for entry in entries:
        if isinstance(entry, str) and entry != "*" and _normalize(entry) is None:
            raise ValueError(
                f"not an origin: {entry!r}; write scheme, host and perhaps a port, "
                "such as 'https://example.com'"
            )
    return entries


def is_allowed_origin(origin: str | None, host: str, origins: Origins) -> bool:
    """Judge a request by its ``Origin``.

    Args:
        origin: The header's value; ``None`` if there is none, which passes.
        host: The request's ``Host`` or ``:authority``.
        origins: The policy. ``null``, which sandboxed and local pages send, passes only ``None``
            and ``"*"``.
    """
    policy = check_origins(origins)
    if origin is None or policy is None:
        return True
    if isinstance(policy, _SameOrigin):
        parsed = _normalize(origin)
        # Behind a proxy that ends TLS we don't see the scheme that the page sees, so the host
        # and its port are compared, and a port that the origin leaves out may be left out.
        return parsed is not None and _normalize(f"{parsed[0]}://{host}") == parsed
    return any(_matches(origin, entry) for entry in policy)


def _matches(origin: str, entry: str | re.Pattern[str]) -> bool:
    if isinstance(entry, re.Pattern):
        return entry.fullmatch(origin) is not None
    return entry == "*" or (
        _normalize(origin) is not None and _normalize(origin) == _normalize(entry)
    )


_KEPT_MOST = 256
_KEPT_SIZE = 256


def _normalize(origin: str) -> tuple[str, str, int] | None:
    """Split an origin into scheme, host and port; ``None`` for what is no such thing.

    The few that most requests name are remembered, up to a number and a length.
    """
    return _split_known(origin) if len(origin) <= _KEPT_SIZE else _split(origin)


def _split(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.username is not None or "@" in parts.netloc:
        return None
    if parts.path or parts.query or parts.fragment or origin.endswith(("?", "#")):
        return None
    if port is None:
        port = _DEFAULT_PORTS.get(parts.scheme, 0)
    return parts.scheme, parts.hostname, port


_split_known = lru_cache(_KEPT_MOST)(_split)
