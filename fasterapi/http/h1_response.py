"""A ``Response`` becomes the bytes of a response head (RFC 9112, sections 4 to 7).

The head is written directly: h11 writes any reason phrase as it is and cannot keep an HTTP/1.0
connection alive. What the application may not decide (framing, the end of the connection) is
refused or merged here. Where in its life a connection stands is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from http import HTTPStatus

from ..errors import InvalidArgument, LocalProtocolError
from ..protocol.headers import parse_list
from ..protocol.http import Response

__all__ = [
    "Framing",
    "Output",
    "has_no_body",
    "length_field",
    "refuse_framing",
    "stream_framing",
    "write_head",
]

_CODING = frozenset({"transfer-encoding"})
_FRAMING = frozenset({"transfer-encoding", "content-length"})
_BREAKS = re.compile(r"[\r\n\0]")
_BODILESS = frozenset({204, 304})
_STATUSES = frozenset({101, *range(200, 600)})
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}


class Framing(Enum):
    """How the end of a response's body is told (RFC 9112, section 6.3)."""

    NONE = "no body follows"
    CHUNKED = "chunked"
    CLOSE = "the end of the connection"


class Output:
    """What waits to be written: heads and whole bodies as they are, streamed bodies framed.

    Attributes:
        framing: How the streamed body at hand is framed.
    """

    __slots__ = ("_chunk", "_queue", "framing")

    def __init__(self) -> None:
        self.framing = Framing.NONE
        self._queue: list[bytes] = []
        self._chunk: list[bytes] = []  # streamed data that will go out as one chunk

    def write(self, data: bytes) -> None:
        """Queue bytes as they are."""
        self._queue.append(data)

    def stream(self, piece: bytes) -> None:
        """Queue a piece of a streamed body; empty, it is nothing."""
        if piece and self.framing is not Framing.NONE:
            self._chunk.append(piece)

    def end_stream(self) -> None:
        """Queue the end of a streamed body."""
        self._close_chunk()
        if self.framing is Framing.CHUNKED:
            self._queue.append(b"0\r\n\r\n")

    def take(self) -> bytes:
        """Give everything, joined, and be empty."""
        if not self._queue and not self._chunk:
            return b""
        self._close_chunk()
        data = b"".join(self._queue)
        self._queue.clear()
        return data

    def _close_chunk(self) -> None:
        if not self._chunk:
            return
        if self.framing is Framing.CHUNKED:
            self._queue.append(b"%x\r\n" % sum(map(len, self._chunk)))
            self._chunk.append(b"\r\n")
        self._queue += self._chunk
        self._chunk.clear()


def has_no_body(response: Response, method: str) -> bool:
    """Tell whether a response to ``method`` ends with its head (RFC 9112, section 6.3)."""
    return method == "HEAD" or response.status in _BODILESS


def length_field(response: Response, method: str) -> list[tuple[str, str]]:
    """Give the Content-Length to add to a whole response; none where it has its own, or needs none.

    Raises:
        LocalProtocolError: If the response has one that is wrong, or frames itself otherwise.
    """
    _refuse(response, _CODING)
    given = response.headers.get_all("content-length")
    if response.status == 204 and given:
        raise InvalidArgument("a 204 has no Content-Length (RFC 9110, section 8.6)")
    length = str(len(response.body))
    # An answer to HEAD, or a 304, tells of a body that may not be here to be measured.
    absent = has_no_body(response, method) and not response.body
    if not given:
        bare = absent or response.status in _BODILESS
        return [] if bare else [("Content-Length", length)]
    if given != [length] and not (absent and _is_length(given)):
        raise InvalidArgument(f"Content-Length {given} on a body of {length} bytes: leave it out")
    return []


def stream_framing(response: Response, http_version: str) -> Framing:
    """Choose how a streamed body will end.

    Raises:
        LocalProtocolError: If the response has a body already, or frames itself.
    """
    refuse_framing(response)
    if response.status in _BODILESS:
        return Framing.NONE
    return Framing.CHUNKED if http_version == "1.1" else Framing.CLOSE


def refuse_framing(response: Response) -> None:
    """Check that a response whose head stands alone says nothing of a body.

    Raises:
        LocalProtocolError: If it has a body, a Content-Length or a Transfer-Encoding.
    """
    _refuse(response, _FRAMING)
    if response.body:
        raise LocalProtocolError("a streamed response, or a 101, has no body of its own")


def write_head(
    response: Response,
    own: Iterable[tuple[str, str]],
    defaults: Iterable[tuple[str, str]],
    *,
    connection: str = "",
) -> bytes:
    """Write a status line and the header fields, up to and including the blank line.

    Args:
        response: Its status, reason and headers are written.
        own: Fields that the connection adds in any case.
        defaults: Fields that are added where the response does not set them.
        connection: The option that the Connection field has to carry, ``"close"`` or
            ``"keep-alive"``; the response's own options stay beside it.

    Raises:
        LocalProtocolError: If the response was changed, after its construction, into one that
            would split the head.
    """
    fields = [*response.headers, *own]
    if connection:
        fields = _with_connection(fields, connection)
    written = [_status_line(response), *map(": ".join, fields)]
    lower = "\n".join(written).lower()
    written += [": ".join(field) for field in defaults if f"\n{field[0].lower()}:" not in lower]
    if _BREAKS.search("".join(written)):
        raise InvalidArgument("a response head with CR, LF or NUL inside a field")
    try:
        return "\r\n".join([*written, "", ""]).encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"a response head beyond latin-1: {error}") from None


def _status_line(response: Response) -> str:
    status = response.status
    if status not in _STATUSES:
        raise InvalidArgument(f"not a status to answer with: {status!r}")
    if response.reason or status not in _STATUS_LINES:
        return f"HTTP/1.1 {int(status)} {response.reason}"
    return _STATUS_LINES[status]


def _with_connection(fields: list[tuple[str, str]], option: str) -> list[tuple[str, str]]:
    """Merge ``option`` into the response's own connection options."""
    given = [o for name, value in fields if name.lower() == "connection" for o in parse_list(value)]
    kept = [o for o in given if o.lower() not in ("close", "keep-alive")]
    others = [field for field in fields if field[0].lower() != "connection"]
    return [*others, ("Connection", ", ".join([*kept, option]))]


def _refuse(response: Response, names: frozenset[str]) -> None:
    if not names.isdisjoint(map(str.lower, dict(response.headers))):
        raise InvalidArgument(f"a response sets no {', '.join(names)}: the connection does")


def _is_length(values: list[str]) -> bool:
    return len(values) == 1 and values[0].isascii() and values[0].isdigit()
