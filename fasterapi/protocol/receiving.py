"""The receiving half of a connection: from bytes to frames.

RFC 6455, sections 5 and 6.2. One read usually holds whole frames: the scan takes all of them at
once, and the last one goes on piece by piece. Where they inflate, or are many and in pieces, a read
may be taken in steps. An error becomes a close code where a read is taken, and nowhere else. What
becomes of a frame is in ``incoming``.
"""

from __future__ import annotations

from .._speedups import scan, unwrap
from ..errors import RemoteProtocolError
from .events import Event
from .frames import Buffer, PartialFrame, mask, parse_header
from .incoming import Incoming
from .messages import decode_text
from .sending import FINAL_BINARY, FINAL_TEXT
from .state import OPEN, State, Trigger

__all__ = ["Receiving"]


class Receiving(Incoming):
    """What ``WebSocketConnection`` receives."""

    __slots__ = (
        "_direct", "_ending", "_partial", "_rest", "_scanned", "stepwise", "unread",
    )  # fmt: skip

    def _expect(self) -> None:
        super()._expect()
        self._rest = b""  # an unfinished header, or what is behind the end of a step
        self._partial: PartialFrame | None = None
        self._direct = not self._every_frame  # a read may be a message and nothing else
        self.stepwise = self.unread = False
        self._ending = False  # nothing is unread but the end
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
        modes, but in this one memory does not grow with it, unless frames are for an extension to
        decode: each of them gathers whole, and is decoded at once.
        """
        return self._assembling is not None and self._assembling.streaming

    @streaming.setter
    def streaming(self, value: bool) -> None:
        self._assembler.streaming = value
        self._find_direct()

    # ------------------------------------------------------------------------------- frames

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
        self._cost = 0
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
        """Tell whether this step has cost as much as fills a queue."""
        return self.stepwise and self._cost > self.limits.receive_high_water

    def _leave(self, data: Buffer, position: int) -> None:
        """Leave the rest of a read to the next step."""
        self._rest = bytes(data[position:])
        self.unread = True

    def _go_on(self, data: Buffer, now: float) -> list[Event]:
        """Take the next step of a read; behind the last one is the end, if it has come."""
        self.unread = False
        events: list[Event] = []
        if not self._ending:
            events = self.receive_data(data, now)
            if self.unread or not self._eof:
                return events
            if events and self.state is OPEN:
                # They may be answered still: the end is a step of its own.
                self._ending = self.unread = True
                self._find_direct()
                return events
        return events + super().receive_eof(now)

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

    def _take_whole(self, first: int, payload: bytes) -> list[Event]:
        """Take a read that is one message, for extensions to decode, and nothing else."""
        try:
            return [self._decode_whole(first, payload)]
        except RemoteProtocolError as fault:
            events: list[Event] = []
            self._fail(fault.code, str(fault), events)
            return events

    def _owe(self, trigger: Trigger, payload: bytes) -> None:
        """Stop receiving, and let go of what has arrived and is not taken."""
        unread = self.unread
        self._let_go()
        self.unread = unread  # somebody means to ask for it
        super()._owe(trigger, payload)

    def _let_go(self) -> None:
        self._partial = self._scanned = None
        self._held = self._rest = b""
        self.unread = self._ending = False
