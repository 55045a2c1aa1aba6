"""Data frames to messages, and messages in pieces (RFC 6455, sections 5.4 and 8.1).

A fragmented message gathers in one buffer, whatever the number of its pieces; text is checked as it
arrives, so that it fails at its first impossible byte even inside an unfinished frame. In
streaming mode the buffer is handed on in pieces instead. This file must not know headers, masks,
control frames or states.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from typing import Any

from .._speedups import Utf8Validator, mask_into
from ..errors import FrameError, MessageTooBig, PayloadError, PolicyError
from ..limits import STREAM_PIECE, Limits
from .codes import Opcode
from .events import Event, Fragment
from .frames import Buffer

__all__ = ["MessageAssembler", "decode_text"]


def decode_text(payload: bytes) -> str:
    """Decode a whole text message.

    Raises:
        PayloadError: If it is not UTF-8.
    """
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise PayloadError("text that is not UTF-8") from None


class _Gathering:
    """The bytes of a message in progress, in memory that the next such message uses again.

    New memory costs more than what is done with it, for the system has to find each of its pages.
    So a message is copied out of here once; of one that is longer than any memory that is kept,
    each part is what it will be, text or bytes, as soon as the memory is full.

    Args:
        text: Whether it is text, and UTF-8 throughout: somebody else sees to that.

    Attributes:
        size: Bytes gathered.
    """

    __slots__ = ("_memory", "_parts", "_text", "_used", "size")

    def __init__(self, text: bool) -> None:
        try:
            self._memory = _kept.pop()
        except IndexError:
            self._memory = bytearray()
        self._text = text
        self._parts: list[Any] = []
        self._used = self.size = 0

    def write(self, piece: Buffer, key: bytes, offset: int) -> memoryview:
        """Append a piece, taking its mask off if it has one, and show what was appended."""
        if self._used + len(piece) > _LONG and self._used:
            self._set_aside()
        start, end = self._used, self._used + len(piece)
        if end > _ORDINARY >= len(self._memory):
            self._lengthen()
        if end > len(self._memory):
            self._memory[start:] = piece  # and so it grows
        elif not key:
            self._memory[start:end] = piece
        if key:
            mask_into(piece, key, offset, self._memory, start)
        self._used = end
        self.size += len(piece)
        return memoryview(self._memory)[start:end]

    def clear(self) -> None:
        """Begin anew."""
        self._parts.clear()
        self._used = self.size = 0

    def message(self) -> str | bytes:
        """Give what was gathered as a whole message."""
        self._set_aside()
        if len(self._parts) == 1:
            whole: str | bytes = self._parts[0]
            return whole
        return "".join(self._parts) if self._text else b"".join(self._parts)

    def value(self) -> bytes:
        """Give what was gathered as bytes."""
        parts = [part.encode() if self._text else part for part in self._parts]
        return b"".join([*parts, memoryview(self._memory)[: self._used]])

    def _lengthen(self) -> None:
        """Go on in the memory that is kept for long messages, if it is free."""
        if _kept and len(_kept[0]) > _ORDINARY:
            memory = _kept.popleft()
            memory[: self._used] = memoryview(self._memory)[: self._used]
            _kept.append(self._memory)
            self._memory = memory

    def release(self) -> None:
        """Give the memory back, if it is worth keeping."""
        size = len(self._memory)
        if size <= _ORDINARY:
            _kept.append(self._memory)
        elif size <= _LONG and all(len(other) <= _ORDINARY for other in tuple(_kept)):
            _kept.appendleft(self._memory)

    def _set_aside(self) -> None:
        """Make a part of what is in memory; an unfinished character stays."""
        used = memoryview(self._memory)[: self._used]
        rest = b""
        if self._text:
            part, taken = codecs.utf_8_decode(used)
            rest = bytes(used[taken:])
            self._parts.append(part)
        else:
            self._parts.append(bytes(used))
        del used
        self._memory[: len(rest)] = rest
        self._used = len(rest)


_ORDINARY = 1 << 20
"""Bytes of memory that is used again: the longest message by default."""
_LONG = 1 << 24
"""Bytes of the one piece of memory that may be longer, where the limits allow such messages."""

_kept: deque[bytearray] = deque(maxlen=4)

# glibc gives freed memory back to the system as soon as there is more of it than twice the largest
# block that was ever freed, and a message, with its copy on the way out, is just over that. Having
# freed this block it lets up to 8 MiB stay. The block is never touched, and so costs nothing.
bytes(4 << 20)


class MessageAssembler:
    """Puts messages together from frames that may come in pieces.

    Per frame: ``check`` at its header, ``begin``, ``feed`` for each piece of its payload, ``end``.

    Args:
        limits: ``max_message_size`` and ``max_fragments`` count.

    Attributes:
        opcode: Of the message in progress; ``None`` between messages.
        size: Bytes of payload that the message in progress has so far.
        streaming: Whether messages are handed on in pieces, ``Fragment`` by ``Fragment``. It may
            be switched on within a message; a message that has begun in pieces ends in pieces.
    """

    __slots__ = (
        "_buffer", "_decoder", "_frames", "_limits", "_streamed", "_validator", "opcode", "size",
        "streaming",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer: _Gathering | None = None  # between messages
        self._validator: Utf8Validator | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._streamed = False
        self._frames = 0
        self.opcode: Opcode | None = None
        self.size = 0
        self.streaming = False

    @property
    def room(self) -> int:
        """Bytes that the message in progress, or the next one, may still bring."""
        return self._limits.max_message_size - self.size

    def check(self, opcode: int) -> None:
        """Refuse a data frame that may not stand here (section 5.4).

        Raises:
            FrameError: For a continuation of nothing, or a new message inside another one.
            PolicyError: For one fragment too many.
        """
        if opcode == Opcode.CONTINUATION:
            if self.opcode is None:
                raise FrameError("continuation frame without a message to continue")
            if self._frames >= self._limits.max_fragments:
                raise PolicyError(
                    f"message of over {self._limits.max_fragments} fragments (Limits.max_fragments)"
                )
        elif self.opcode is not None:
            raise FrameError("new message inside an unfinished one")

    def check_size(self, length: int) -> None:
        """Refuse a frame whose payload the message has no room for.

        Raises:
            MessageTooBig: At the frame's header, before any of its payload is kept.
        """
        if length > self.room:
            raise MessageTooBig(
                f"message over {self._limits.max_message_size} bytes (Limits.max_message_size)"
            )

    def begin(self, opcode: int) -> None:
        """Begin a frame that ``check`` and ``check_size`` have passed."""
        if opcode != Opcode.CONTINUATION:
            self.opcode = Opcode(opcode)
            self._buffer = _Gathering(opcode == Opcode.TEXT)
            if opcode == Opcode.TEXT:
                self._validator = Utf8Validator()
        self._frames += 1

    def feed(
        self, piece: Buffer, emit: Callable[[Event], None], key: bytes = b"", offset: int = 0
    ) -> None:
        """Take the next piece of the frame's payload.

        Args:
            piece: Any number of bytes.
            emit: In streaming mode, told each ``Fragment`` that is full.
            key: The key that masks the piece; none if it is not masked.
            offset: How many bytes of the frame's payload came before it.

        Raises:
            PayloadError: At the first byte that can't be UTF-8.
        """
        buffer = self._gathering
        if not self._in_pieces:
            self._keep(buffer, piece, key, offset)
            return
        # A full part goes out when a byte follows it, and before that byte is looked at: so the
        # parts, and where a fault falls between them, don't depend on how the bytes arrived.
        start = 0
        while start < len(piece):
            self._cut(buffer, STREAM_PIECE, emit)
            end = start + STREAM_PIECE - buffer.size
            self._keep(buffer, piece[start:end], key, offset + start)
            start = end

    def end(self, fin: bool, emit: Callable[[Event], None]) -> None:
        """End the frame, and with ``fin`` the message.

        Raises:
            PayloadError: If the text ends inside a character.
        """
        buffer = self._gathering
        if fin:
            self._check_text(b"", final=True)
        if self._in_pieces:
            self._cut(buffer, STREAM_PIECE + 1, emit)
            emit(self._fragment(buffer.value(), fin))
            buffer.clear()
        elif fin:
            emit(buffer.message())
        if fin:
            self._reset()

    @property
    def _in_pieces(self) -> bool:
        return self.streaming or self._streamed

    @property
    def _gathering(self) -> _Gathering:
        assert self._buffer is not None  # ``begin`` has been called
        return self._buffer

    def _keep(self, buffer: _Gathering, piece: Buffer, key: bytes, offset: int) -> None:
        with buffer.write(piece, key, offset) as written:
            self._check_text(written)
        self.size += len(piece)

    def _check_text(self, piece: Buffer, *, final: bool = False) -> None:
        if self._validator is not None and not self._validator.feed(piece, final):
            raise PayloadError("text that is not UTF-8")

    def _cut(self, buffer: _Gathering, size: int, emit: Callable[[Event], None]) -> None:
        """Hand full parts on as long as ``size`` bytes are there."""
        if buffer.size < size:
            return
        data = buffer.value()
        start = 0
        while len(data) - start >= size:
            emit(self._fragment(data[start : start + STREAM_PIECE], False))
            start += STREAM_PIECE
        buffer.clear()
        buffer.write(data[start:], b"", 0).release()

    def _fragment(self, data: bytes, fin: bool) -> Fragment:
        """Make a part of a message; text keeps an unfinished character back for the next part."""
        self._streamed = True
        if self.opcode != Opcode.TEXT:
            return Fragment(data, fin)
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        return Fragment(self._decoder.decode(data, fin), fin)

    def _reset(self) -> None:
        self._gathering.release()
        self._buffer = self._validator = self._decoder = self.opcode = None
        self._streamed = False
        self._frames = self.size = 0
