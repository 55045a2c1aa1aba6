"""Frames whose turn to be encoded has not come: a long message, and what was sent behind it.

A frame begins with its length, so a long message that is compressed goes out in fragments (RFC
6455, section 5.4), each of as much of it as one step may take. Whoever sends control frames
meanwhile puts them between the fragments. What encoding is, is not known here.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .codes import Opcode

__all__ = ["Backlog", "Waiting"]

_MOST_FRAGMENTS = 256
"""Frames that one is divided into at most: peers limit the fragments of a message, too."""


class Waiting(NamedTuple):
    """A frame as it was sent: its opcode, its payload, FIN, and the wish to compress it."""

    opcode: Opcode
    payload: bytes
    fin: bool = True
    compress: bool | None = None


class Backlog:
    """A queue of frames that gives pieces of them.

    Args:
        piece_size: Bytes of a piece.

    Attributes:
        size: Bytes of payload that wait.
    """

    __slots__ = ("_frames", "_offset", "_piece_size", "size")

    def __init__(self, piece_size: int) -> None:
        self._frames: deque[Waiting] = deque()
        self._offset = 0  # in the first
        self._piece_size = piece_size
        self.size = 0

    def __bool__(self) -> bool:
        """Tell whether any frame waits."""
        return bool(self._frames)

    def put(self, frame: Waiting) -> None:
        """Put a frame behind the others."""
        self._frames.append(frame)
        self.size += len(frame.payload)

    def take(self) -> Waiting:
        """Take the next frame, or the next fragment of it."""
        opcode, payload, fin, compress = self._frames[0]
        start, length = self._offset, len(payload)
        end = start + max(self._piece_size, -(-length // _MOST_FRAGMENTS))
        if start:
            opcode = Opcode.CONTINUATION
        if end >= length:
            self._frames.popleft()
            self._offset = 0
            self.size -= length - start
            return Waiting(opcode, payload[start:], fin, compress)
        self._offset = end
        self.size -= end - start
        return Waiting(opcode, payload[start:end], False, compress)
