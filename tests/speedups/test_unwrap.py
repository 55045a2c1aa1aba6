"""The kernel for a read that is one frame, in each backend, against the one for any read."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi._speedups.pure import UNWRAP_MOST

from .oracles import KEY, frame, naive_scan, streams
from .test_scan import HUGE


def expected(data: bytes, masked: bool) -> bytes | None:
    """What a scan says of the read."""
    payloads, frames, position = naive_scan(data, 0, 1 << 64, masked)
    return payloads if len(frames) == 1 and position == len(data) else None


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
def test_every_length(kernels: ModuleType, key: bytes) -> None:
    payload = bytes(range(256)) * 257
    for length in [*range(300), 65535, 65536]:
        data = frame(0x81, payload[:length], key)
        assert kernels.unwrap(data, bool(key)) == payload[:length]
        assert kernels.unwrap(data, not key) is None
        for other in (data + b"\0", data[:-1], data + data):
            assert kernels.unwrap(other, bool(key)) == expected(other, bool(key))


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("size", range(15))
def test_what_is_shorter_than_its_header(kernels: ModuleType, key: bytes, size: int) -> None:
    for length in (16, 200, 70_000):
        assert kernels.unwrap(frame(0x82, bytes(length), key)[:size], bool(key)) is None


@pytest.mark.parametrize("length", HUGE)
def test_lengths_that_overflow(kernels: ModuleType, length: int) -> None:
    head = b"\x81\xff" + length.to_bytes(8, "big") + KEY
    for size in (0, 5, 4096):
        assert kernels.unwrap(head + bytes(size), True) is None


@pytest.mark.parametrize("field", [b"\xfe\x00\x7d", b"\xff" + bytes(6) + b"\xff\xff"])
def test_a_length_that_is_not_in_its_shortest_form(kernels: ModuleType, field: bytes) -> None:
    length = int.from_bytes(field[1:], "big")
    assert kernels.unwrap(b"\x81" + field + KEY + bytes(length), True) is None


def test_what_it_leaves_to_the_scan(kernels: ModuleType) -> None:
    data = frame(0x81, b"text", KEY)
    assert kernels.unwrap(bytearray(data), True) is None
    assert kernels.unwrap(memoryview(data), True) is None
    most = frame(0x82, bytes(UNWRAP_MOST - 14), KEY)
    assert kernels.unwrap(most, True) == bytes(UNWRAP_MOST - 14)
    assert kernels.unwrap(frame(0x82, bytes(UNWRAP_MOST - 13), KEY), True) is None


@given(stream=streams())
def test_streams_of_any_kind(kernels: ModuleType, stream: tuple[bytes, bool]) -> None:
    data, masked = stream
    assert kernels.unwrap(data, masked) == expected(data, masked)


@given(payload=st.binary(max_size=300), first=st.integers(0, 255), masked=st.booleans())
def test_single_frames(kernels: ModuleType, payload: bytes, first: int, masked: bool) -> None:
    data = frame(first, payload, KEY if masked else b"")
    assert kernels.unwrap(data, masked) == payload
