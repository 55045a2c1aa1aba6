"""The mask kernel, in each backend, against masking byte by byte (RFC 6455, section 5.3)."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import BUFFERS, KEY, buffers, keys, naive_mask

# On both sides of every size at which a backend changes its ways.
SIZES = [4094, 4095, 4096, 4097, 4100, 65_535, 65_537, 256 * 1024, 256 * 1024 + 1, 300_003]


def test_every_length_at_every_offset(kernels: ModuleType) -> None:
    data = bytes(range(192, 256))
    for length in range(65):
        for offset in range(17):
            expected = naive_mask(data[:length], KEY, offset)
            assert kernels.mask(data[:length], KEY, offset) == expected


@pytest.mark.parametrize("buffer", BUFFERS)
def test_every_length_at_every_alignment_of_every_buffer(kernels: ModuleType, buffer: str) -> None:
    data = bytes(range(256))
    for start in range(17):
        for length in range(65):
            piece = BUFFERS[buffer](data)[start : start + length]
            assert kernels.mask(piece, KEY) == naive_mask(data[start : start + length], KEY)


@pytest.mark.parametrize("size", SIZES)
def test_long_data_in_every_buffer(kernels: ModuleType, size: int) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    expected = naive_mask(data, KEY, 3)
    for make in BUFFERS.values():
        assert kernels.mask(make(data), KEY, 3) == expected
    assert kernels.mask(expected, KEY, 3) == data


@given(data=st.binary(max_size=300), key=keys, offset=st.integers(0, 2**65), make=buffers)
def test_anything(
    kernels: ModuleType, data: bytes, key: bytes, offset: int, make: type[bytes]
) -> None:
    masked = kernels.mask(make(data), key, offset)
    assert type(masked) is bytes
    assert masked == naive_mask(data, key, offset)


def test_the_argument_stays_as_it_is(kernels: ModuleType) -> None:
    data = bytearray(b"abcdefgh")
    kernels.mask(data, KEY)
    assert data == b"abcdefgh"
    data.clear()  # which a buffer that is still held would refuse


def test_the_key_may_be_any_buffer_too(kernels: ModuleType) -> None:
    for make in BUFFERS.values():
        assert kernels.mask(b"abcdefgh", make(KEY), 1) == naive_mask(b"abcdefgh", KEY, 1)


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", bytearray(3)])
def test_a_key_has_four_bytes(kernels: ModuleType, key: bytes) -> None:
    with pytest.raises(ValueError, match=f"a masking key has four bytes, not {len(key)}"):
        kernels.mask(b"data", key)


@pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2, 3, 4]])
def test_what_is_no_buffer_is_refused(kernels: ModuleType, wrong: object) -> None:
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        kernels.mask(wrong, KEY)
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        kernels.mask(b"data", wrong)


@pytest.mark.parametrize("size", [0, 1, 63, 4095, 4096, 70_001])
@pytest.mark.parametrize("start", [0, 1, 7, 16])
def test_what_is_masked_in_place_is_what_is_masked(
    kernels: ModuleType, size: int, start: int
) -> None:
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    for make in BUFFERS.values():
        out = bytearray(b"." * (start + size + 3))
        kernels.mask_into(make(data), KEY, 2, out, start)
        assert out == b"." * start + naive_mask(data, KEY, 2) + b"..."
        out.clear()  # which a buffer that is still held would refuse


@pytest.mark.parametrize("start", [-1, 6, 2**63])
def test_nothing_is_written_beside_the_room(kernels: ModuleType, start: int) -> None:
    out = bytearray(10)
    with pytest.raises(ValueError, match="no room"):
        kernels.mask_into(b"12345", KEY, 0, out, start)
    with pytest.raises(ValueError, match="four bytes"):
        kernels.mask_into(b"12345", b"key", 0, out, 0)
    assert out == bytes(10)
