"""Bytes to frames and frames to bytes (RFC 6455, section 5.2).

One read usually holds whole frames; the ``scan`` kernel takes all of them in one call and stops in
front of what it will not take. Then, and only then, is a header read here: it is either unfinished,
or the beginning of a frame that outgrows the read, or wrong. So what is wrong with a frame is
said in this file alone. It must not know messages, states or extensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .._speedups import mask
from ..errors import FrameError, InvalidArgument
from .codes import Opcode, is_sendable

__all__ = [
    "FIN", "RSV", "SHORT_HEADERS", "Buffer", "Frame", "Header", "PartialFrame", "build_close",
    "build_header", "check_opcode", "mask", "parse_close", "parse_header",
]  # fmt: skip

Buffer = bytes | bytearray | memoryview
"""What is taken for bytes."""

FIN = 0x80
RSV = 0x70
MAX_CONTROL = 125
MAX_REASON = MAX_CONTROL - 2

SHORT_HEADERS = {
    FIN | rsv | opcode: tuple(
        bytes((FIN | rsv | opcode, length)) for length in range(MAX_CONTROL + 1)
    )
    for rsv in (0, 0x40, 0x20, 0x10)
    for opcode in (Opcode.TEXT, Opcode.BINARY)
}
"""Ready headers, by first byte and length: of short messages whole in one frame, unmasked, as they
are or with the one bit of an extension."""

_KNOWN_OPCODES = frozenset(Opcode)


class Frame(NamedTuple):
    """One data frame, as extensions see it; ``_replace`` gives another that differs.

    Attributes:
        opcode: ``TEXT``, ``BINARY`` or ``CONTINUATION``.
        payload: Its bytes, unmasked.
        fin: Whether it ends its message.
        rsv: The RSV bits as they stand in the first byte: any of 0x40, 0x20, 0x10.
    """

    opcode: Opcode
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def first_byte(self) -> int:
        """The first byte of this frame's header."""
        return (FIN if self.fin else 0) | self.rsv | self.opcode


class Header(NamedTuple):
    """A frame's header: its first byte, the payload's length, the masking key, its own size."""

    first: int
    length: int
    key: bytes
    size: int


class PartialFrame:
    """A frame whose payload goes on in later reads."""

    __slots__ = ("first", "key", "offset", "remaining")

    def __init__(self, header: Header) -> None:
        self.first = header.first
        self.key = header.key
        self.remaining = header.length
        self.offset = 0

    def advance(self, size: int) -> None:
        """Count the next piece of the payload off."""
        self.offset += size
        self.remaining -= size


def parse_header(
    data: Buffer, start: int, masked: bool, check: Callable[[int, int], None]
) -> Header | None:
    """Read the header that begins at ``data[start]``.

    Args:
        data: Bytes received.
        start: Where the header begins.
        masked: Whether the frame has to be masked, or must not be (section 5.1).
        check: Told the first byte and the length as far as the second byte gives it (126 and 127
            stand for longer ones), and raises for what may not begin here.

    Returns:
        The header, or ``None`` if it is unfinished.

    Raises:
        FrameError: For a header that can't be right: as soon as its first two bytes can't, or its
            length.
    """
    if len(data) < start + 2:
        return None
    first, second = data[start], data[start + 1]
    length = second & 0x7F
    check(first, length)
    if bool(second & 0x80) is not masked:
        raise FrameError("unmasked frame from a client" if masked else "masked frame from a server")
    end = start + 2
    if length > MAX_CONTROL:
        end += 2 if length == 126 else 8
        if len(data) < end:
            return None
        length = _long_length(data[start + 2 : end])
    if masked:
        end += 4
        if len(data) < end:
            return None
    return Header(first, length, bytes(data[end - 4 : end]) if masked else b"", end - start)


def _long_length(field: Buffer) -> int:
    """Read a length of two or eight bytes, which has to be in its shortest form."""
    length = int.from_bytes(field, "big")
    if length >> 63:
        raise FrameError("frame length with its highest bit set")
    if length < (126 if len(field) == 2 else 0x10000):
        raise FrameError("frame length that is not in its shortest form")
    return length


def check_opcode(first: int, length: int) -> None:
    """Check the first byte, as far as it stands for itself, and a control frame's length.

    Raises:
        FrameError: For a reserved opcode (section 5.2), a fragmented control frame, or one over
            125 bytes (section 5.5).
    """
    opcode = first & 0x0F
    if opcode not in _KNOWN_OPCODES:
        raise FrameError(f"reserved opcode {opcode:#x}")
    if opcode >= Opcode.CLOSE:
        if not first & FIN:
            raise FrameError("fragmented control frame")
        if length > MAX_CONTROL:
            raise FrameError("control frame over 125 bytes")


def build_header(first: int, length: int, key: bytes = b"") -> bytes:
    """Write a frame's header.

    Args:
        first: FIN, RSV bits and opcode.
        length: Of the payload, in bytes.
        key: The masking key, four bytes; empty for a server's frame.
    """
    mask_bit = 0x80 if key else 0
    if length < 126:
        return bytes((first, mask_bit | length)) + key
    if length < 0x10000:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big") + key
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big") + key


def build_close(code: int, reason: str = "") -> bytes:
    """Write the payload of a Close (section 5.5.1).

    Raises:
        InvalidArgument: If the code may not be sent, or the reason is over 123 bytes of UTF-8
            or can't be encoded.
    """
    if not is_sendable(code):
        raise InvalidArgument(
            f"close code {code} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999"
        )
    try:
        text = reason.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"close reason that is not valid Unicode: {error}") from None
    if len(text) > MAX_REASON:
        raise InvalidArgument(f"close reason of {len(text)} bytes; at most {MAX_REASON} fit")
    return code.to_bytes(2, "big") + text


def parse_close(payload: bytes) -> tuple[int, bytes]:
    """Read the payload of a Close (section 5.5.1): its code, 1005 if it has none, and its reason.

    Raises:
        FrameError: If the payload is one byte, or the code may not stand on the wire.
    """
    if not payload:
        return 1005, b""
    if len(payload) == 1:
        raise FrameError("Close with half a close code")
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise FrameError(f"Close with the close code {code}, which may not be sent")
    return code, payload[2:]
