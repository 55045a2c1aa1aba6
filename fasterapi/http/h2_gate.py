"""Frame headers before h2 sees the frames: what a peer may send that is no request.

h2 checks what a frame says and answers it; how many of them come it does not mind, and each ping,
each set of settings and each stream that is made to fail costs an answer or a handler. Here every
frame is counted by its header (RFC 9113, sections 4.1 and 10.5). A frame that is too long, or one
of too many, is where the connection ends; nothing of it is handed on.

Three kinds of floods are told apart: resets (CVE-2023-44487, CVE-2025-8671), frames that carry no
request (CVE-2019-9512, -9515, -9518), and header blocks without an end (CVE-2024-27316). What the
fields, the settings and the data of a frame say is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from ..limits import H2_SPAN, MAX_HEADER_LIST, Limits

__all__ = ["PREFACE", "ConnectionFault", "ErrorCode", "FrameGate"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113, section 3.4)."""

_HEADER = 9
_MAX_FRAME = 16_384  # SETTINGS_MAX_FRAME_SIZE, which we leave at its default
_UPDATES_PER_FRAME = 10  # the ratio that Envoy allows too
_END_STREAM = 0x01
_END_HEADERS = 0x04


class ErrorCode(IntEnum):
    """Error codes of GOAWAY and RST_STREAM (RFC 9113, section 7), as far as we send them."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    ENHANCE_YOUR_CALM = 0xB


class _Kind(IntEnum):
    """Types of frames (RFC 9113, section 6), as far as they are treated apart."""

    DATA = 0x0
    HEADERS = 0x1
    RST_STREAM = 0x3
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9


class ConnectionFault(Exception):
    """What ends a connection: caught in one place, ``HTTP2Connection``, never beyond it.

    Args:
        code: For the GOAWAY frame.
        text: Why, in words for our log.
    """

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class FrameGate:
    """Counts the frames of one connection, and hands them on.

    Args:
        limits: ``max_h2_resets``, ``max_h2_control_frames``, ``max_head_size`` and
            ``handshake_timeout`` are looked at.

    Attributes:
        goaway: The error code of the GOAWAY that the peer has sent; ``None`` if it has not. The
            frame is not handed on, for h2 would not let us answer what is open.
    """

    __slots__ = (
        "_block", "_block_began", "_control", "_free_updates", "_held", "_left", "_limits",
        "_max_block", "_resets", "_swallowed", "goaway",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = b""  # the beginning of a frame's header
        self._left = len(PREFACE)  # bytes of the preface, or of a frame, that are to come
        self._swallowed: bytearray | None = None  # a GOAWAY
        self._block = 0  # bytes of a header block whose end has not come
        self._block_began: float | None = None
        self._max_block = max(MAX_HEADER_LIST, limits.max_head_size)
        self._free_updates = _UPDATES_PER_FRAME
        self._resets = _Budget(limits, "max_h2_resets", "resets of streams")
        self._control = _Budget(limits, "max_h2_control_frames", "frames that carry no request")
        self.goaway: int | None = None

    def pass_on(self, data: bytes | bytearray | memoryview, now: float) -> Iterator[memoryview]:
        """Count what arrived, and give it in pieces to hand on.

        A piece never reaches over a frame's end into a frame that is not to be handed on.

        Raises:
            ConnectionFault: Behind the last piece that may still be handed on.
        """
        view = memoryview(self._held + bytes(data) if self._held else data)
        self._held = b""
        first = at = 0
        while at < len(view):
            if not self._left:
                if len(view) - at < _HEADER:
                    self._held = bytes(view[at:])
                    break
                try:
                    self._admit(view[at : at + _HEADER], now)
                except ConnectionFault:
                    yield view[first:at]
                    raise
                if self._swallowed is not None or view[at + 3] == _Kind.RST_STREAM:
                    # h2 takes a piece as a whole: what came before a reset is answered before it.
                    yield view[first:at]
                    first = at
            size = min(self._left, len(view) - at)
            at += size
            self._left -= size
            if self._swallowed is not None:
                self._swallowed += view[first:at]
                first = at
                if not self._left:
                    self._end_goaway(self._swallowed)
        if first < at:
            yield view[first:at]

    def count_reset(self, now: float) -> None:
        """Count a stream that we reset.

        Raises:
            ConnectionFault: If it is one too many.
        """
        self._resets.spend(now)

    def count_sent(self) -> None:
        """Count a frame of data that we sent: the peer has a reason to update its windows."""
        self._free_updates = min(self._free_updates + _UPDATES_PER_FRAME, 1 << 20)

    def deadline(self) -> float | None:
        """Tell when a header block has to be whole."""
        began = self._block_began
        return None if began is None else began + self._limits.handshake_timeout

    def _admit(self, header: memoryview, now: float) -> None:
        length = int.from_bytes(header[:3], "big")
        kind, flags = header[3], header[4]
        if length > _MAX_FRAME:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
        if kind in (_Kind.HEADERS, _Kind.CONTINUATION):
            self._grow_block(length, flags, now)
        elif kind == _Kind.RST_STREAM:
            self._resets.spend(now)
        elif kind == _Kind.WINDOW_UPDATE and self._free_updates:
            self._free_updates -= 1
        elif kind != _Kind.DATA or (length == 0 and not flags & _END_STREAM):
            self._control.spend(now)
        self._left = _HEADER + length
        if kind == _Kind.GOAWAY:
            self._swallowed = bytearray()

    def _grow_block(self, length: int, flags: int, now: float) -> None:
        self._block += length
        if self._block > self._max_block:
            raise ConnectionFault(
                ErrorCode.ENHANCE_YOUR_CALM,
                f"a header block of over {self._max_block} bytes; "
                "Limits(max_head_size=...) raises that",
            )
        if flags & _END_HEADERS:
            self._block, self._block_began = 0, None
        elif self._block_began is None:
            self._block_began = now

    def _end_goaway(self, frame: bytearray) -> None:
        self._swallowed = None
        self.goaway = int.from_bytes(frame[_HEADER + 4 : _HEADER + 8], "big")


class _Budget:
    """How many of a kind may come within ``H2_SPAN`` seconds.

    Args:
        limits: Where the number stands.
        name: Its name there.
        what: What is counted, in words.
    """

    __slots__ = ("_began", "_limits", "_name", "_spent", "_what")

    def __init__(self, limits: Limits, name: str, what: str) -> None:
        self._limits = limits
        self._name = name
        self._what = what
        self._spent = 0
        self._began = 0.0

    def spend(self, now: float) -> None:
        """Count one more; ``ConnectionFault`` if it is one too many."""
        if now - self._began >= H2_SPAN:
            self._began, self._spent = now, 0
        self._spent += 1
        most = getattr(self._limits, self._name)
        if self._spent > most:
            raise ConnectionFault(
                ErrorCode.ENHANCE_YOUR_CALM,
                f"{self._what} over Limits.{self._name} ({most} in {H2_SPAN:g} s), "
                f"raise it with Limits({self._name}=...)",
            )
