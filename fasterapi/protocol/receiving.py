"""The receiving half of a connection: bytes to frames, and frames to events.

RFC 6455, sections 5 and 6.2. One read usually holds whole frames: the scan takes all of them at
once, and the last one goes on piece by piece. Where they inflate, a read may be taken in steps. An
error becomes a close code where a read is taken, and nowhere else.
"""

from __future__ import annotations

from functools import cache

from .._speedups import scan, unwrap
from ..errors import FrameError, PayloadError, RemoteProtocolError
from .codes import Opcode
from .events import Closed, Event, Ping, Pong
from .extensions import claimed_bits
from .frames import (
    FIN,
    RSV,
    Frame,
    PartialFrame,
    check_opcode,
    mask,
    parse_close,
    parse_header,
)  # fmt: skip
from .lifetime import Lifetime
from .messages import MessageAssembler, decode_text
from .sending import FINAL_BINARY, FINAL_TEXT
from .state import OPEN, State, Trigger

__all__ = ["Receiving"]

Buffer = bytes | bytearray | memoryview

_SLACK = 64
_TEXT = 0x01
"""Which of the two opcodes that begin a message it is (RFC 6455, section 11.8)."""
_OPCODES = {int(opcode): opcode for opcode in Opcode}


class Receiving(Lifetime):
    """What ``WebSocketConnection`` receives."""

    __slots__ = (
        "_assembling", "_claimed", "_decoded", "_direct", "_every_frame", "_held", "_message_held",
        "_partial", "_rest", "_scanned", "_whole", "stepwise", "unread",
    )  # fmt: skip

    def _expect(self) -> None:
        self._claimed = claimed_bits(self.extensions)
        self._every_frame = False
        for extension in self.extensions:
            self._every_frame = self._every_frame or extension.every_frame
        self._whole = _whole_messages(self._claimed)  # first bytes of those that we decode
        self._assembling: MessageAssembler | None = None
        self._rest = b""  # an unfinished header, or what is behind the end of a step
        self._partial: PartialFrame | None = None
        self._held: bytes | bytearray = b""  # of a control frame, or one for an extension
        self._message_held = False
        self._direct = not self._every_frame  # a read may be a message and nothing else
        self.stepwise = self.unread = False
        self._decoded = 0  # bytes that extensions have made in this step
        self._scanned: tuple[bytes, list[int], int] | None = None  # frames of the next step

    def receive_data(self, data: Buffer, now: float = 0.0) -> list[Event]:
        """Take what the transport read.

        Args:
            data: One read, however many frames it holds or cuts. Nothing, to go on with what is
                ``unread``.
            now: The time, in seconds.

        Returns:
            Its events in order: ``str`` and ``bytes`` are messages. Nothing after the peer's Close
            or its first fault, which is a ``Closed``; a fault never raises.
        """
        self._now = now
        if (timer := self._timer) is not None:
            timer.heard = now
        if self._unarmed:
            self._arm(now)
        # The commonest read is one message: it costs one call into the kernels and no more.
        if self._direct and self.state is OPEN:
            payload = unwrap(data, self._masked)
            if payload is not None and len(payload) <= self.limits.max_message_size:
                first = data[0]
                if first == FINAL_TEXT:
                    try:
                        return [payload.decode()]
                    except UnicodeDecodeError:
                        pass  # found again, and said, below
                elif first == FINAL_BINARY:
                    return [payload]
                elif first in self._whole:
                    return self._take_whole(first, payload)
        if self.unread:
            return self._go_on(data, now)
        events: list[Event] = []
        if self._receiving:
            self._take_read(data, events)
        return events

    def receive_eof(self, now: float = 0.0, *, drop: bool = False) -> list[Event]:
        """Take the end of what the peer sends, which without a Close is code 1006.

        Args:
            now: The time, in seconds.
            drop: Let go of what is ``unread``; the end is behind it otherwise.
        """
        if drop:
            self._let_go()
        elif self.unread:
            self._now = now
            self._eof = True
            self.reading = False  # and so nobody waits for a pong
            return []
        return super().receive_eof(now)

    @property
    def streaming(self) -> bool:
        """Whether messages arrive as ``Fragment`` events; may be set at any time.

        A message that has begun in pieces ends in pieces. ``max_message_size`` counts in both
        modes, but in this one memory does not grow with it.
        """
        return self._assembling is not None and self._assembling.streaming

    @streaming.setter
    def streaming(self, value: bool) -> None:
        self._assembler.streaming = value
        self._find_direct()

    # ------------------------------------------------------------------------------- frames

    @property
    def _assembler(self) -> MessageAssembler:
        """Where messages gather: made when it is needed, for many connections never do."""
        assembler = self._assembling
        if assembler is None:
            assembler = self._assembling = MessageAssembler(self.limits)
        return assembler

    @property
    def _receiving(self) -> bool:
        return self.state is OPEN or self.state is State.LOCAL_CLOSING

    def _find_direct(self) -> None:
        """Note whether the next read begins with a frame, and messages go straight through."""
        assembler = self._assembling
        self._direct = not (self._rest or self._partial or self._every_frame or self.unread) and (
            assembler is None or not (assembler.streaming or assembler.opcode is not None)
        )

    def _take_read(self, data: Buffer, events: list[Event]) -> None:
        self._decoded = 0
        try:
            if self._scanned is None or self._take_scanned(data, events):
                self._read(data, events)
        except RemoteProtocolError as fault:
            self._fail(fault.code, str(fault), events)
        self._find_direct()

    def _read(self, data: Buffer, events: list[Event]) -> None:
        """Take frames from a read: whole ones by the scan, the last one piece by piece."""
        if self._rest:
            data = self._rest + bytes(data)
            self._rest = b""
        position = 0
        while True:
            if (frame := self._partial) is not None:
                position = self._continue_frame(frame, data, position, events)
                if frame.remaining or not self._receiving:
                    return
                if position < len(data) and self._has_enough():
                    self._leave(data, position)
                    return
            payloads, frames, position = scan(
                data, position, self.limits.max_message_size, self._masked
            )
            if frames and not self._deliver(payloads, frames, 0, events):
                self._leave(data, position)
                return
            if position >= len(data) or not self._receiving:
                return
            header = parse_header(data, position, self._masked, self._check)
            if header is None:
                self._rest = bytes(data[position:])
                return
            self._open_frame(header.first, header.length)
            self._partial = PartialFrame(header)
            position += header.size

    def _deliver(self, payloads: bytes, frames: list[int], start: int, events: list[Event]) -> bool:
        """Take the frames that a scan found; whole messages go straight through.

        Returns:
            Whether that was all in this step; what is left is in ``_scanned``.
        """
        # Text is mostly ASCII, and then decoding all of it at once leaves only slices to make.
        text = payloads.decode("ascii") if payloads.isascii() else None
        assembler = self._assembler
        plain = not (self._every_frame or assembler.streaming)
        whole = plain and assembler.opcode is None
        append = events.append
        following = iter(frames)
        for frame in following:
            end = frame >> 8
            first = frame & 0xFF if whole else 0
            if first == FINAL_TEXT:
                append(decode_text(payloads[start:end]) if text is None else text[start:end])
            elif first == FINAL_BINARY:
                append(payloads[start:end])
            elif first in self._whole:
                append(self._decode_whole(first, payloads[start:end]))
                if self._has_enough() and (later := list(following)):
                    self._scanned = payloads, later, end
                    return False
            else:
                first = frame & 0xFF
                self._check(first, end - start)
                self._open_frame(first, end - start)
                if self._is_held(first):
                    self._hold(payloads[start:end])
                else:
                    self._assembler.feed(payloads[start:end], events.append)
                self._end_frame(first, events)
                if not self._receiving:
                    return True
                if self._has_enough() and (later := list(following)):
                    self._scanned = payloads, later, end
                    return False
                whole = plain and assembler.opcode is None
            start = end
        return True

    # -------------------------------------------------------------------------------- steps

    def _has_enough(self) -> bool:
        """Tell whether this step has decoded as much as fills a queue."""
        return self.stepwise and self._decoded > self.limits.receive_high_water

    def _leave(self, data: Buffer, position: int) -> None:
        """Leave the rest of a read to the next step."""
        self._rest = bytes(data[position:])
        self.unread = True

    def _go_on(self, data: Buffer, now: float) -> list[Event]:
        """Take the next step of a read; behind the last one is the end, if it has come."""
        self.unread = False
        events = self.receive_data(data, now)
        if self._eof and not self.unread:
            events += super().receive_eof(now)
        return events

    def _take_scanned(self, data: Buffer, events: list[Event]) -> bool:
        """Take frames that a step before has left; tell whether what is behind them is due."""
        assert self._scanned is not None
        payloads, frames, start = self._scanned
        self._scanned = None
        if self._deliver(payloads, frames, start, events):
            return self._receiving
        self._leave(self._rest + bytes(data), 0)
        return False

    def _continue_frame(
        self, frame: PartialFrame, data: Buffer, position: int, events: list[Event]
    ) -> int:
        """Take the next piece of an unfinished frame; give the position behind it."""
        end = min(len(data), position + frame.remaining)
        piece = memoryview(data)[position:end]
        if self._is_held(frame.first):
            self._hold(mask(piece, frame.key, frame.offset) if frame.key else bytes(piece))
        else:
            self._assembler.feed(piece, events.append, frame.key, frame.offset)
        frame.advance(len(piece))
        if not frame.remaining:
            self._partial = None
            self._end_frame(frame.first, events)
        return end

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
            # What compression can't make smaller it makes a little longer.
            self._assembler.check_size(length - (length >> 8) - _SLACK)
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
        if not self._is_held(first):
            self._assembler.end(bool(first & FIN), events.append)
            return
        payload, self._held = bytes(self._held), b""
        if first & Opcode.CLOSE:
            self._control(first & 0x0F, payload, events)
        else:
            self._decode(first, payload, events)

    def _take_whole(self, first: int, payload: bytes) -> list[Event]:
        """Take a read that is one message, for extensions to decode, and nothing else."""
        try:
            return [self._decode_whole(first, payload)]
        except RemoteProtocolError as fault:
            events: list[Event] = []
            self._fail(fault.code, str(fault), events)
            return events

    def _decode_whole(self, first: int, payload: bytes) -> str | bytes:
        """Decode a message in one frame, which need not gather anywhere."""
        if (extension := self._alone) is None:
            opcode, payload, _, _ = self._through_extensions(first, payload)
            return decode_text(payload) if opcode is Opcode.TEXT else payload
        most = self.limits.max_message_size
        payload = extension.decode_message(payload, most)
        size = len(payload)
        self._decoded += size
        if size > most:
            self._assembler.check_size(size)
        return decode_text(payload) if first & _TEXT else payload

    def _through_extensions(self, first: int, payload: bytes) -> Frame:
        """Take a data frame through the extensions, last encoder first (RFC 6455, section 9.1)."""
        assembler = self._assembler
        frame = Frame(_OPCODES[first & 0x0F], payload, first >= FIN, first & RSV)
        for extension in reversed(self.extensions):
            frame = extension.decode(frame, limit=assembler.room)
        if frame.rsv:
            raise FrameError("reserved bit that no extension cleared")
        assembler.check_size(len(frame.payload))
        self._decoded += len(frame.payload)
        return frame

    def _decode(self, first: int, payload: bytes, events: list[Event]) -> None:
        """Decode a frame that stands alone, or in a message that is gathered."""
        assembler = self._assembler
        frame = self._through_extensions(first, payload)
        assembler.begin(frame.opcode)
        assembler.feed(frame.payload, events.append)
        assembler.end(frame.fin, events.append)

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

    def _owe(self, trigger: Trigger, payload: bytes) -> None:
        """Stop receiving, and let go of what has arrived and is not taken."""
        unread = self.unread
        self._let_go()
        self.unread = unread  # somebody means to ask for it
        super()._owe(trigger, payload)

    def _let_go(self) -> None:
        self._partial = self._scanned = None
        self._held = self._rest = b""
        self.unread = False


@cache
def _whole_messages(claimed: int) -> frozenset[int]:
    """Give the first bytes of messages in one frame that carry a claimed bit, and no other."""
    return frozenset(
        FIN | rsv | opcode
        for rsv in range(0x10, RSV + 1, 0x10)
        if not rsv & ~claimed
        for opcode in (Opcode.TEXT, Opcode.BINARY)
    )
