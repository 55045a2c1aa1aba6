"""The kernels in pure Python: what every other implementation of them is measured against.

Three kernels, each a plain function or class over bytes, none of which knows what a frame means:

* ``scan`` walks the frames that lie complete in one read and hands back their payloads, unmasked;
* ``mask`` applies a masking key (RFC 6455, section 5.3), which also takes it off;
* ``Utf8Validator`` checks UTF-8 as it arrives (RFC 3629).

A kernel never raises for what a peer sent: ``scan`` stops in front of the frame that it will not
take, and whoever called it finds out why.
"""

from __future__ import annotations

import codecs
from typing import Final

__all__ = ["NAME", "Utf8Validator", "mask", "scan"]

NAME: Final = "python"

Buffer = bytes | bytearray | memoryview


def mask(data: Buffer, key: bytes, offset: int = 0) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, repeated (RFC 6455, section 5.3).

    Args:
        data: The bytes to mask or to unmask.
        key: The masking key, four bytes.
        offset: How many bytes of the same payload came before ``data``.

    Returns:
        As many bytes as ``data`` has.
    """
    size = len(data)
    phase = offset & 3
    if phase:
        key = key[phase:] + key[:phase]
    # One XOR of two long integers is the quickest loop over bytes that the interpreter has.
    stream = (key * ((size + 3) >> 2))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")).to_bytes(
        size, "little"
    )


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
    """
    size = len(data)
    position = start
    total = 0
    payloads: list[Buffer] = []
    frames: list[int] = []
    mask_bit = 0x80 if masked else 0
    key_size = 4 if masked else 0
    from_bytes = int.from_bytes
    while position + 2 <= size:
        length = data[position + 1] ^ mask_bit
        body = position + 2
        if length >= 126:
            if length > 127:
                break  # the wrong mask bit
            body += 2 if length == 126 else 8
            if body > size:
                break
            shortest = 126 if length == 126 else 0x10000
            length = from_bytes(data[position + 2 : body], "big")
            if length < shortest:
                break
        if length > limit:
            break  # this also catches a length with its highest bit set
        body += key_size
        end = body + length
        if end > size:
            break
        payload = data[body:end]
        if masked and length:
            # ``mask`` written out: a call would cost a fifth of a small frame.
            key = bytes(data[body - 4 : body])
            stream = (key * ((length + 3) >> 2))[:length]
            payload = (from_bytes(payload, "little") ^ from_bytes(stream, "little")).to_bytes(
                length, "little"
            )
        total += length
        payloads.append(payload)
        frames.append(total << 8 | data[position])
        position = end
    return b"".join(payloads), frames, position


class Utf8Validator:
    """Checks UTF-8 piece by piece, and fails at the first byte that can't be right (RFC 3629)."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: Buffer, final: bool = False) -> bool:
        """Check one more piece.

        Args:
            data: The next bytes of the text.
            final: Whether the text ends here, so that no character may be left unfinished.

        Returns:
            False as soon as the text can't be UTF-8 any more; the validator is of no use then.
        """
        try:
            self._decoder.decode(data, final)
        except UnicodeDecodeError:
            return False
        # The decoder holds a lone ED A0..BF back, although no third byte makes a surrogate legal.
        unfinished = self._decoder.getstate()[0]
        return not (unfinished[:1] == b"\xed" and unfinished[1:] >= b"\xa0")

    @property
    def pending(self) -> int:
        """Bytes at the end of what was fed that belong to an unfinished character: 0 to 3."""
        return len(self._decoder.getstate()[0])

    def reset(self) -> None:
        """Begin a new text."""
        self._decoder.reset()
