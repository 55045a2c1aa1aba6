"""permessage-deflate at work on one connection (RFC 7692, section 7.2).

A compressor and an inflater are made when the first message needs one: a connection on which
nothing is compressed has neither. A compressor without context is lent for a message, and serves
all connections in turn. Output is bounded while it is made, never afterwards. What a message is
for, and who asks for compression, is not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from contextlib import suppress
from typing import Any

from .._speedups.deflate import FULL_FLUSH, SYNC_FLUSH, InflateError, new_deflater, new_inflater
from ..errors import FrameError, PayloadError, PolicyError
from ..limits import MAX_FINAL_BLOCKS
from .extensions import Extension
from .frames import Frame

__all__ = ["Deflate", "DeflaterPool"]

_COMPRESSED = 0x40
_TAIL = b"\x00\x00\xff\xff"
"""What every flush ends with: the sender leaves it out, the receiver puts it back (section 7.2)."""
_LESS_TAIL = -len(_TAIL)
_ENDS = (_TAIL, b"\x00" + _TAIL)
"""What stands behind a final block that ends a message, with the tail put back: an empty block, of
which the byte may be missing (section 7.2.3.4)."""
_FINAL_BLOCK = b"\x03\x00"
_PIECE = 64 * 1024
_PLAIN = "as it is"
_NOTHING = bytearray()
_KEPT = 4
"""Compressors of one window that are kept for the next messages: as many threads rarely send at
once, and whoever is left without one makes one."""


class DeflaterPool:
    """Makes compressors, and keeps those that can be used again. Threads may share it.

    Args:
        level: zlib's effort.
        memory_level: zlib's memory for its tables.

    Attributes:
        parameters: Both.
    """

    __slots__ = ("_free", "parameters")

    def __init__(self, level: int, memory_level: int) -> None:
        self.parameters = level, memory_level
        self._free: dict[int, deque[Any]] = {}

    def make(self, bits: int) -> Any:
        """Make a compressor with a window of this size."""
        level, memory_level = self.parameters
        return new_deflater(level, bits, memory_level)

    def borrow(self, bits: int) -> Any:
        """Take one that remembers nothing."""
        try:
            return self._free[bits].pop()
        except (KeyError, IndexError):
            return self.make(bits)

    def give_back(self, bits: int, deflater: Any) -> None:
        """Return one whose last flush was a full one, so that it remembers nothing."""
        self._free.setdefault(bits, deque(maxlen=_KEPT)).append(deflater)


class Deflate(Extension):
    """What ``PerMessageDeflate`` agrees on.

    Args:
        pool: Makes and shares compressors.
        minimum_size: Bytes under which a message stays as it is.
        send_bits: Our window, as a power of two; ``None``: nothing that we send is compressed.
        receive_bits: The peer's window.
        send_context: Whether our messages may refer back to earlier ones.
        receive_context: Whether the peer's may.
    """

    __slots__ = (
        "_anew", "_deflater", "_deflating", "_history", "_inflater", "_inflating", "_pool",
        "_receive_bits", "_receive_context", "_send_bits", "_send_context", "_window",
        "minimum_size",
    )  # fmt: skip

    rsv = _COMPRESSED
    piece_size = _PIECE
    direct = True

    def __init__(
        self,
        pool: DeflaterPool,
        *,
        minimum_size: int,
        send_bits: int | None,
        receive_bits: int,
        send_context: bool,
        receive_context: bool,
    ) -> None:
        self.minimum_size = minimum_size
        self._pool = pool
        self._send_bits, self._send_context = send_bits, send_context
        self._receive_bits, self._receive_context = receive_bits, receive_context
        self._deflater: Any = None
        self._inflater: Any = None
        self._deflating = False  # the message that is being sent
        self._inflating = False  # the message that is being received
        self._anew = False  # a final block stood within it
        self._history = _NOTHING  # what an inflater that begins anew may refer to

    # ------------------------------------------------------------------------------------ out

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        """Compress a frame, if its message is to be."""
        opcode, payload, fin, rsv = frame
        if opcode and fin:
            data = self.encode_message(payload, compress)
            return frame if data is None else Frame(opcode, data, True, rsv | _COMPRESSED)
        if opcode:  # and so it begins a message
            self._deflating = compress is not False and self._send_bits is not None
            rsv |= _COMPRESSED
        if not self._deflating:
            return frame
        if fin:
            return Frame(opcode, self._last(payload), True, rsv)
        deflater = self._deflater or self._begin()
        return Frame(opcode, deflater.compress(payload) + deflater.flush(SYNC_FLUSH), False, rsv)

    def encode_message(self, payload: bytes, compress: bool | None) -> bytes | None:
        """Compress a message, if it is to be."""
        if compress is None:
            compress = len(payload) >= self.minimum_size
        return self._last(payload) if compress and self._send_bits is not None else None

    def _last(self, payload: bytes) -> bytes:
        """Compress the end of a message, or all of it."""
        deflater = self._deflater or self._begin()
        if self._send_context:
            data: bytes = deflater.compress(payload) + deflater.flush(SYNC_FLUSH)
        else:
            data = deflater.compress(payload) + deflater.flush(FULL_FLUSH)
            self._pool.give_back(self._send_bits, deflater)  # type: ignore[arg-type]
            self._deflater = None
        # Whatever an implementation makes of nothing, a byte says it (section 7.2.3.6).
        return data[:_LESS_TAIL] if payload else b"\x00"

    def shares(self, size: int, compress: bool | None) -> Hashable | None:
        """Share what is not compressed, and without context also what is."""
        if compress is None:
            compress = size >= self.minimum_size
        if not compress or self._send_bits is None:
            return _PLAIN
        return None if self._send_context else (self._pool.parameters, self._send_bits)

    def _begin(self) -> Any:
        bits = self._send_bits
        assert bits is not None
        pool = self._pool
        self._deflater = pool.make(bits) if self._send_context else pool.borrow(bits)
        return self._deflater

    # ------------------------------------------------------------------------------------- in

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        """Inflate a frame, if its message is compressed."""
        opcode, payload, fin, rsv = frame
        if opcode:
            self._inflating = bool(rsv & _COMPRESSED)
        elif rsv & _COMPRESSED:
            raise FrameError("compression begun within a message")
        if not self._inflating:
            return frame
        payload = self.decode_message(payload, limit) if fin else self._inflate(payload, limit)
        return Frame(opcode, payload, fin, rsv & ~_COMPRESSED)

    def decode_message(self, payload: bytes, limit: int) -> bytes:
        """Inflate a message, or the end of one."""
        if not payload and self._inflater is None:
            self._anew = False
            return b""  # the final block stood in the frame before this one
        data = self._inflate(payload + _TAIL, limit, _ENDS)
        if self._anew and len(data) <= limit:
            self._check_end()
        if not self._receive_context:
            self._inflater = None
        return data

    def _inflate(self, data: bytes, limit: int, ends: tuple[bytes, ...] = (b"",)) -> bytes:
        """Inflate up to one byte over the limit, which is enough to be refused for.

        Behind a final block another stream of DEFLATE may follow (section 7.2.3.5), which begins
        with the window alone.

        Args:
            data: The payload of a frame.
            limit: In bytes.
            ends: What may stand behind a final block without being such a stream.

        Raises:
            PayloadError: If it is not DEFLATE.
            PolicyError: If it has more final blocks than a frame may.
        """
        made = b""
        finals = 0
        while True:
            inflater = self._inflater or self._begin_inflating()
            try:
                payload: bytes = inflater.decompress(data, limit + 1 - len(made))
            except InflateError as error:
                raise PayloadError(f"compressed data that is not DEFLATE: {error}") from None
            if self._receive_context:
                history, window = self._history, self._window
                history += payload if len(payload) < window else payload[-window:]
                if len(history) > window + (window >> 2):  # so that it need not be moved each time
                    del history[:-window]
            made += payload
            if not inflater.eof or len(made) > limit:
                return made
            self._inflater = None
            data = inflater.unused_data
            self._anew = data not in _ENDS  # or the message ends with it
            if data in ends:
                return made
            finals += 1
            if finals >= MAX_FINAL_BLOCKS:
                raise PolicyError(f"frame of over {MAX_FINAL_BLOCKS} final blocks of DEFLATE")

    def _check_end(self) -> None:
        """Refuse what stands behind a final block and is no whole stream: junk, most likely.

        At the end of a block another one may begin, and an empty final one shows it.
        """
        self._anew = False
        inflater, self._inflater = self._inflater, None
        with suppress(InflateError):  # which is said below
            inflater.decompress(_FINAL_BLOCK, 1)
        if not inflater.eof:
            raise PayloadError("data behind the end of compressed data")

    def _begin_inflating(self) -> Any:
        if self._history is _NOTHING:
            self._history = bytearray()
            self._window = 1 << self._receive_bits
        window = bytes(self._history[-self._window :])
        self._inflater = new_inflater(self._receive_bits, window)
        return self._inflater
