"""permessage-deflate: messages compressed with DEFLATE (RFC 7692).

What is negotiated are two windows and whether each side may refer back to earlier messages. A
compressor and an inflater are made when the first message needs one: a connection on which nothing
is compressed has neither. Output is bounded while it is made, never afterwards. What a message is
for, and who asks for compression, is not known here.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import FrameError, HandshakeError, PayloadError
from .codes import Opcode
from .extensions import Extension, Params
from .frames import Frame

__all__ = ["Compression", "PerMessageDeflate"]

_COMPRESSED = 0x40
_TAIL = b"\x00\x00\xff\xff"
"""What every flush ends with: the sender leaves it out, the receiver puts it back (section 7.2)."""
_ENDS = (_TAIL, b"\x00" + _TAIL)
"""What may stand behind a final block, with the tail put back (section 7.2.3.4)."""
_STEP = 64 * 1024
_MAX_BITS = 15
_MIN_BITS = 9
"""The smallest window that zlib compresses with; it reads any."""
_VALUES = {str(bits): bits for bits in range(8, _MAX_BITS + 1)}
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")


@dataclass(frozen=True, slots=True)
class Compression:
    """How messages are compressed, and how much memory that may take.

    Attributes:
        window_bits: Size of the window, as a power of two: 9 to 15. It is asked of the peer, too.
        memory_level: zlib's memory for its tables, 1 to 9.
        level: zlib's effort, 1 to 9, or -1 for its own choice.
        context_takeover: Whether a message may refer back to the ones before it: smaller, but each
            connection keeps its windows.
        minimum_size: Bytes under which a message stays as it is, unless its sender says otherwise.

    Raises:
        ValueError: If a number is out of its range.
    """

    window_bits: int = 12
    memory_level: int = 5
    level: int = 6
    context_takeover: bool = True
    minimum_size: int = 64

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least, most in (
            ("window_bits", _MIN_BITS, _MAX_BITS), ("memory_level", 1, 9), ("level", -1, 9),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} has to be from {least} to {most}, not {value!r}")


@dataclass(slots=True)
class _Parameters:
    """What an offer or a response says; ``None`` for what it does not mention."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    client_names_no_bits: bool = False


def _parse(params: Params) -> _Parameters | None:
    """Read parameters (section 7.1); ``None`` if one is unknown, repeated or out of range."""
    found = _Parameters()
    if len({name for name, _ in params}) < len(params):
        return None
    for name, value in params:
        if name in _FLAGS and value is None:
            setattr(found, name, True)
        elif name in _WINDOWS and value in _VALUES:
            setattr(found, name, _VALUES[value])
        elif name == "client_max_window_bits" and value is None:
            found.client_names_no_bits = True
        else:
            return None
    return found


class PerMessageDeflate:
    """The extension before and during the handshake, in both roles; an ``ExtensionFactory``.

    Args:
        compression: How to compress.
    """

    name = "permessage-deflate"

    def __init__(self, compression: Compression = Compression()) -> None:  # frozen
        self.compression = compression

    def offers(self) -> Sequence[Params]:
        """Offer to keep both windows small, and then without a demand on the server's."""
        wish = self.compression
        flags: Params = ()
        if not wish.context_takeover:
            flags = tuple((name, None) for name in _FLAGS)
        plain: Params = (*flags, ("client_max_window_bits", None))
        if wish.window_bits == _MAX_BITS:
            return [plain]
        return [(*plain, ("server_max_window_bits", str(wish.window_bits))), plain]

    def respond(self, params: Params) -> tuple[Params, Extension] | None:
        """Answer an offer as a server (section 7.1); decline what can't be, or makes no sense."""
        offer = _parse(params)
        if offer is None:
            return None
        wish = self.compression
        ours = min(wish.window_bits, offer.server_max_window_bits or _MAX_BITS)
        if ours < _MIN_BITS:
            return None
        theirs = _MAX_BITS
        answer: list[tuple[str, str | None]] = []
        if offer.server_no_context_takeover or not wish.context_takeover:
            answer.append(("server_no_context_takeover", None))
        if offer.client_no_context_takeover or not wish.context_takeover:
            answer.append(("client_no_context_takeover", None))
        if ours < _MAX_BITS or offer.server_max_window_bits is not None:
            answer.append(("server_max_window_bits", str(ours)))
        if offer.client_names_no_bits or offer.client_max_window_bits is not None:
            # Only who says that it can is told to (section 7.1.2.2).
            theirs = min(wish.window_bits, offer.client_max_window_bits or _MAX_BITS)
            answer.append(("client_max_window_bits", str(theirs)))
        names = {name for name, _ in answer}
        return tuple(answer), _Deflate(
            wish,
            send_bits=ours,
            receive_bits=theirs,
            send_context="server_no_context_takeover" not in names,
            receive_context="client_no_context_takeover" not in names,
        )

    def accept(self, params: Params) -> Extension:
        """Take a server's response as a client.

        Raises:
            HandshakeError: If it is none to an offer of ours.
        """
        answer = _parse(params)
        if answer is None or answer.client_names_no_bits:
            raise HandshakeError(101, "the server's answer to permessage-deflate makes no sense")
        wish = self.compression
        bits: int | None = min(wish.window_bits, answer.client_max_window_bits or _MAX_BITS)
        if bits is not None and bits < _MIN_BITS:
            bits = None  # zlib can't, so nothing that we send is compressed
        return _Deflate(
            wish,
            send_bits=bits,
            receive_bits=answer.server_max_window_bits or _MAX_BITS,
            send_context=wish.context_takeover and not answer.client_no_context_takeover,
            receive_context=not answer.server_no_context_takeover,
        )


class _Deflate(Extension):
    """The extension at work on one connection."""

    __slots__ = (
        "_compression", "_deflater", "_deflating", "_ended", "_history", "_inflater", "_inflating",
        "_receive_bits", "_receive_context", "_send_bits", "_send_context",
    )  # fmt: skip

    rsv = _COMPRESSED

    def __init__(
        self,
        compression: Compression,
        *,
        send_bits: int | None,
        receive_bits: int,
        send_context: bool,
        receive_context: bool,
    ) -> None:
        self._compression = compression
        self._send_bits, self._send_context = send_bits, send_context
        self._receive_bits, self._receive_context = receive_bits, receive_context
        self._deflater: Any = None
        self._inflater: Any = None
        self._deflating = False  # the message that is being sent
        self._inflating = False  # the message that is being received
        self._ended: bytes | None = None  # what came behind a final block
        self._history = bytearray()  # the window, for an inflater that has to begin anew

    # ------------------------------------------------------------------------------------ out

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        """Compress a frame, if its message is to be."""
        first = frame.opcode != Opcode.CONTINUATION
        if first:
            worth = not frame.fin or len(frame.payload) >= self._compression.minimum_size
            wished = worth if compress is None else compress
            self._deflating = wished and self._send_bits is not None
        if not self._deflating:
            return frame
        bit = _COMPRESSED if first else 0
        payload = self._deflate(frame.payload, frame.fin)
        return Frame(frame.opcode, payload, frame.fin, frame.rsv | bit)

    def _deflate(self, payload: bytes, fin: bool) -> bytes:
        deflater = self._deflater
        if deflater is None:
            assert self._send_bits is not None
            chosen = self._compression
            deflater = self._deflater = zlib.compressobj(
                chosen.level, zlib.DEFLATED, -self._send_bits, chosen.memory_level
            )
        view = memoryview(payload)
        pieces = [deflater.compress(view[i : i + _STEP]) for i in range(0, len(view), _STEP)]
        data = b"".join([*pieces, deflater.flush(zlib.Z_SYNC_FLUSH)])
        if not fin:
            return data
        if not self._send_context:
            self._deflater = None
        # There is nothing to flush where nothing has come since the last time (section 7.2.3.6).
        return data[: -len(_TAIL)] or b"\x00"

    # ------------------------------------------------------------------------------------- in

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        """Inflate a frame, if its message is compressed."""
        if frame.opcode != Opcode.CONTINUATION:
            self._inflating = bool(frame.rsv & _COMPRESSED)
        elif frame.rsv & _COMPRESSED:
            raise FrameError("compression begun within a message")
        if not self._inflating:
            return frame
        payload = self._inflate(frame.payload + _TAIL if frame.fin else frame.payload, limit)
        if frame.fin:
            self._finish()
        return Frame(frame.opcode, payload, frame.fin, frame.rsv & ~_COMPRESSED)

    def _inflate(self, data: bytes, limit: int) -> bytes:
        """Inflate up to one byte over the limit, which is enough to be refused for.

        Raises:
            PayloadError: If it is not DEFLATE, or something stands behind its final block.
        """
        if self._ended is not None:
            self._end(data)
            return b""
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = self._new_inflater()
        try:
            payload: bytes = inflater.decompress(data, limit + 1)
        except zlib.error as error:
            raise PayloadError(f"compressed data that is not DEFLATE: {error}") from None
        if self._receive_context:
            self._remember(payload)
        if inflater.eof and len(payload) <= limit:
            self._ended = b""
            self._end(inflater.unused_data)
        return payload

    def _end(self, data: bytes) -> None:
        """Take what stands behind a final block: no more than an empty block may."""
        assert self._ended is not None
        self._ended += data
        if not any(end.startswith(self._ended) for end in _ENDS):
            raise PayloadError("data behind the end of compressed data")

    def _finish(self) -> None:
        """End a message: the next begins with what is agreed on to be left of it."""
        if self._ended is not None or not self._receive_context:
            self._inflater = self._ended = None

    def _new_inflater(self) -> Any:
        bits = -self._receive_bits
        if self._history:
            return zlib.decompressobj(bits, zdict=bytes(self._history[-(1 << -bits) :]))
        return zlib.decompressobj(bits)

    def _remember(self, payload: bytes) -> None:
        """Keep the window, with as much again, so that it need not be moved each time."""
        size = 1 << self._receive_bits
        self._history += payload[-size:]
        if len(self._history) > 2 * size:
            del self._history[:-size]
