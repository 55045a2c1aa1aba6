"""Header lines to fields, and the request line with them: h11 judges each doubtful one.

A line that is plainly right, a name of letters and digits with a value of printable ASCII, is read
by one expression, which is narrower than what h11 takes. Every other line goes to h11, and so does
each that says how a body is framed.

Most lines of a handshake are the same for every client of a service: its host, its origin, what the
browser accepts. The field of such a line is kept, and shared by all requests that have it, which
also spares each connection its own copy. What names a person or is made for one request (cookies,
credentials, keys) is never kept.

What a head may hold is judged in ``h1_request``; no field has a meaning here.
"""

from __future__ import annotations

import re
from sys import intern
from typing import cast

import h11

from .h1_head import RequestFault

__all__ = ["Field", "is_kept", "parse_head"]

Field = tuple[str, str]

_KEPT_NAMES = frozenset({
    "accept", "accept-encoding", "accept-language", "cache-control", "connection", "dnt", "host",
    "origin", "pragma", "priority", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform",
    "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-gpc", "sec-websocket-extensions",
    "sec-websocket-protocol", "sec-websocket-version", "upgrade", "user-agent",
})  # fmt: skip
_KEPT_MOST = 512
"""Lines kept. One more, and all are dropped: nobody can fill memory with them."""
_KEPT_SIZE = 256
"""Bytes of a line that is kept, at most."""

_PLAIN_LINE = re.compile(rb"([A-Za-z][A-Za-z0-9\-]*): ?([!-~]+(?: [!-~]+)*)\Z")
_PLAIN_TARGET = re.compile(rb"[!-~]+\Z")
_OF_FRAMING = frozenset({"content-length", "transfer-encoding"})

_METHODS = {verb.encode(): verb for verb in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")}

_kept: dict[bytes, Field] = {}


def is_kept(name: str) -> bool:
    """Tell whether a field of this name, in lower case, may be remembered."""
    return name in _KEPT_NAMES


def parse_head(head: bytes) -> tuple[str, str, dict[str, str], list[Field]]:
    """Take a head apart.

    Args:
        head: Up to and including its blank line, with clean lines and three words in the first.

    Returns:
        Method, target, the last value of each name, and the fields in order; names are in lower
        case.

    Raises:
        RequestFault: 400, or 501, if h11 does not take it.
    """
    first, *lines = head[:-4].split(b"\r\n")
    method, target, version = first.split(b" ")
    known = list(map(_kept.get, lines))
    fields = cast(list[Field], known)  # when those that are missing have been read
    new: list[tuple[bytes, Field]] = []
    doubtful: list[tuple[bytes, bytes]] = []
    for place, field in enumerate(known):
        if field is None:
            fields[place] = read = _read(lines[place], doubtful)
            if read[0] in _KEPT_NAMES and len(lines[place]) <= _KEPT_SIZE:
                new.append((lines[place], read))
    values = dict(fields)
    hosts = int("host" in values)
    if len(values) < len(fields):
        hosts = sum(name == "host" for name, _ in fields)
    if hosts > 1 or (hosts == 0 and version == b"HTTP/1.1"):
        raise RequestFault(400, "a request names its host once, in a Host header")
    verb = _METHODS.get(method)
    if doubtful or verb is None or not _PLAIN_TARGET.match(target):
        _check(method, target, doubtful)
    for line, field in new:
        if len(_kept) >= _KEPT_MOST:
            _kept.clear()
        _kept[line] = field
    return verb or method.decode("ascii"), target.decode("ascii"), values, fields


def _read(line: bytes, doubtful: list[tuple[bytes, bytes]]) -> Field:
    """Give the field of a line; one that h11 has to see is appended to ``doubtful``."""
    plain = _PLAIN_LINE.match(line)
    if plain is not None:
        name, value = plain.groups()
    else:
        name, colon, value = line.partition(b":")
        if not colon:
            raise RequestFault(400, "a malformed head", "a header line without a colon")
        value = value.strip(b" \t")
    field = intern(name.decode("latin-1").lower()), value.decode("latin-1")
    if plain is None or field[0] in _OF_FRAMING:
        doubtful.append((name, value))
    return field


def _check(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    try:
        # Not every field is there: the one that HTTP/1.1 demands, Host, has been looked for.
        h11.Request(method=method, target=target, headers=fields, http_version="1.0")
    except h11.LocalProtocolError as error:
        status = error.error_status_hint
        text = "a transfer coding other than chunked" if status == 501 else "a malformed head"
        raise RequestFault(status, text, f"{text}: {str(error)[:120]}") from None
