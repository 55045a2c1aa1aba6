"""Frames written and read the slow and obvious way (RFC 6455, section 5.2): the tests' own truth.

``every_way`` feeds one stream of bytes whole, byte by byte and in other cuts, and insists that the
connection makes the same of all of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from fasterapi.protocol import Event, Opcode, Role, State, WebSocketConnection

KEY = bytes.fromhex("37fa213d")
CONT, TEXT, BINARY, CLOSE, PING, PONG = Opcode


def xor(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """Mask as RFC 6455, section 5.3 words it, each fourth byte with the same byte of the key."""
    masked = bytearray(data)
    for i in range(4):
        masked[i::4] = masked[i::4].translate(_xor_table(key[(offset + i) % 4]))
    return bytes(masked)


@cache
def _xor_table(byte: int) -> bytes:
    return bytes(value ^ byte for value in range(256))


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, key: bytes = KEY
) -> bytes:
    """Write a frame; without a ``key`` it is a server's."""
    size = len(payload)
    if size < 126:
        length, extended = size, b""
    elif size < 65536:
        length, extended = 126, size.to_bytes(2, "big")
    else:
        length, extended = 127, size.to_bytes(8, "big")
    head = bytes([fin << 7 | rsv | opcode, bool(key) << 7 | length]) + extended
    return head + key + (xor(payload, key) if key else payload)


class Peer:
    """The other end of a connection of ours: writes frames as its role has to."""

    def __init__(self, our_role: Role) -> None:
        self.key = KEY if our_role is Role.SERVER else b""

    def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
        return frame(opcode, payload, fin=fin, rsv=rsv, key=self.key)

    def text(self, text: str, *, fin: bool = True) -> bytes:
        return self.frame(TEXT, text.encode(), fin=fin)

    def binary(self, data: bytes, *, fin: bool = True) -> bytes:
        return self.frame(BINARY, data, fin=fin)

    def more(self, data: bytes, *, fin: bool = False) -> bytes:
        return self.frame(CONT, data, fin=fin)

    def ping(self, payload: bytes = b"") -> bytes:
        return self.frame(PING, payload)

    def pong(self, payload: bytes = b"") -> bytes:
        return self.frame(PONG, payload)

    def close(self, code: int | None = None, reason: bytes = b"") -> bytes:
        return self.frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def bombs(count: int, size: int) -> bytes:
    """Write messages that are far less than what they inflate to: ``size`` times their number."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    frames = b""
    for number in range(count):
        data = deflater.compress(bytes([number]) * size) + deflater.flush(zlib.Z_SYNC_FLUSH)
        frames += frame(BINARY, data[:-4], rsv=0x40)
    assert len(frames) * 20 < count * size
    return frames


class Written(NamedTuple):
    """A frame that we wrote: its first byte, its payload unmasked, and whether it was masked."""

    first: int
    payload: bytes
    masked: bool


def read_frames(data: bytes) -> list[Written]:
    """Read what we wrote; it has to be whole frames."""
    frames = []
    while data:
        first, second, data = data[0], data[1], data[2:]
        length, masked = second & 0x7F, bool(second & 0x80)
        if length > 125:
            size = 2 if length == 126 else 8
            length, data = int.from_bytes(data[:size], "big"), data[size:]
        key, data = (data[:4], data[4:]) if masked else (bytes(4), data)
        assert len(data) >= length, "an unfinished frame was written"
        frames.append(Written(first, xor(data[:length], key), masked))
        data = data[length:]
    return frames


def payloads(data: bytes) -> list[tuple[int, bytes]]:
    """Read what we wrote as pairs of first byte and payload."""
    return [(first, payload) for first, payload, _ in read_frames(data)]


def closes(data: bytes) -> list[bytes]:
    """Give the payloads of the Close frames that we wrote."""
    return [payload for first, payload in payloads(data) if first == 0x80 | CLOSE]


class Run(NamedTuple):
    """What a connection made of a stream of bytes."""

    events: list[Event]
    sent: bytes
    state: State
    connection: WebSocketConnection


def connect(role: Role = Role.SERVER, **options: object) -> WebSocketConnection:
    """Make a connection whose masking key is always ``KEY``."""
    return WebSocketConnection(role, masking_key=lambda: KEY, **options)  # type: ignore[arg-type]


def run(make: Callable[[], WebSocketConnection], pieces: Iterable[bytes]) -> Run:
    """Feed ``pieces``, one read each."""
    connection = make()
    events = [event for piece in pieces for event in connection.receive_data(piece)]
    return Run(events, connection.data_to_send(), connection.state, connection)


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut ``data`` at the given positions."""
    edges = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def every_way(
    make: Callable[[], WebSocketConnection], data: bytes, cuts: Sequence[int] | None = None
) -> Run:
    """Feed ``data`` whole, as other buffers, byte by byte and split: the outcome is the same.

    Args:
        make: Makes a fresh connection.
        data: What the peer sends.
        cuts: Where to split it once more; three bytes apart if not given.
    """
    whole = run(make, [data])
    ways: list[Iterable[bytes]] = [
        [bytearray(data)],
        [memoryview(data)],
        split(data, range(1, len(data))),
        split(data, range(3, len(data), 3) if cuts is None else cuts),
    ]
    for pieces in ways:
        other = run(make, pieces)
        # repr shows also what does not count in a comparison, such as ``Closed.remote``.
        assert list(map(repr, other.events)) == list(map(repr, whole.events))
        assert other.sent == whole.sent
        assert other.state is whole.state
    return whole


def cuts_of(data: bytes) -> st.SearchStrategy[list[int]]:
    """Draw positions to split ``data`` at."""
    return st.lists(st.integers(0, len(data)), max_size=12)
