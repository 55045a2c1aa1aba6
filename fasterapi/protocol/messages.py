"""Data frames to messages, and messages in pieces (RFC 6455, sections 5.4 and 8.1).

A fragmented message gathers in one buffer, whatever the number of its pieces; text is checked as it
arrives, so that it fails at its first impossible byte even inside an unfinished frame. In
streaming mode the buffer is handed on in pieces instead. This file must not know headers, masks,
control frames or states.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from io import BytesIO, StringIO

from .._speedups import Utf8Validator
from ..errors import FrameError, MessageTooBig, PayloadError, PolicyError
from ..limits import STREAM_PIECE, Limits
from .codes import Opcode
from .events import Event, Fragment

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


_EMPTY = BytesIO()
"""What stands for a buffer between messages; nobody writes to it."""


class _Text:
    """A text that gathers whole: decoded as it arrives, which checks it for nothing."""

    __slots__ = ("_decoded", "_decoder")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._decoded = StringIO()

    def feed(self, piece: bytes, final: bool = False) -> None:
        try:
            self._decoded.write(self._decoder.decode(piece, final))
        except UnicodeDecodeError:
            raise PayloadError("text that is not UTF-8") from None
        # The decoder waits for the end of a character even where no end can make it right.
        if (unfinished := self._unfinished()) and not Utf8Validator().feed(unfinished):
            raise PayloadError("text that is not UTF-8")

    def _unfinished(self) -> bytes:
        return self._decoder.getstate()[0]

    def whole(self) -> str:
        return self._decoded.getvalue()

    def encoded(self) -> bytes:
        return self._decoded.getvalue().encode() + self._unfinished()


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
        "_buffer", "_decoder", "_frames", "_limits", "_streamed", "_text", "_validator", "opcode",
        "size", "streaming",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = _EMPTY  # a BytesIO hands out what it holds without a copy
        self._text: _Text | None = None  # in place of the buffer, the validator and the decoder
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
            self._buffer = BytesIO()
            if opcode == Opcode.TEXT and self.streaming:
                self._validator = Utf8Validator()
            elif opcode == Opcode.TEXT:
                self._text = _Text()
        self._frames += 1

    def feed(self, piece: bytes, emit: Callable[[Event], None]) -> None:
        """Take the next piece of the frame's payload, unmasked.

        Args:
            piece: Any number of bytes.
            emit: In streaming mode, told each ``Fragment`` that is full.

        Raises:
            PayloadError: At the first byte that can't be UTF-8.
        """
        if not self._in_pieces:
            self._keep(piece)
            return
        self._change_over()
        # A full part goes out when a byte follows it, and before that byte is looked at: so the
        # parts, and where a fault falls between them, don't depend on how the bytes arrived.
        start = 0
        while start < len(piece):
            self._cut(STREAM_PIECE, emit)
            end = start + STREAM_PIECE - self._buffer.tell()
            self._keep(piece[start:end])
            start = end

    def end(self, fin: bool, emit: Callable[[Event], None]) -> None:
        """End the frame, and with ``fin`` the message.

        Raises:
            PayloadError: If the text ends inside a character.
        """
        if fin:
            self._check_text(b"", final=True)
        if self._in_pieces:
            self._change_over()
            self._cut(STREAM_PIECE + 1, emit)
            emit(self._fragment(self._buffer.getvalue(), fin))
            self._buffer = BytesIO()
        elif fin:
            emit(self._message())
        if fin:
            self._reset()

    @property
    def _in_pieces(self) -> bool:
        return self.streaming or self._streamed

    def _keep(self, piece: bytes) -> None:
        self._check_text(piece)
        self.size += len(piece)
        if self._text is None:
            self._buffer.write(piece)

    def _check_text(self, piece: bytes, *, final: bool = False) -> None:
        if self._text is not None:
            self._text.feed(piece, final)
        elif self._validator is not None and not self._validator.feed(piece, final):
            raise PayloadError("text that is not UTF-8")

    def _change_over(self) -> None:
        """Go on in pieces with a text that was to be whole: streaming was switched on within it."""
        if self._text is not None:
            data, self._text = self._text.encoded(), None
            self._validator = Utf8Validator()
            self._validator.feed(data)
            self._buffer.write(data)

    def _cut(self, size: int, emit: Callable[[Event], None]) -> None:
        """Hand full parts on as long as ``size`` bytes are there."""
        if self._buffer.tell() < size:
            return
        data = self._buffer.getvalue()
        start = 0
        while len(data) - start >= size:
            emit(self._fragment(data[start : start + STREAM_PIECE], False))
            start += STREAM_PIECE
        self._buffer = BytesIO()
        self._buffer.write(data[start:])

    def _message(self) -> str | bytes:
        if self._text is not None:
            return self._text.whole()
        data = self._buffer.getvalue()
        return data.decode() if self.opcode == Opcode.TEXT else data

    def _fragment(self, data: bytes, fin: bool) -> Fragment:
        """Make a part of a message; text keeps an unfinished character back for the next part."""
        self._streamed = True
        if self.opcode != Opcode.TEXT:
            return Fragment(data, fin)
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        return Fragment(self._decoder.decode(data, fin), fin)

    def _reset(self) -> None:
        self._buffer = _EMPTY  # a large message should not leave its size behind
        self._text = self._validator = self._decoder = self.opcode = None
        self._streamed = False
        self._frames = self.size = 0
