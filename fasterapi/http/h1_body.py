"""Received bytes become a body (RFC 9112, sections 6.2 and 7.1).

A request's is buffered whole, never over ``Limits.max_body_size``; a response's may also be handed
on as it comes. Chunk extensions and trailers mean
nothing to us and are dropped, but they are checked and bounded too.

Our own decoder rather than h11's, which takes any bytes for an extension, bounds neither
extensions nor trailers within one read, and needs six times as long for a flood of tiny chunks
(``docs/decisions/0001-h11-for-http-heads.md``).
"""

from __future__ import annotations

import re
from enum import Enum

from ..limits import Limits
from .h1_head import HeadReader, RequestFault

__all__ = ["ChunkedBody", "FixedBody"]

_SIZE_DIGITS = 16
_ENDLESS = 1 << 100  # more than chunks whose size has so many digits will ever bring
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?\Z")
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:")


class FixedBody:
    """A body of a known length.

    Args:
        length: Its bytes; the caller has held it against ``Limits.max_body_size``.
    """

    __slots__ = ("_length",)

    def __init__(self, length: int) -> None:
        self._length = length

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove the body from the front of ``buffer``; ``None`` if more bytes are needed."""
        if len(buffer) < self._length:
            return None
        body = bytes(memoryview(buffer)[: self._length])
        del buffer[: self._length]
        return body


class _Part(Enum):
    """The part of a chunked body that is read next."""

    SIZE = 0
    PAYLOAD = 1
    PAYLOAD_END = 2
    TRAILERS = 3


class ChunkedBody:
    """A body in the chunked transfer coding (RFC 9112, section 7.1).

    Args:
        limits: ``max_body_size`` bounds the payload, ``max_head_size`` all chunk extensions
            together, and the limits of a head bound the trailer section.
        endless: Whether the payload has no bound, because ``read`` hands it on; the extensions of
            each chunk have a bound of their own then.

    Attributes:
        finished: Whether the body has ended.
    """

    __slots__ = (
        "_body", "_endless", "_extension_room", "_fault", "_left", "_limits", "_part", "_room",
        "_scanned", "_trailers", "finished",
    )  # fmt: skip

    def __init__(self, limits: Limits, *, endless: bool = False) -> None:
        self.finished = False
        self._fault: RequestFault | None = None  # met behind what was handed on
        self._limits = limits
        self._endless = endless
        self._room = _ENDLESS if endless else limits.max_body_size
        self._body = bytearray()
        self._part = _Part.SIZE
        self._left = 0  # payload bytes of this chunk that are still to come
        self._scanned = 0  # bytes of an unfinished size line that hold no CRLF
        self._extension_room = limits.max_head_size
        self._trailers = HeadReader(limits, "trailer section")

    def take(self, buffer: bytearray) -> bytes | None:
        """Consume what is there of the body; the whole body once it is complete, else ``None``.

        Raises:
            RequestFault: 400 for a malformed chunk or trailer, 413 for a body or for extensions
                over a limit, 431 for trailers over one.
        """
        self._consume(buffer)
        return bytes(self._body) if self.finished else None

    def read(self, buffer: bytearray) -> bytes:
        """Consume what is there of the body, and hand it on; errors as in ``take``.

        What stands in front of a fault is handed on first: the fault is met by the next call.
        """
        if self._fault is not None:
            raise self._fault
        try:
            self._consume(buffer)
        except RequestFault as fault:
            if not self._body:
                raise
            self._fault = fault
        body = bytes(self._body)
        self._body.clear()
        return body

    def _consume(self, buffer: bytearray) -> None:
        at = 0  # consumed so far; the buffer is cut once, at the end
        try:
            while step := self._step(buffer, at):
                at += step
        finally:
            del buffer[:at]
        if self._part is _Part.TRAILERS and not self.finished:
            self._read_trailers(buffer)

    def _step(self, buffer: bytearray, at: int) -> int:
        """Consume the next piece; give its bytes, 0 if there is none to consume yet."""
        part = self._part
        if part is _Part.SIZE:
            return self._read_whole_chunks(buffer, at) or self._read_size(buffer, at)
        if part is _Part.PAYLOAD:
            return self._read_payload(buffer, at)
        return self._read_payload_end(buffer, at) if part is _Part.PAYLOAD_END else 0

    def _read_whole_chunks(self, buffer: bytearray, at: int) -> int:
        """Consume plain chunks that are there as a whole; the other methods take all the rest.

        A flood of chunks of one byte is what makes this loop worth having.
        """
        start, room = at, self._room
        while match := _PLAIN_SIZE.match(buffer, at):
            first = match.end()
            end = first + int(match[1], 16)
            if not first < end <= first + room or buffer[end : end + 2] != b"\r\n":
                break
            self._body += buffer[first:end]
            room -= end - first
            at = end + 2
        if at > start:
            self._scanned = 0
            self._room = room
        return at - start

    def _read_size(self, buffer: bytearray, at: int) -> int:
        end = buffer.find(b"\r\n", at + self._scanned)
        complete = end >= 0
        if not complete:
            end = len(buffer) - buffer.endswith(b"\r")
        if end - at > _SIZE_DIGITS + self._extension_room:
            what = "chunk extensions"
            raise RequestFault.over(self._limits, "max_head_size", 413, what, "bytes")
        if not complete:
            self._scanned = end - at
            return 0
        self._scanned = 0
        match = _SIZE_LINE.match(buffer[at:end])
        if not match:
            raise RequestFault(400, "a malformed chunk size")
        return self._begin_chunk(match[1], end - at)

    def _begin_chunk(self, digits: bytes, line: int) -> int:
        if not self._endless:
            self._extension_room -= line - len(digits)
        size = self._left = int(digits, 16)
        if size > self._room:
            raise RequestFault.over(self._limits, "max_body_size", 413, "request body", "bytes")
        if size:
            self._part = _Part.PAYLOAD
            return line + 2
        # The line's CRLF stays: with it, the trailer section ends in a blank line even if empty.
        self._part = _Part.TRAILERS
        return line

    def _read_payload(self, buffer: bytearray, at: int) -> int:
        piece = buffer[at : at + self._left]
        self._body += piece
        self._left -= len(piece)
        self._room -= len(piece)
        if not self._left:
            self._part = _Part.PAYLOAD_END
        return len(piece)

    def _read_payload_end(self, buffer: bytearray, at: int) -> int:
        end = buffer[at : at + 2]
        if not b"\r\n".startswith(end):
            raise RequestFault(400, "a chunk that does not end where its size says")
        if len(end) < 2:
            return 0
        self._part = _Part.SIZE
        return 2

    def _read_trailers(self, buffer: bytearray) -> None:
        section = self._trailers.take(buffer)
        if section is None:
            return
        for line in section.split(b"\r\n")[1:-2]:
            if not _TRAILER.match(line):
                raise RequestFault(400, "a malformed trailer")
        self.finished = True
