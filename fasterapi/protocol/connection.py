"""One WebSocket after its handshake, either role: bytes to events, messages to bytes.

RFC 6455, sections 5 to 7. ``receive_data`` takes a read and answers with all of its events; the
sending methods queue bytes that ``data_to_send`` hands out. Nothing is read or written here and no
clock is looked at: time comes in as ``now``, in seconds of any steady clock, and goes out as
``next_deadline``. A deadline that a method without ``now`` begins (``close``) is armed by the next
call that has one.

Strict closing: when the peer's Close or a fault of the peer is met, our own Close is *owed*. It is
the last thing that ``data_to_send`` hands out, so answers to earlier messages go first:

    for event in connection.receive_data(data, now):
        ...                                   # answer, with connection.send_text(...)
    transport.write(connection.data_to_send())

Whoever answers later (in a task or a thread) calls ``data_to_send(hold_close=True)`` until its
reader has reached the ``Closed`` event. The one place that turns an error into a close code is
``receive_data``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from enum import Enum

from .._speedups import scan, unwrap
from ..errors import FrameError, LocalProtocolError, PayloadError, RemoteProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from .codes import CloseCode, Opcode
from .events import Closed, Event, Ping, Pong
from .extensions import Extension, claimed_bits
from .frames import (
    FIN,
    MAX_CONTROL,
    MAX_REASON,
    RSV,
    SHORT_HEADERS,
    Frame,
    PartialFrame,
    build_close,
    build_header,
    check_opcode,
    mask,
    parse_close,
    parse_header,
)  # fmt: skip
from .keepalive import Keepalive, KeepaliveTimer, PingBook
from .messages import MessageAssembler, decode_text
from .state import OPEN, State, Trigger, next_state

__all__ = ["Role", "WebSocketConnection"]

Buffer = bytes | bytearray | memoryview

_FINAL_TEXT = FIN | int(Opcode.TEXT)
_FINAL_BINARY = FIN | int(Opcode.BINARY)
_SHORT_TEXT = SHORT_HEADERS[_FINAL_TEXT]
_SLACK = 64
_FEW_PIECES = 8
_JOIN_BELOW = 2048
"""A payload under this many bytes is joined to its header at once; over it, it isn't copied."""


class Role(Enum):
    """Which end of the connection we are (RFC 6455, section 5.1: only a client masks)."""

    SERVER = "server"
    CLIENT = "client"


class WebSocketConnection:
    """A WebSocket as a state machine over bytes.

    Args:
        role: Our end.
        limits: What the peer may cost; see ``Limits``.
        extensions: Those negotiated, in the order in which they encode.
        subprotocol: The one negotiated, for the record.
        keepalive: When to ping; ``None``: never.
        masking_key: Makes the four-byte masking keys of a client; ``secrets`` by default.

    Attributes:
        role, limits, extensions, subprotocol: As given.
        state: Where the connection stands.
        failed: Whether we ended it for a fault of the peer's.
        queued: Bytes that wait for ``data_to_send``, pongs and an owed Close left out.

    Raises:
        LocalProtocolError: If two extensions claim the same RSV bit.
    """

    __slots__ = (
        "_assembler", "_claimed", "_close_reported", "_deadline", "_direct", "_eof", "_every_frame",
        "_held", "_masked", "_masking_key", "_message_held", "_now", "_out", "_overdue", "_owed",
        "_partial", "_pings", "_pongs", "_reading", "_rest", "_sending", "_timer", "_unarmed",
        "extensions", "failed", "limits", "queued", "role", "state", "subprotocol",
    )  # fmt: skip

    def __init__(
        self,
        role: Role,
        *,
        limits: Limits = DEFAULT_LIMITS,
        extensions: Sequence[Extension] = (),
        subprotocol: str | None = None,
        keepalive: Keepalive | None = None,
        masking_key: Callable[[], bytes] | None = None,
    ) -> None:
        self.role = role
        self.limits = limits
        self.extensions = tuple(extensions)
        self.subprotocol = subprotocol
        self.state = State.OPEN
        self.failed = False
        self.queued = 0
        self._masked = role is Role.SERVER
        self._masking_key = masking_key or _random_key
        self._claimed = claimed_bits(extensions)
        self._every_frame = any(extension.every_frame for extension in extensions)
        # In
        self._assembler = MessageAssembler(limits)
        self._rest = b""  # an unfinished header
        self._partial: PartialFrame | None = None
        self._held: bytes | bytearray = b""  # of a control frame, or one for an extension
        self._message_held = False
        self._direct = not self._every_frame  # a read may be a message and nothing else
        # Out
        self._out: list[bytes] = []
        self._pongs: Sequence[bytes] = ()
        self._owed: bytes | None = None  # the payload of the Close that we owe
        self._sending: type[str | bytes] | None = None  # of a fragmented message
        # Time
        self._timer = KeepaliveTimer(keepalive) if keepalive is not None else None
        self._pings: PingBook | None = None
        self._now = 0.0
        self._reading = True
        self._unarmed = keepalive is not None
        self._deadline: float | None = None
        # The end
        self._close_reported = False
        self._overdue = False
        self._eof = False

    # ------------------------------------------------------------------------------------- in

    def receive_data(self, data: Buffer, now: float = 0.0) -> list[Event]:
        """Take what the transport read.

        Args:
            data: One read, however many frames it holds or cuts.
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
        if (
            self._direct
            and self.state is OPEN
            and (payload := unwrap(data, self._masked)) is not None
            and len(payload) <= self.limits.max_message_size
        ):
            first = data[0]
            if first == _FINAL_BINARY:
                return [payload]
            if first == _FINAL_TEXT:
                try:
                    return [payload.decode()]
                except UnicodeDecodeError:
                    pass  # found again, and said, below
        events: list[Event] = []
        if self._receiving:
            try:
                self._read(data, events)
            except RemoteProtocolError as fault:
                self._fail(fault.code, str(fault), events)
            self._find_direct()
        return events

    def receive_eof(self, now: float = 0.0) -> list[Event]:
        """Take the end of what the peer sends, which without a Close is code 1006."""
        self._now = now
        self._eof = True
        if self.state is not State.CLOSED:
            self._move(Trigger.LOSE)
        return self._report(Closed(CloseCode.ABNORMAL_CLOSURE))

    def tick(self, now: float) -> list[Event]:
        """Do what is due: ping, give a silent peer up, end a close handshake that drags on."""
        self._now = now
        if self._unarmed:
            self._arm(now)
        events: list[Event] = []
        if self._deadline is not None and now >= self._deadline:
            self._expire(events)
        elif (
            self.state is State.OPEN
            and self._timer is not None
            and self._reading
            and self._timer.tick(now, self._keepalive_ping)
        ):
            self._fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout", events)
        return events

    def next_deadline(self) -> float | None:
        """Tell when to call ``tick``, in seconds; ``None``: no need to. A past time means soon."""
        if self._unarmed:
            return self._now
        if self.state is State.OPEN and self._timer is not None and self._reading:
            return self._timer.deadline()
        return self._deadline

    @property
    def reading(self) -> bool:
        """Whether anybody reads the transport; set it to False while nobody does.

        The silence of that time is not held against the peer: keepalive begins anew when reading
        goes on.
        """
        return self._reading

    @reading.setter
    def reading(self, value: bool) -> None:
        if value and not self._reading and self._timer is not None and self.state is State.OPEN:
            self._unarmed = True
        self._reading = value

    @property
    def streaming(self) -> bool:
        """Whether messages arrive as ``Fragment`` events; may be set at any time.

        A message that has begun in pieces ends in pieces. ``max_message_size`` counts in both
        modes, but in this one memory does not grow with it.
        """
        return self._assembler.streaming

    @streaming.setter
    def streaming(self, value: bool) -> None:
        self._assembler.streaming = value
        self._find_direct()

    # ------------------------------------------------------------------------------------ out

    def send_text(self, text: str, *, compress: bool | None = None) -> None:
        """Queue a text message.

        Args:
            text: The message.
            compress: Whether to, where an extension offers it; ``None`` leaves it to the extension.

        Raises:
            LocalProtocolError: If the connection is closing or closed, a fragmented message is
                unfinished, or the text holds a lone surrogate.
            TypeError: If it is no ``str``.
        """
        try:
            payload = text.encode()
        except (AttributeError, UnicodeEncodeError):
            payload = _encode(text)  # which says what is wrong
        if (
            self._masked
            and len(payload) <= MAX_CONTROL
            and self.state is OPEN
            and self._sending is None
            and not self.extensions
        ):
            # The same as below, in fewer steps: most messages are short, and a server's.
            frame = _SHORT_TEXT[len(payload)] + payload
            self._out.append(frame)
            self.queued += len(frame)
        else:
            self._send_message(_FINAL_TEXT, payload, compress)

    def send_binary(self, data: Buffer, *, compress: bool | None = None) -> None:
        """Queue a binary message; arguments and errors as in ``send_text``."""
        self._send_message(_FINAL_BINARY, _copy(data), compress)

    def send_fragment(self, data: str | Buffer, *, fin: bool, compress: bool | None = None) -> None:
        """Queue one frame of a fragmented message (RFC 6455, section 5.4).

        Args:
            data: ``str`` in each fragment of a text message, bytes in each of a binary one.
            fin: Whether the message ends with this fragment.
            compress: As in ``send_text``, of the first fragment; the others follow it.

        Raises:
            LocalProtocolError: As ``send_text``, or if text and binary are mixed.
            TypeError: If ``data`` is neither text nor bytes.
        """
        kind: type[str | bytes] = str if isinstance(data, str) else bytes
        payload = _encode(data) if isinstance(data, str) else _copy(data)
        if self._sending not in (None, kind):
            raise LocalProtocolError("text and binary fragments in one message")
        opcode = Opcode.TEXT if kind is str else Opcode.BINARY
        if self._sending is not None:
            opcode = Opcode.CONTINUATION
        self._send_frame(Frame(opcode, payload, fin), compress)
        self._sending = None if fin else kind

    def ping(self, payload: Buffer = b"", *, now: float | None = None) -> None:
        """Queue a Ping; the ``Pong`` event that answers it tells how long that took.

        Args:
            payload: 0 to 125 bytes; make it unlike other pings' that are still open.
            now: The time, in seconds; without it, the latest that the connection was told.

        Raises:
            LocalProtocolError: If the connection is closing or closed, or the payload too long.
        """
        self._send_control(Opcode.PING, payload)
        if self._pings is None:
            self._pings = PingBook()
        self._pings.sent(bytes(payload), self._now if now is None else now)

    def pong(self, payload: Buffer = b"") -> None:
        """Queue an unsolicited Pong; pings are answered without it. Errors as in ``ping``."""
        self._send_control(Opcode.PONG, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Queue a Close, and wait ``Limits.close_timeout`` for the peer's.

        If the peer closed first, its Close is answered with its own code; ours is not used.

        Raises:
            LocalProtocolError: If we have closed already, the code may not be sent, or the reason
                is over 123 bytes of UTF-8.
        """
        payload = build_close(code, reason)
        state = next_state(self.state, Trigger.SEND_CLOSE)
        if self._owed is not None:
            self._send_owed()
            return
        self._queue(FIN | Opcode.CLOSE, payload)
        self.state = state
        self._unarmed = True

    def data_to_send(self, *, hold_close: bool = False) -> bytes:
        """Hand out what is queued, joined, and empty the queue.

        Args:
            hold_close: Keep an owed Close back: answers to messages before it are still to come.
                After ``Limits.answer_timeout`` it goes out all the same.
        """
        if self._pongs or self._owed is not None:
            self._send_due(hold_close)
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
        pieces, self._out = self._out, []
        self.queued = 0
        # Few pieces are a long payload or two and their headers; many are small ones.
        return pieces if len(pieces) <= _FEW_PIECES else [b"".join(pieces)]

    def has_data_to_send(self, *, hold_close: bool = False) -> bool:
        """Tell whether ``data_to_send`` would give anything."""
        owed = self._owed is not None and (not hold_close or self._overdue)
        return bool(self._out or self._pongs or owed)

    # ------------------------------------------------------------------------------- the end

    @property
    def write_finished(self) -> bool:
        """Whether to shut our half of the transport down, everything queued being written.

        A server does so at the end of the close handshake, a client leaves it to the server
        (RFC 6455, section 7.1.1).
        """
        return self.state is State.CLOSED and self.role is Role.SERVER and not self._out

    @property
    def finished(self) -> bool:
        """Whether to close the transport.

        The peer ended its half and all that is queued is written; or it took too long, and what is
        still queued is lost.
        """
        over = self._overdue or (self._eof and not self._out)
        return self.state is State.CLOSED and over

    # --------------------------------------------------------------------------- frames, in

    @property
    def _receiving(self) -> bool:
        return self.state is OPEN or self.state is State.LOCAL_CLOSING

    def _find_direct(self) -> None:
        """Note whether the next read begins with a frame, and messages go straight through."""
        assembler = self._assembler
        self._direct = not (
            self._rest or self._partial or self._every_frame
            or assembler.streaming or assembler.opcode is not None
        )  # fmt: skip

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
            payloads, frames, position = scan(
                data, position, self.limits.max_message_size, self._masked
            )
            if frames:
                self._deliver(payloads, frames, events)
            if position >= len(data) or not self._receiving:
                return
            header = parse_header(data, position, self._masked, self._check)
            if header is None:
                self._rest = bytes(data[position:])
                return
            self._open_frame(header.first, header.length)
            self._partial = PartialFrame(header)
            position += header.size

    def _deliver(self, payloads: bytes, frames: list[int], events: list[Event]) -> None:
        """Take the frames that a scan found; whole messages go straight through."""
        # Text is mostly ASCII, and then decoding all of it at once leaves only slices to make.
        text = payloads.decode("ascii") if payloads.isascii() else None
        assembler = self._assembler
        plain = not (self._every_frame or assembler.streaming)
        append = events.append
        start = 0
        for frame in frames:
            end = frame >> 8
            first = frame & 0xFF
            if first == _FINAL_TEXT and plain and assembler.opcode is None:
                if text is not None:
                    append(text[start:end])
                else:
                    append(decode_text(payloads[start:end]))
            elif first == _FINAL_BINARY and plain and assembler.opcode is None:
                append(payloads[start:end])
            else:
                self._check(first, end - start)
                self._open_frame(first, end - start)
                if self._is_held(first):
                    self._hold(payloads[start:end])
                else:
                    self._assembler.feed(payloads[start:end], events.append)
                self._end_frame(first, events)
                if not self._receiving:
                    return
            start = end

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

    def _decode(self, first: int, payload: bytes, events: list[Event]) -> None:
        """Take a data frame through the extensions, last encoder first (RFC 6455, section 9.1)."""
        assembler = self._assembler
        frame = Frame(Opcode(first & 0x0F), payload, bool(first & FIN), first & RSV)
        for extension in reversed(self.extensions):
            frame = extension.decode(frame, limit=assembler.room)
        if frame.rsv:
            raise FrameError("reserved bit that no extension cleared")
        assembler.check_size(len(frame.payload))
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

    # -------------------------------------------------------------------------- frames, out

    def _send_message(self, first: int, payload: bytes, compress: bool | None) -> None:
        if self._sending is not None:
            raise LocalProtocolError("a fragmented message is unfinished; send its last fragment")
        if self.extensions:
            self._send_frame(Frame(Opcode(first & 0x0F), payload), compress)
            return
        if self.state is not OPEN:
            self._move(Trigger.SEND)
        if self._masked and (length := len(payload)) <= MAX_CONTROL:
            self._out.append(SHORT_HEADERS[first][length] + payload)
            self.queued += length + 2
        else:
            self._queue(first, payload)

    def _send_frame(self, frame: Frame, compress: bool | None) -> None:
        self._move(Trigger.SEND)
        for extension in self.extensions:
            frame = extension.encode(frame, compress=compress)
        self._queue(frame.first_byte, frame.payload)

    def _send_control(self, opcode: Opcode, payload: Buffer) -> None:
        payload = _copy(payload)
        if len(payload) > MAX_CONTROL:
            raise LocalProtocolError(f"{opcode.name} of {len(payload)} bytes; at most 125 fit")
        self._move(Trigger.SEND)
        self._queue(FIN | opcode, payload)

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

    # ------------------------------------------------------------------------------ closing

    def _move(self, trigger: Trigger) -> None:
        self.state = next_state(self.state, trigger)

    def _fail(self, code: int, reason: str, events: list[Event]) -> None:
        """Fail the connection (RFC 6455, section 7.1.7)."""
        self.failed = True
        self._owe(Trigger.FAIL, build_close(code, _shorten(reason)))
        events += self._report(Closed(code, reason))

    def _owe(self, trigger: Trigger, payload: bytes) -> None:
        """Stop receiving; owe a Close, unless ours is on its way already."""
        self._partial = None
        self._held = b""
        self._move(trigger)
        if self.state is State.REMOTE_CLOSING:
            self._owed = payload
            self._deadline = self._now + self.limits.answer_timeout
        else:
            self._start_close_timer()

    def _send_owed(self) -> None:
        """Queue the Close that we owe: it is the last thing that we send."""
        payload, self._owed = self._owed, None
        self._move(Trigger.SEND_CLOSE)
        self._queue(FIN | Opcode.CLOSE, payload or b"")
        self._overdue = False
        self._unarmed = True

    def _report(self, closed: Closed) -> list[Event]:
        """Give the one ``Closed`` that a connection reports, or nothing the second time."""
        if self._close_reported:
            return []
        self._close_reported = True
        return [closed]

    # --------------------------------------------------------------------------------- time

    def _keepalive_ping(self) -> None:
        self.ping(secrets.token_bytes(4), now=self._now)

    def _arm(self, now: float) -> None:
        """Begin the deadline that waited to be told the time."""
        self._unarmed = False
        if self._timer is not None and self.state is State.OPEN:
            self._timer.heard = now
        else:
            self._start_close_timer()

    def _start_close_timer(self) -> None:
        self._deadline = self._now + self.limits.close_timeout

    def _expire(self, events: list[Event]) -> None:
        """The close handshake has taken too long: send what is owed, or stop waiting."""
        self._deadline = None
        self._overdue = True
        if self.state is State.LOCAL_CLOSING:
            self._move(Trigger.LOSE)
            events += self._report(Closed(CloseCode.ABNORMAL_CLOSURE))


def _random_key() -> bytes:
    return secrets.token_bytes(4)


def _encode(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"text has to be a str, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"text that is not valid Unicode: {error}") from None


def _copy(data: Buffer) -> bytes:
    """Make bytes that nobody changes later; ``memoryview`` refuses what is no buffer."""
    return data if type(data) is bytes else bytes(memoryview(data))


def _shorten(reason: str) -> str:
    """Cut a reason to the 123 bytes that fit."""
    return reason.encode()[:MAX_REASON].decode("utf-8", "ignore")
