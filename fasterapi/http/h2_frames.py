"""Frames of HTTP/2 as bytes (RFC 9113, sections 4.1, 6 and 7), where h2 is not to hear of them.

What arrives is looked at before h2 sees it, what it makes before it is written, and a few frames
are written by hand. What a frame leads to is not known here.
"""

from __future__ import annotations

import struct
from enum import IntEnum

__all__ = [
    "HEADER", "PREFACE", "ErrorCode", "Kind", "count_resets", "goaway", "window_update",
]  # fmt: skip

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113, section 3.4)."""

HEADER = 9
"""Bytes of a frame's header."""


class ErrorCode(IntEnum):
    """Error codes of GOAWAY and RST_STREAM (RFC 9113, section 7), as far as we choose them."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class Kind(IntEnum):
    """Types of frames (RFC 9113, section 6), as far as they are treated apart."""

    DATA = 0x0
    HEADERS = 0x1
    RST_STREAM = 0x3
    SETTINGS = 0x4
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9


def goaway(last_stream: int, code: int) -> bytes:
    """Write a GOAWAY frame (section 6.8)."""
    return struct.pack(">BHBBLLL", 0, 8, Kind.GOAWAY, 0, 0, last_stream, code)


def window_update(size: int) -> bytes:
    """Write a WINDOW_UPDATE frame for the connection's window (section 6.9)."""
    return struct.pack(">BHBBLL", 0, 4, Kind.WINDOW_UPDATE, 0, 0, size)


def count_resets(frames: bytes) -> int:
    """Count the streams that whole frames reset, each with an error (section 6.4)."""
    at = count = 0
    while at < len(frames):
        if frames[at + 3] == Kind.RST_STREAM and any(frames[at + HEADER : at + HEADER + 4]):
            count += 1
        at += HEADER + int.from_bytes(frames[at : at + 3], "big")
    return count
