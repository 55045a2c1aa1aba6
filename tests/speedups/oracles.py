"""Oracles too simple to be wrong, and the bytes to try them on: the kernels' tests share these.

Each oracle says what a kernel has to say, a rule a line, with no thought of speed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from hypothesis import strategies as st

Buffer = bytes | bytearray | memoryview

KEY = bytes.fromhex("37fa213d")


def _inside(data: bytes) -> memoryview:
    """Put data in the middle of something larger, at an odd address."""
    return memoryview(b"###" + data + b"###")[3 : 3 + len(data)]


def _exact(data: bytes) -> memoryview:
    """Put data into memory of just its size, so that a sanitizer sees a step too far."""
    return memoryview(array("B", data))


def _strided(data: bytes) -> memoryview:
    """Spread data over every second byte."""
    return memoryview(bytes(byte for pair in zip(data, data, strict=True) for byte in pair))[::2]


BUFFERS: dict[str, Callable[[bytes], Buffer]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "inside": _inside,
    "exact": _exact,
    "strided": _strided,
}


def naive_mask(data: bytes, key: bytes, offset: int = 0) -> bytes:
    """Mask byte by byte, as RFC 6455, section 5.3 words it."""
    return bytes(byte ^ key[(offset + i) % 4] for i, byte in enumerate(data))


def frame(first: int, payload: bytes, key: bytes = KEY, size: int | None = None) -> bytes:
    """Write a frame; ``size`` forces the bytes of its length field, 0, 2 or 8."""
    length = len(payload)
    if size is None:
        size = 0 if length < 126 else 2 if length < 65536 else 8
    code = {0: length, 2: 126, 8: 127}[size]
    head = bytes([first, bool(key) << 7 | code]) + (length.to_bytes(size, "big") if size else b"")
    return head + key + (naive_mask(payload, key) if key else payload)


def naive_scan(data: bytes, start: int, limit: int, masked: bool) -> tuple[bytes, list[int], int]:
    """Take frame after frame, each rule on a line of its own."""
    payloads, frames = b"", []
    while True:
        rest = data[start:]
        if len(rest) < 2:
            break
        first, second, rest = rest[0], rest[1], rest[2:]
        if bool(second & 128) is not masked:
            break
        length, header = second & 127, 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(rest) < size:
                break
            length, rest, header = int.from_bytes(rest[:size], "big"), rest[size:], 2 + size
            if length < (126 if size == 2 else 65536):
                break
            if length >= 2**63:
                break
        if length > limit:
            break
        key, rest = (rest[:4], rest[4:]) if masked else (b"", rest)
        if len(key) < 4 * masked or len(rest) < length:
            break
        payloads += naive_mask(rest[:length], key) if masked else rest[:length]
        frames.append(len(payloads) << 8 | first)
        start += header + len(key) + length
    return payloads, frames, start


def first_fault(data: bytes) -> int | None:
    """Find the first byte that can't be right (RFC 3629, section 4); ``None`` if there is none.

    The grammar is written as the RFC writes it: one line for each form of a character.
    """
    tail = range(0x80, 0xC0)
    forms = [
        [range(0x80)],
        [range(0xC2, 0xE0), tail],
        [range(0xE0, 0xE1), range(0xA0, 0xC0), tail],
        [range(0xE1, 0xED), tail, tail],
        [range(0xED, 0xEE), range(0x80, 0xA0), tail],
        [range(0xEE, 0xF0), tail, tail],
        [range(0xF0, 0xF1), range(0x90, 0xC0), tail, tail],
        [range(0xF1, 0xF4), tail, tail, tail],
        [range(0xF4, 0xF5), range(0x80, 0x90), tail, tail],
    ]
    expected: list[range] = []
    for position, byte in enumerate(data):
        if expected:
            if byte not in expected.pop(0):
                return position
        else:
            form = next((form for form in forms if byte in form[0]), None)
            if form is None:
                return position
            expected = form[1:]
    return None


def unfinished(data: bytes) -> int:
    """Count the bytes at the end of well-formed ``data`` that belong to an unfinished character."""
    for size in range(4):
        try:
            data[: len(data) - size].decode()
        except UnicodeDecodeError:
            continue
        return size
    raise AssertionError("data is not well-formed")


CHARACTERS = "a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"

buffers = st.sampled_from(list(BUFFERS.values()))
keys = st.binary(min_size=4, max_size=4)
# Mostly characters, some of them cut short, and now and then any bytes.
texts = st.lists(
    st.one_of(
        st.sampled_from(CHARACTERS).map(str.encode),
        st.binary(max_size=3),
        st.just(b"sixteen or more of plain ASCII"),
    ),
    max_size=20,
).map(b"".join)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Draw some frames, most of them good, in one stream that may be cut short."""
    masked = draw(st.booleans())
    stream = b""
    for _ in range(draw(st.integers(0, 6))):
        payload = bytes(draw(st.sampled_from([0, 1, 3, 4, 7, 64, 125, 126, 200, 201])))
        payload = payload[:-4] + draw(st.binary(max_size=4)) if payload else payload
        odd = draw(st.integers(0, 19))
        key = draw(keys) if masked is not (odd == 0) else b""
        size = 8 if odd == 1 else 2 if odd == 2 else None
        stream += frame(draw(st.integers(0, 255)), payload, key, size)
    cut = draw(st.integers(0, len(stream))) if draw(st.booleans()) else len(stream)
    return stream[:cut], masked
