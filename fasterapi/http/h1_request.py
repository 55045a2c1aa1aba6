"""One whole message head becomes a request: its line, target, fields and framing (RFC 9112).

h11 checks what is doubtful of the lines (``h1_fields``). What it lets pass (``Content-Length: 5,
5``, a length beside a transfer coding, folded lines, HTTP/2.0, any target) is refused here, since
every one of those is read differently by some proxy, which is what request smuggling lives on.

What a route, a WebSocket handshake or a response is, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..limits import Limits
from ..protocol.headers import Headers, parse_list
from .h1_fields import parse_head
from .h1_head import RequestFault

__all__ = ["HOST", "RequestHead", "read_request_head"]

_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
_ANY_VERSION = re.compile(rb"HTTP/[0-9]+(\.[0-9]+)?\Z")
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?]*)(.*)\Z")
HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]++|%[0-9A-Fa-f]{2})++)"
    r"(?::[0-9]{0,5})?\Z"
)
_MAX_LENGTH_DIGITS = 20
_NO_FIELDS: frozenset[str] = frozenset()


@dataclass(slots=True)
class RequestHead:
    """What a request head says.

    Attributes:
        method: The method, case kept.
        target: Path and query, or ``"*"``: an absolute form has become an origin form.
        headers: The fields, names in lower case.
        http_version: ``"1.0"`` or ``"1.1"``.
        length: Bytes of body that follow; ``None`` if the body is chunked.
        keep_alive: The client lets the connection live on (RFC 9112, section 9.3).
        upgrade: There is an ``Upgrade`` field.
        upgradable: The answer may be 101: HTTP/1.1 and no body at all (RFC 9110, section 7.8).
        expects_continue: The client waits for ``100 Continue`` before it sends the body.
    """

    method: str
    target: str
    headers: Headers
    http_version: str
    length: int | None = 0
    keep_alive: bool = True
    upgrade: bool = False
    upgradable: bool = False
    expects_continue: bool = False


def read_request_head(head: bytes, limits: Limits) -> RequestHead:
    """Parse and check a whole head, up to and including its blank line.

    Args:
        head: What ``HeadReader.take`` gave: clean lines, each within its limits.
        limits: ``max_body_size`` is looked at.

    Raises:
        RequestFault: 400, 413, 417, 501 or 505.
    """
    version = _version(head)
    if b"\r\n " in head or b"\r\n\t" in head:
        raise RequestFault(400, "a header line that begins with white space")
    lower = head.lower()
    length = _length(lower, version)
    method, raw_target, names, fields = parse_head(head)
    target, authority = _target(method, raw_target)
    if authority is not None:
        fields = _with_host(fields, authority)
        names["host"] = authority
    if not HOST.match(names.get("host", "none")):
        raise RequestFault(400, "a Host header that names no host")
    request = RequestHead(method, target, Headers.of_text(fields), version, length)
    _read_connection(request, names, len(names) == len(fields))
    if length != 0:
        _read_framing(request, limits)
    if "expect" in names:
        _read_expectation(request)
    return request


def _version(head: bytes) -> str:
    words = head[: head.index(b"\r\n")].split(b" ")
    version = _VERSIONS.get(words[-1]) if len(words) == 3 else None
    if version is None:
        if len(words) == 3 and _ANY_VERSION.match(words[2]):
            raise RequestFault(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        raise RequestFault(400, "a request line that is not method, target and version")
    return version


def _length(lower: bytes, version: str) -> int | None:
    """Read the body's framing off the raw head in lower case (RFC 9112, section 6.3).

    h11 would merge repeated lengths. On clean lines without folding, CRLF and a name can only be
    the start of that field.
    """
    coded = b"\r\ntransfer-encoding:" in lower
    lengths = lower.count(b"\r\ncontent-length:")
    if coded and lengths:
        raise RequestFault(400, "Content-Length beside Transfer-Encoding")
    if coded and version == "1.0":
        raise RequestFault(400, "Transfer-Encoding in HTTP/1.0")
    if coded:
        return None
    if not lengths:
        return 0
    start = lower.index(b"\r\ncontent-length:") + len(b"\r\ncontent-length:")
    digits = lower[start : lower.index(b"\r\n", start)].strip(b" \t")
    if lengths > 1 or not digits.isdigit():
        raise RequestFault(400, "a Content-Length that is not one number")
    if len(digits) > _MAX_LENGTH_DIGITS:
        raise RequestFault(413, f"a Content-Length of over {_MAX_LENGTH_DIGITS} digits")
    return int(digits)


def _target(method: str, target: str) -> tuple[str, str | None]:
    """Give the origin form of a target, and the authority that came with an absolute form.

    Source: RFC 9112, section 3.2.
    """
    if method == "CONNECT":
        raise RequestFault(501, "this is no proxy: CONNECT is not supported")
    if "#" in target:
        raise RequestFault(400, "a fragment in the request target")
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        return target, None
    absolute = _ABSOLUTE.match(target)
    if not absolute:
        raise RequestFault(400, "a request target that is no path")
    authority, rest = absolute.groups()
    if not rest and method == "OPTIONS":
        return "*", authority
    return rest if rest.startswith("/") else f"/{rest}", authority


def _with_host(fields: list[tuple[str, str]], authority: str) -> list[tuple[str, str]]:
    """Let an absolute form's authority stand for the Host field (RFC 9112, section 3.2.2)."""
    return [("host", authority), *(field for field in fields if field[0] != "host")]


def _read_connection(request: RequestHead, names: dict[str, str], once: bool) -> None:
    """Read what becomes of the connection; ``once``: no name stands twice, so ``names`` is all."""
    options: Sequence[str] = ()
    if "connection" in names:
        headers = request.headers
        options = parse_list(names["connection"].lower()) if once else headers.tokens("connection")
    request.keep_alive = "close" not in options and (
        request.http_version == "1.1" or "keep-alive" in options
    )
    request.upgrade = "upgrade" in names
    request.upgradable = request.upgrade and request.http_version == "1.1" and request.length == 0


def _read_framing(request: RequestHead, limits: Limits) -> None:
    """Judge a request that announces a body.

    A WebSocket handshake has none. One that announces it all the same is handed up at once, to be
    refused: a GET's body means nothing (RFC 9110, section 9.3.1), so nothing is lost by not
    waiting for it, and what follows the head is never taken for a request.
    """
    if request.length is not None and request.length > limits.max_body_size:
        raise RequestFault.over(limits, "max_body_size", 413, "request body", "bytes")
    if request.method == "GET" and "websocket" in request.headers.tokens("upgrade"):
        request.length = 0


def _read_expectation(request: RequestHead) -> None:
    """Judge ``Expect`` (RFC 9110, section 10.1.1); HTTP/1.0 knows none."""
    if request.http_version == "1.0":
        return
    for value in request.headers.get_all("expect"):
        if parse_list(value.lower()) != ["100-continue"]:
            raise RequestFault(417, "an expectation other than 100-continue")
    request.expects_continue = request.length != 0
