"""The kernels in pure Python: what every other implementation of them is measured against.

Four kernels, each a plain function or class over bytes, none of which knows what a frame means:

* ``scan`` walks the frames that lie complete in one read and hands back their payloads, unmasked;
* ``unwrap`` does so for the commonest read, which is one frame, in half the time;
* ``mask`` applies a masking key (RFC 6455, section 5.3), which also takes it off, and ``mask_into``
  does so without making anything new;
* ``Utf8Validator`` checks UTF-8 as it arrives (RFC 3629).

A kernel never raises for what a peer sent: ``scan`` stops in front of the frame that it will not
take, and whoever called it finds out why.
"""

from __future__ import annotations

from codecs import utf_8_decode
from functools import cache
from typing import Final

__all__ = [
    "NAME", "UNWRAP_MOST", "Utf8Validator", "check_key", "mask", "mask_into", "scan", "unwrap",
]  # fmt: skip

NAME: Final = "python"

Buffer = bytes | bytearray | memoryview

_BLOCK: Final = 4096
"""Bytes that are XORed as one integer: with more, it no longer fits the processor's caches. From
here on tables are quicker, too."""


UNWRAP_MOST: Final = 256 * 1024
"""Bytes of a read that ``unwrap`` takes at most: as many as the longest read of asyncio."""


def check_key(key: bytes) -> bytes:
    """Refuse what is not a masking key.

    Raises:
        TypeError: If it is no buffer.
        ValueError: If it has not four bytes.
    """
    key = bytes(memoryview(key))
    if len(key) != 4:
        raise ValueError(f"a masking key has four bytes, not {len(key)}")
    return key


def mask(data: Buffer, key: bytes, offset: int = 0) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, repeated (RFC 6455, section 5.3).

    Args:
        data: The bytes to mask or to unmask.
        key: The masking key, four bytes.
        offset: How many bytes of the same payload came before ``data``.

    Returns:
        As many bytes as ``data`` has.

    Raises:
        TypeError: If ``data`` or ``key`` is no buffer.
        ValueError: If ``key`` has not four bytes.
    """
    if type(key) is not bytes or len(key) != 4:
        key = check_key(key)
    if type(data) is not bytes:
        data = bytes(memoryview(data))
    phase = offset & 3
    if phase:
        key = key[phase:] + key[:phase]
    size = len(data)
    if size > _BLOCK:
        return _translate(data, key)
    return _xor(data, (key * ((size + 3) >> 2))[:size])


def mask_into(data: Buffer, key: bytes, offset: int, out: bytearray, start: int) -> None:
    """Write what ``mask`` gives into ``out`` from ``start`` on, over what is there.

    Raises:
        ValueError: If there is not enough of ``out``; and as ``mask``.
    """
    masked = mask(data, key, offset)
    if not 0 <= start <= len(out) - len(masked):
        raise ValueError("no room for what is masked")
    out[start : start + len(masked)] = masked


def _xor(data: bytes, stream: bytes) -> bytes:
    """XOR two rows of bytes of the same length."""
    # One XOR of two long integers is the quickest loop over bytes that the interpreter has.
    size = len(data)
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")).to_bytes(
        size, "little"
    )


def _xor_blocks(data: bytes, stream: bytes) -> bytes:
    blocks = range(0, len(data), _BLOCK)
    return b"".join(_xor(data[i : i + _BLOCK], stream[i : i + _BLOCK]) for i in blocks)


def _translate(data: bytes, key: bytes) -> bytes:
    """Mask something long: every fourth byte meets the same byte of the key."""
    masked = bytearray(len(data))
    for i, byte in enumerate(key):
        masked[i::4] = data[i::4].translate(_table(byte))
    return bytes(masked)


@cache
def _table(byte: int) -> bytes:
    return bytes(other ^ byte for other in range(256))


def scan(data: Buffer, start: int, limit: int, masked: bool) -> tuple[bytes, list[int], int]:
    """Take every complete, well-formed frame from ``data[start:]`` (RFC 6455, section 5.2).

    It stops in front of the first frame that is incomplete, or whose mask bit is not ``masked``,
    whose length is not in its shortest form or has its highest bit set, or whose payload is over
    ``limit`` bytes.

    Args:
        data: One read.
        start: Where the first frame begins.
        limit: The longest payload to take, in bytes.
        masked: Whether each frame has to be masked (they come from a client), or must not be.

    Returns:
        The payloads, unmasked and joined; for each frame ``end << 8 | first_byte`` where ``end``
        is its end within these payloads; and the position behind the last frame taken.

    Raises:
        TypeError: If ``data`` is no buffer.
    """
    if type(data) is not bytes:
        data = bytes(memoryview(data))
    size = len(data)
    position = start
    total = 0
    payloads: list[bytes] = []
    streams: list[bytes] = []
    frames: list[int] = []
    mask_bit = 0x80 if masked else 0
    key_size = 4 if masked else 0
    while position + 2 <= size:
        length = data[position + 1] ^ mask_bit
        body = position + 2 + key_size
        if length > 125:
            if length > 127:
                break  # the wrong mask bit
            body += 2 if length == 126 else 8
            if body > size:
                break
            shortest = 126 if length == 126 else 0x10000
            length = int.from_bytes(data[position + 2 : body - key_size], "big")
            if length < shortest:
                break
        end = body + length
        if end > size or length > limit:
            break  # this also catches a length with its highest bit set
        payloads.append(data[body:end])
        if masked:
            stream = data[body - 4 : body] * ((length + 3) >> 2)
            streams.append(stream[:length] if length & 3 else stream)
        total += length
        frames.append(total << 8 | data[position])
        position = end
    joined = b"".join(payloads)
    if streams:
        # All of it at once: small frames cost more by the operation than by the byte.
        joined = _unmask(joined, streams)
    return joined, frames, position


def unwrap(data: Buffer, masked: bool) -> bytes | None:
    """Give the payload of a read that is exactly one well-formed frame.

    Args:
        data: One read.
        masked: As for ``scan``.

    Returns:
        The payload, unmasked; ``None`` if the read is anything else, no ``bytes``, or longer than
        ``UNWRAP_MOST``.
    """
    if type(data) is not bytes or len(data) > UNWRAP_MOST:
        return None
    size = len(data)
    start = 6 if masked else 2
    if size < start:
        return None
    length = data[1] ^ (0x80 if masked else 0)
    if length > 125:
        if length > 127:
            return None  # the wrong mask bit
        shortest, start = (126, start + 2) if length == 126 else (0x10000, start + 8)
        length = int.from_bytes(data[2 : 4 if shortest == 126 else 10], "big")
        if length < shortest:
            return None
    if length != size - start:
        return None
    return mask(data[start:], data[start - 4 : start]) if masked else data[start:]


def _unmask(joined: bytes, streams: list[bytes]) -> bytes:
    """Take the masks off, each frame's key being repeated over its payload in ``streams``."""
    if len(joined) <= _BLOCK:
        return _xor(joined, b"".join(streams))
    if len(streams) == 1:
        return _translate(joined, streams[0][:4])
    return _xor_blocks(joined, b"".join(streams))


class Utf8Validator:
    """Checks UTF-8 piece by piece, and fails at the first byte that can't be right (RFC 3629)."""

    __slots__ = ("_unfinished",)

    def __init__(self) -> None:
        self._unfinished = b""

    def feed(self, data: Buffer, final: bool = False) -> bool:
        """Check one more piece.

        Args:
            data: The next bytes of the text.
            final: Whether the text ends here, so that no character may be left unfinished.

        Returns:
            False as soon as the text can't be UTF-8 any more; the validator is of no use then.

        Raises:
            TypeError: If ``data`` is no buffer.
        """
        if type(data) is not bytes:
            data = bytes(memoryview(data))
        if self._unfinished:
            data = self._unfinished + data
        elif data.isascii():
            return True
        try:
            size = utf_8_decode(data, "strict", final)[1]
        except UnicodeDecodeError:
            return False
        self._unfinished = unfinished = data[size:]
        # The decoder holds a lone ED A0..BF back, although no third byte makes a surrogate legal.
        return not (unfinished[:1] == b"\xed" and unfinished[1:] >= b"\xa0")

    @property
    def pending(self) -> int:
        """Bytes at the end of what was fed that belong to an unfinished character: 0 to 3."""
        return len(self._unfinished)

    def reset(self) -> None:
        """Begin a new text."""
        self._unfinished = b""
