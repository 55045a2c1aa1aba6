"""Received bytes become one message head: start line, header fields, blank line (RFC 9112, 2.1).

``HeadReader`` cuts a head out of a buffer and bounds it while it is still growing. h11 bounds only
a head that is incomplete after a read, so that 20,000 fields in one read pass it; here every byte
counts, however the bytes arrive. The same rules serve the trailer section of a chunked body.

What a field or the request line means is not known here (``h1_request`` knows): only lines, their
number and size, and which bytes may stand in them.

Theory: the fault of a head is the one at its first offending byte. A clean read is recognised with
a few passes at C speed over its new bytes only, so a head that comes byte by byte costs linear
time; ``_first_fault`` walks the lines one by one, once, when something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from ..limits import Limits

__all__ = ["HeadReader", "RequestFault"]

_LEGAL = bytes([*b"\t\r\n", *range(0x20, 0x7F), *range(0x80, 0x100)])
_ILLEGAL = re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]|\r[^\n]|(?<!\r)\n")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_TLS_HANDSHAKE = 0x16


class RequestFault(Exception):
    """A request that cannot be served: caught in one place, ``HTTP1Connection``, never beyond it.

    Args:
        status: The HTTP status that answers it.
        text: Why, in words for the peer.
        log: Why, in words for our log; ``text`` if empty.
    """

    def __init__(self, status: int, text: str, log: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.log = f"{status}: {log or text}"

    @classmethod
    def over(cls, limits: Limits, name: str, status: int, what: str, unit: str) -> RequestFault:
        """Build the fault of a request that runs into ``Limits.<name>``."""
        value = getattr(limits, name)
        log = f"{what} over Limits.{name} ({value} {unit}), raise it with Limits({name}=...)"
        return cls(status, f"{what} over {value} {unit}", log)


class HeadReader:
    """Cut message heads out of received bytes, one after the other.

    Args:
        limits: ``max_head_size``, ``max_headers`` and ``max_header_line`` are looked at. A line is
            measured without its CRLF, a head with everything up to the end of its blank line.
        what: What to call the head in an error.
        first: What to call its first line.
    """

    __slots__ = ("_first", "_limits", "_line_start", "_lines", "_scanned", "_skipped", "_what")

    def __init__(
        self, limits: Limits, what: str = "request head", first: str = "request line"
    ) -> None:
        self._limits = limits
        self._what = what
        self._first = first
        self._restart()

    def _restart(self) -> None:
        self._scanned = 0  # bytes that were found clean, never a CR whose LF is still to come
        self._lines = 0  # complete lines among them
        self._line_start = 0  # where the unfinished line begins
        self._skipped = False

    def skip_blank_line(self, buffer: bytearray) -> None:
        """Drop one empty line before a request line, as RFC 9112, section 2.2 asks.

        Raises:
            RequestFault: 400 for a second one.
        """
        if buffer.startswith(b"\r\n"):
            if self._skipped:
                raise RequestFault(400, "empty lines instead of a request line")
            del buffer[:2]
            self._skipped = True
            self.skip_blank_line(buffer)

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove a whole head from the front of ``buffer``; ``None`` if more bytes are needed.

        Raises:
            RequestFault: 414 or 431 for a head over a limit, even an unfinished one; 400 for a
                control character, a CR or a LF on its own.
        """
        # Of a blank line that is only now complete, no more than the CRLF before it was scanned.
        blank = buffer.find(b"\r\n\r\n", max(self._scanned - 2, 0))
        complete = blank >= 0
        end = blank + 4 if complete else len(buffer)
        new = buffer[self._scanned : min(end, self._limits.max_head_size + 1)]
        if not self._is_clean(buffer, new, end, complete):
            raise self._first_fault(buffer, min(end, self._limits.max_head_size + 1))
        if complete:
            head = bytes(memoryview(buffer)[:end])
            del buffer[:end]
            if self._scanned or self._skipped:
                self._restart()
            return head
        self._advance(new)
        return None

    def _is_clean(self, buffer: bytearray, new: bytearray, end: int, complete: bool) -> bool:
        limits = self._limits
        pairs = new.count(b"\r\n")
        return (
            end <= limits.max_head_size
            and not new.translate(None, _LEGAL)
            and new.count(b"\n") == pairs
            and new.count(b"\r") - new.endswith(b"\r") == pairs
            # Beside the fields there is the start line, and the blank line of a complete head.
            and self._lines + pairs <= limits.max_headers + 1 + complete
            and (end <= limits.max_header_line or self._lines_fit(buffer, new, end))
        )

    def _lines_fit(self, buffer: bytearray, new: bytearray, end: int) -> bool:
        """Tell whether every line that ``new`` touches is within its limit."""
        longest = end - self._line_start - new.endswith(b"\r")
        if b"\n" in new:
            lines = buffer[self._line_start : end].removesuffix(b"\r").split(b"\r\n")
            longest = max(map(len, lines))
        return longest <= self._limits.max_header_line

    def _advance(self, new: bytearray) -> None:
        newest = new.rfind(b"\n")
        if newest >= 0:
            self._lines += new.count(b"\n")
            self._line_start = self._scanned + newest + 1
        self._scanned += len(new) - new.endswith(b"\r")

    def _first_fault(self, buffer: bytearray, end: int) -> RequestFault:
        """Walk the lines not yet known to be clean; a fault stands in one that may still come."""
        start = self._line_start
        lines = _LINE.finditer(bytes(buffer[start:end]))
        faults = [
            fault
            for number, line in enumerate(islice(lines, self._limits.max_headers + 2), self._lines)
            for fault in self._faults_of_line(line[0], start + line.start(), number)
        ]
        return min(faults, key=lambda fault: fault[0])[1]

    def _faults_of_line(
        self, line: bytes, start: int, number: int
    ) -> Iterator[tuple[int, RequestFault]]:
        """Give each fault of a line with the position of the byte that makes it one."""
        limits = self._limits
        content = len(line.removesuffix(b"\n").removesuffix(b"\r"))
        if content > limits.max_header_line:
            status, what = (431, f"a line of the {self._what}") if number else (414, self._first)
            fault = RequestFault.over(limits, "max_header_line", status, what, "bytes")
            yield start + limits.max_header_line, fault
        if start + len(line) > limits.max_head_size:
            fault = RequestFault.over(limits, "max_head_size", 431, self._what, "bytes")
            yield limits.max_head_size, fault
        illegal = _ILLEGAL.search(line)
        if illegal:
            at = start + illegal.start()
            yield at, RequestFault(400, _describe(line, at, self._what))
        elif number > limits.max_headers and content and line.endswith(b"\n"):
            fault = RequestFault.over(limits, "max_headers", 431, self._what, "fields")
            yield start + len(line) - 1, fault


def _describe(line: bytes, at: int, what: str) -> str:
    if at == 0 and line[0] == _TLS_HANDSHAKE:
        return "this looks like TLS (https or wss) on a port that speaks plain HTTP"
    return f"{what} with a control character, or with a CR or LF that is not part of a CRLF"
