"""What waits to be sent: frames in a queue, handed out as bytes.

Pongs overtake what waits (RFC 6455, section 5.5.2), a Close that is owed goes last, and a long
message is encoded piece by piece as it is fetched. Who puts frames here is ``sending``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

from ..limits import MESSAGE_OVERHEAD, STREAM_PIECE, Limits
from .backlog import Backlog, Waiting
from .codes import Opcode
from .extensions import Extension, passes_by
from .frames import FIN, MAX_CONTROL, Frame, build_header, mask
from .keepalive import PingBook
from .masking import random_key
from .state import OPEN, State, Trigger, next_state

__all__ = ["Outgoing", "Role"]

_FEW_PIECES = 8
_JOIN_BELOW = 2048
"""A payload under this many bytes is joined to its header at once; over it, it isn't copied."""


class Role(Enum):
    """Which end of the connection we are (RFC 6455, section 5.1: only a client masks)."""

    SERVER = "server"
    CLIENT = "client"


class Outgoing:
    """The end of ``WebSocketConnection`` that bytes leave by; its arguments are here."""

    __slots__ = (
        "_alone", "_later", "_masked", "_masking_key", "_now", "_out", "_overdue", "_owed",
        "_pings", "_plain_below", "_pongs", "_sending", "_unarmed", "behind", "extensions",
        "limits", "piecewise", "queued", "role", "state", "subprotocol",
    )  # fmt: skip

    def __init__(
        self,
        role: Role,
        limits: Limits,
        extensions: Sequence[Extension],
        subprotocol: str | None,
        masking_key: Callable[[], bytes] | None,
    ) -> None:
        self.role = role
        self.limits = limits
        self.extensions = tuple(extensions)
        sole = self.extensions[0] if len(self.extensions) == 1 else None
        self._alone = sole if sole is not None and sole.direct else None
        self.subprotocol = subprotocol
        self.state = State.OPEN
        self.queued = 0
        self.piecewise = False
        self.behind = False
        self._masked = role is Role.SERVER
        self._masking_key = masking_key or random_key
        self._out: list[bytes] = []
        self._later: Backlog | None = None  # what waits to be encoded, while we are behind
        self._pongs: Sequence[bytes] = ()
        self._owed: bytes | None = None  # the payload of the Close that we owe
        self._sending: type[str | bytes] | None = None  # of a fragmented message
        self._plain_below = self._find_plain()
        self._pings: PingBook | None = None
        self._now = 0.0  # the latest that we were told
        self._unarmed = False  # a deadline has begun, and waits to be told the time
        self._overdue = False  # a deadline has passed: an owed Close is held back no longer

    def data_to_send(self, *, hold_close: bool = False) -> bytes:
        """Hand out what is queued, joined, and empty the queue.

        If the connection is ``piecewise``, a long message comes in several calls.

        Args:
            hold_close: Keep an owed Close back: answers to messages before it are still to come.
                After ``Limits.answer_timeout`` it goes out all the same.
        """
        if self._pongs or self._owed is not None:
            self._send_due(hold_close)
        if self.behind:
            return b"".join(self._next_pieces())
        out = self._out
        if not out:
            return b""
        data = b"".join(out) if len(out) > 1 else out[0]
        out.clear()
        self.queued = 0
        return data

    def pieces_to_send(self, *, hold_close: bool = False) -> list[bytes]:
        """Hand out what ``data_to_send`` does, without copying a long payload to join it.

        It is for what ``queued`` says is long, and for a transport that takes several pieces.
        """
        if self._pongs or self._owed is not None:
            self._send_due(hold_close)
        if self.behind:
            return self._next_pieces()
        pieces, self._out = self._out, []
        self.queued = 0
        # Few pieces are a long payload or two and their headers; many are small ones.
        return pieces if len(pieces) <= _FEW_PIECES else [b"".join(pieces)]

    def has_data_to_send(self, *, hold_close: bool = False) -> bool:
        """Tell whether ``data_to_send`` would give anything."""
        owed = self._owed is not None and (not hold_close or self._overdue)
        return bool(self._out or self._pongs or owed or self.behind)

    @property
    def _waiting(self) -> bool:
        """Whether anything is queued that ``data_to_send`` hands out."""
        return bool(self._out or self.behind)

    # ------------------------------------------------------------------------------ frames

    def _encode(self, opcode: Opcode, payload: bytes, fin: bool, compress: bool | None) -> None:
        frame = Frame(opcode, payload, fin)
        whole = fin and opcode
        for extension in self.extensions:
            if not (whole and passes_by(extension, len(payload), compress)):
                frame = extension.encode(frame, compress=compress)
        self._queue(frame.first_byte, frame.payload)

    def _queue(self, first: int, payload: bytes) -> None:
        """Write a frame into the queue."""
        length = len(payload)
        if self._masked:
            header = build_header(first, length)
        else:
            key = self._masking_key()
            header = build_header(first, length, key)
            payload = mask(payload, key)
        self.queued += len(header) + length
        if length < _JOIN_BELOW:
            self._out.append(header + payload)
        else:
            self._out += (header, payload)

    def _find_plain(self) -> int:
        """Give the size under which a text message is sent at once and as it is: 0 for none is."""
        if not self._masked or self.state is not OPEN or self._sending is not None or self.behind:
            return 0
        if not self.extensions:
            return MAX_CONTROL + 1
        return min([MAX_CONTROL + 1, *(extension.minimum_size for extension in self.extensions)])

    # --------------------------------------------------------------- long messages, in pieces

    def _is_long(self, frame: Waiting) -> bool:
        return frame.compress is not False and any(
            0 < extension.piece_size < len(frame.payload) for extension in self.extensions
        )

    def _put_off(self, frame: Waiting) -> None:
        """Leave a frame to those who fetch what is queued.

        A sender who does not wait for them is made to, at its own cost: more than
        ``Limits.max_write_buffer`` does not wait in front of another frame.
        """
        if self._later is None:
            self._later = Backlog(max(extension.piece_size for extension in self.extensions))
            self.behind = True
            self._plain_below = self._find_plain()  # nothing overtakes it
        while self._later.size > self.limits.max_write_buffer:
            self._encode_piece(self._later)
        self._wait_with(self._later, frame)

    def _wait_with(self, later: Backlog, frame: Waiting) -> None:
        later.put(frame)
        self.queued += len(frame.payload)

    def _encode_piece(self, later: Backlog) -> int:
        frame = later.take()
        self.queued -= len(frame.payload)
        if frame.opcode is Opcode.CLOSE:
            self._queue(FIN | Opcode.CLOSE, frame.payload)
        else:
            self._encode(*frame)
        return len(frame.payload) + MESSAGE_OVERHEAD

    def _next_pieces(self) -> list[bytes]:
        """Encode as much as a turn may take, and hand it out."""
        later = self._later
        assert later is not None
        room = STREAM_PIECE
        while later and room > 0:
            room -= self._encode_piece(later)
        pieces, self._out = self._out, []
        self.queued = later.size
        if not later:
            self._later = None
            self.behind = False
            self._plain_below = self._find_plain()
        return pieces

    # ----------------------------------------------------------------- pongs and the Close

    def _send_due(self, hold_close: bool) -> None:
        """Queue what is sent when the time has come: pongs, and a Close that is owed."""
        if self._pongs:
            self._send_pongs()
        if self._owed is not None and (not hold_close or self._overdue):
            self._send_owed()

    def _send_pongs(self) -> None:
        """Put pongs in front of what waits: nothing else of ours is due as soon (5.5.2)."""
        pongs, self._pongs = self._pongs, ()
        waiting, self._out = self._out, []
        for payload in pongs:
            self._queue(FIN | Opcode.PONG, payload)
        self._out += waiting

    def _send_owed(self) -> None:
        """Queue the Close that we owe: it is the last thing that we send."""
        payload, self._owed = self._owed, None
        self._move(Trigger.SEND_CLOSE)
        self._queue_close(payload or b"")
        self._overdue = False
        self._unarmed = True

    def _queue_close(self, payload: bytes) -> None:
        """Queue a Close, behind all that waits."""
        if self._later is not None:
            self._wait_with(self._later, Waiting(Opcode.CLOSE, payload))
        else:
            self._queue(FIN | Opcode.CLOSE, payload)

    def _move(self, trigger: Trigger) -> None:
        self.state = next_state(self.state, trigger)
        self._plain_below = self._find_plain()
