"""Frames as they stood on the wire, for tests of framing (RFC 6455, section 5.2)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from .._speedups import mask
from ..protocol.codes import Opcode
from ..protocol.frames import FIN, RSV, build_header, parse_header

__all__ = ["WireFrame", "read_frames", "write_frame"]


@dataclass(frozen=True, slots=True)
class WireFrame:
    """A frame.

    Attributes:
        opcode: What it is; a plain number if RFC 6455 knows none such.
        payload: Its bytes, unmasked; compressed, if ``rsv`` says so.
        fin: Whether it ends its message.
        rsv: The RSV bits as they stand in the first byte: any of 0x40, 0x20, 0x10.
        data: The whole of it, as it was sent.
    """

    opcode: Opcode | int
    payload: bytes
    fin: bool
    rsv: int
    data: bytes


def write_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, key: bytes | None = None
) -> bytes:
    """Write a client's frame, whether RFC 6455 allows it or not.

    Args:
        opcode: 0 to 15.
        payload: Its bytes, unmasked.
        fin: Whether it ends its message.
        rsv: RSV bits: any of 0x40, 0x20, 0x10.
        key: The masking key, random by default; ``b""``: the frame is not masked.
    """
    key = secrets.token_bytes(4) if key is None else key
    header = build_header((FIN if fin else 0) | rsv | opcode, len(payload), key)
    return header + (mask(payload, key) if key else payload)


def read_frames(data: bytes, *, masked: bool = False) -> list[WireFrame]:
    """Read the frames that a side has sent; an unfinished one at the end is left out.

    Args:
        data: Bytes that begin with a frame.
        masked: Whether a client sent them.

    Raises:
        FrameError: If a length is written wrongly, or masking is where it must not be.
    """
    frames, start = [], 0
    while (header := parse_header(data, start, masked, lambda first, length: None)) is not None:
        end = start + header.size + header.length
        if end > len(data):
            break
        payload = data[start + header.size : end]
        opcode = header.first & 0x0F
        frames.append(
            WireFrame(
                Opcode(opcode) if opcode in set(Opcode) else opcode,
                mask(payload, header.key) if header.key else payload,
                bool(header.first & FIN),
                header.first & RSV,
                data[start:end],
            )
        )
        start = end
    return frames
