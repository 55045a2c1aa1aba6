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

from collections.abc import Callable, Iterator

from ..limits import H2_SPAN, MAX_HEADER_LIST, Limits
from .h2_frames import HEADER, PREFACE, ErrorCode, Kind

__all__ = ["ConnectionFault", "FrameGate"]

_MAX_FRAME = 16_384  # SETTINGS_MAX_FRAME_SIZE, which we leave at its default
_UPDATES_PER_FRAME = 10  # the ratio that Envoy allows too
_MAX_FORGOTTEN = 256  # more than can be reset before what was on its way has arrived
_DATA = int(Kind.DATA)  # the commonest
_GOAWAY = 8  # bytes that it has at least
_STREAM = (1 << 31) - 1  # without the reserved bit
_ACK = 0x01
_END_STREAM = 0x01
_END_HEADERS = 0x04


class ConnectionFault(Exception):
    """What ends a connection: caught in one place, ``HTTP2Connection``, never beyond it.

    Args:
        code: For the GOAWAY frame.
        text: Why, in words for our log.
    """

    def __init__(self, code: int, text: str) -> None:
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
        dropped: Bytes of data that were not handed on, and that count in the connection's window.
    """

    __slots__ = (
        "_block", "_block_began", "_control", "_forgotten", "_free_updates", "_held", "_keep",
        "_kept", "_left", "_limits", "_max_block", "_resets", "dropped", "goaway",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = b""  # the beginning of a frame's header
        self._left = len(PREFACE)  # bytes of the preface, or of a frame, that are to come
        self._keep: Callable[[memoryview], None] | None = None  # takes what is not handed on
        self._kept = bytearray()  # a GOAWAY
        self._forgotten: dict[int, None] = {}  # streams that were reset from here
        self._block = 0  # bytes of a header block whose end has not come
        self._block_began: float | None = None
        self._max_block = max(MAX_HEADER_LIST, limits.max_head_size)
        self._free_updates = _UPDATES_PER_FRAME
        self._resets = _Budget(limits, "max_h2_resets", "resets of streams")
        self._control = _Budget(limits, "max_h2_control_frames", "frames that carry no request")
        self.goaway: int | None = None
        self.dropped = 0

    def pass_on(self, data: bytes | bytearray | memoryview, now: float) -> Iterator[memoryview]:
        """Count what arrived, and give it in pieces to hand on: a frame each, or a part of one.

        What a frame leads to is to be dealt with before the next is asked for: what counts as a
        flood depends on it.

        Raises:
            ConnectionFault: Behind the last piece that may still be handed on.
        """
        view = memoryview(self._held + bytes(data) if self._held else data)
        self._held = b""
        at = 0
        while at < len(view):
            if not self._left:
                if len(view) - at < HEADER:
                    self._held = bytes(view[at:])
                    break
                self._admit(view[at : at + HEADER], now)
            piece = view[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._keep is None:
                yield piece
            else:
                self._keep(piece)

    def count_resets(self, count: int, now: float) -> None:
        """Count streams that were reset from here.

        Raises:
            ConnectionFault: If it is one too many.
        """
        for _ in range(count):
            self._resets.spend(now)

    def forget(self, stream: int) -> None:
        """Drop what data still comes of a stream that was reset from here.

        Its peer did not know when it sent that (section 5.1); h2 would answer each frame.
        """
        self._forgotten[stream] = None
        if len(self._forgotten) > _MAX_FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]

    def count_sent(self) -> None:
        """Count a frame of data that we sent: the peer has a reason to update its windows."""
        self._free_updates = min(self._free_updates + _UPDATES_PER_FRAME, 1 << 20)

    def deadline(self) -> float | None:
        """Tell when a header block has to be whole."""
        began = self._block_began
        return None if began is None else began + self._limits.handshake_timeout

    def _admit(self, header: memoryview, now: float) -> None:
        length = header[0] << 16 | header[1] << 8 | header[2]
        kind, flags = header[3], header[4]
        self._left = HEADER + length
        self._keep = None
        if length > _MAX_FRAME:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
        if kind == _DATA and (length or flags & _END_STREAM):
            if self._forgotten and self._block_began is None:  # in a block h2 refuses all else
                self._drop(_stream(header), length, flags)
        elif kind in (Kind.HEADERS, Kind.CONTINUATION):
            self._grow_block(length, flags, now)
        elif kind == Kind.RST_STREAM:
            self._resets.spend(now)
        elif kind == Kind.WINDOW_UPDATE and self._free_updates:
            self._free_updates -= 1
        else:
            self._control.spend(now)
            self._admit_rare(header, length, kind, flags)

    def _admit_rare(self, header: memoryview, length: int, kind: int, flags: int) -> None:
        if kind == Kind.SETTINGS and flags & _ACK and length:  # h2 has the other sizes right
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "settings in their acknowledgement")
        if kind != Kind.GOAWAY or self._block_began is not None:
            return
        if _stream(header) == 0 and length >= _GOAWAY:  # else h2 says what is wrong with it
            self._kept.clear()
            self._keep = self._keep_goaway

    def _drop(self, stream: int, length: int, flags: int) -> None:
        """Drop a frame of data, if it is of a stream that was reset."""
        if stream in self._forgotten:
            self.dropped += length
            self._keep = _keep_nothing
            if flags & _END_STREAM:  # the peer can't have sent more than that
                del self._forgotten[stream]

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

    def _keep_goaway(self, piece: memoryview) -> None:
        self._kept += piece
        if not self._left:
            self.goaway = int.from_bytes(self._kept[HEADER + 4 : HEADER + 8], "big")


def _stream(header: memoryview) -> int:
    return int.from_bytes(header[5:], "big") & _STREAM


def _keep_nothing(piece: memoryview) -> None:
    """Take a piece of a frame that is dropped."""


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
