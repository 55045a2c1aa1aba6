"""From frames to events: the inner half of what a connection receives.

RFC 6455, sections 5 and 6.2. Frames of plain messages pass their payloads on as they arrive; a
control frame, and one that an extension reads, gathers until it is whole. ``receiving`` finds the
frames.
"""

from __future__ import annotations

from functools import cache

from ..errors import FrameError, PayloadError
from ..limits import FRAME_OVERHEAD
from .codes import Opcode
from .events import Closed, Event, Ping, Pong
from .extensions import claimed_bits
from .frames import FIN, RSV, Frame, check_opcode, parse_close
from .lifetime import Lifetime
from .messages import MessageAssembler, decode_text
from .state import State, Trigger

__all__ = ["Incoming"]

_TEXT = 0x01
"""Which of the two opcodes that begin a message it is (RFC 6455, section 11.8)."""
_OPCODES = {int(opcode): opcode for opcode in Opcode}


class Incoming(Lifetime):
    """What becomes of the frames that ``Receiving`` finds."""

    __slots__ = (
        "_assembling", "_claimed", "_cost", "_every_frame", "_held", "_message_held", "_whole",
    )  # fmt: skip

    def _expect(self) -> None:
        self._claimed = claimed_bits(self.extensions)
        self._every_frame = False
        for extension in self.extensions:
            self._every_frame = self._every_frame or extension.every_frame
        self._whole = _whole_messages(self._claimed)  # first bytes of those that we decode
        self._assembling: MessageAssembler | None = None
        self._held: bytes | bytearray = b""  # of a control frame, or one for an extension
        self._message_held = False
        self._cost = 0  # of this step: bytes that extensions have made, and frames

    @property
    def _assembler(self) -> MessageAssembler:
        """Where messages gather: made when it is needed, for many connections never do."""
        assembler = self._assembling
        if assembler is None:
            assembler = self._assembling = MessageAssembler(self.limits)
        return assembler

    # ------------------------------------------------------------------------------- frames

    def _check(self, first: int, length: int) -> None:
        """Refuse a frame that may not stand here, going by its first byte and its length."""
        check_opcode(first, length)
        opcode = first & 0x0F
        if first & RSV & (~self._claimed if opcode < Opcode.CLOSE else RSV):
            raise FrameError("reserved bit set, and no extension to claim it")
        if opcode < Opcode.CLOSE:
            self._assembler.check(opcode)

    def _open_frame(self, first: int, length: int) -> None:
        """Begin a frame that ``_check`` has passed; ``length`` is the whole length."""
        opcode = first & 0x0F
        if opcode >= Opcode.CLOSE:
            return
        if opcode != Opcode.CONTINUATION:
            self._message_held = self._every_frame or bool(first & RSV)
        if self._is_held(first):
            # What compression can't make smaller it makes longer.
            self._assembler.check_size(length - _spare(length))
        else:
            self._assembler.check_size(length)
            self._assembler.begin(opcode)

    def _is_held(self, first: int) -> bool:
        """Tell whether a frame gathers whole: a control frame, or one that an extension reads."""
        return bool(first & (RSV | Opcode.CLOSE)) or self._message_held

    def _hold(self, piece: bytes) -> None:
        self._held = self._held or bytearray()
        self._held += piece

    def _end_frame(self, first: int, events: list[Event]) -> None:
        self._cost += FRAME_OVERHEAD
        if not self._is_held(first):
            self._assembler.end(bool(first & FIN), events.append)
            return
        payload, self._held = bytes(self._held), b""
        if first & Opcode.CLOSE:
            self._control(first & 0x0F, payload, events)
        else:
            self._decode(first, payload, events)

    # --------------------------------------------------------------------------- extensions

    def _decode_whole(self, first: int, payload: bytes) -> str | bytes:
        """Decode a message in one frame, which need not gather anywhere."""
        if (extension := self._alone) is None:
            self._cost += FRAME_OVERHEAD
            opcode, payload, _, _ = self._through_extensions(first, payload)
            return decode_text(payload) if opcode is Opcode.TEXT else payload
        most = self.limits.max_message_size
        payload = extension.decode_message(payload, most)
        size = len(payload)
        self._cost += size + FRAME_OVERHEAD
        if size > most:
            self._assembler.check_size(size)
        return decode_text(payload) if first & _TEXT else payload

    def _through_extensions(self, first: int, payload: bytes) -> Frame:
        """Take a data frame through the extensions, last encoder first (RFC 6455, section 9.1)."""
        assembler = self._assembler
        frame = Frame(_OPCODES[first & 0x0F], payload, first >= FIN, first & RSV)
        room = assembler.room
        ahead = len(self.extensions)
        for extension in reversed(self.extensions):
            ahead -= 1
            # Those ahead may take something off again. What came to more than it was allowed to
            # may have been cut there: nobody takes that for the whole.
            spare = _spare(room) if ahead else 0
            frame = extension.decode(frame, limit=room + spare)
            assembler.check_size(len(frame.payload) - spare)
        if frame.rsv:
            raise FrameError("reserved bit that no extension cleared")
        self._cost += len(frame.payload)
        return frame

    def _decode(self, first: int, payload: bytes, events: list[Event]) -> None:
        """Decode a frame that stands alone, or in a message that is gathered."""
        assembler = self._assembler
        frame = self._through_extensions(first, payload)
        assembler.begin(frame.opcode)
        assembler.feed(frame.payload, events.append)
        assembler.end(frame.fin, events.append)

    # ------------------------------------------------------------------------ control frames

    def _control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == Opcode.PING:
            if self.state is State.OPEN:
                # A peer that never reads gets its latest pings answered (section 5.5.3).
                self._pongs = [*self._pongs, payload][-self.limits.max_queued_pongs :]
            events.append(Ping(payload))
        elif opcode == Opcode.PONG:
            pings = self._pings
            latency, answers = pings.answered(payload, self._now) if pings else (None, ())
            events.append(Pong(payload, latency, answers))
        else:
            self._receive_close(payload, events)

    def _receive_close(self, payload: bytes, events: list[Event]) -> None:
        code, text = parse_close(payload)
        try:
            reason = text.decode()
        except UnicodeDecodeError:
            raise PayloadError("close reason that is not UTF-8") from None
        # With its reason too, for that is what a browser reports as the reason of the close.
        self._owe(Trigger.RECEIVE_CLOSE, payload)
        events += self._report(Closed(code, reason, remote=True))


def _spare(size: int) -> int:
    """Give the bytes by which so many on the wire may be more than what they stand for.

    DEFLATE of what does not shrink takes nine bits a byte with its fixed codes (RFC 1951, section
    3.2.6), and zlib with the least memory 5.5 % in blocks that are only stored.
    """
    return (size >> 3) + 64


@cache
def _whole_messages(claimed: int) -> frozenset[int]:
    """Give the first bytes of messages in one frame that carry a claimed bit, and no other."""
    return frozenset(
        FIN | rsv | opcode
        for rsv in range(0x10, RSV + 1, 0x10)
        if not rsv & ~claimed
        for opcode in (Opcode.TEXT, Opcode.BINARY)
    )
