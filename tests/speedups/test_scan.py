"""The scan kernel, in each backend, against taking frame after frame (RFC 6455, section 5.2)."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .oracles import BUFFERS, KEY, frame, naive_scan, streams

# Lengths that a mistake in C would add up to something small.
HUGE = [2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**63 - 1, 2**63, 2**63 + 5, 2**64 - 10, 2**64 - 1]


def agree(
    kernels: ModuleType, data: bytes, start: int = 0, limit: int = 1 << 20, masked: bool = True
) -> tuple[bytes, list[int], int]:
    """Scan ``data`` in every kind of buffer, and give what the oracle says as well."""
    expected = naive_scan(data, start, limit, masked)
    for make in BUFFERS.values():
        payloads, frames, position = kernels.scan(make(data), start, limit, masked)
        assert type(payloads) is bytes
        assert (payloads, list(frames), position) == expected
    return expected


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
def test_every_length_at_every_offset(kernels: ModuleType, key: bytes) -> None:
    payload = bytes(range(192, 256))
    for length in range(65):
        data = frame(0x82, payload[:length], key)
        for offset in range(17):
            found = agree(kernels, bytes(offset) + data, start=offset, masked=bool(key))
            assert found == (payload[:length], [length << 8 | 0x82], offset + len(data))


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536])
def test_takes_frames_of_every_form_of_length(kernels: ModuleType, key: bytes, length: int) -> None:
    payload = bytes(range(256)) * 257
    data = frame(0x82, payload[:length], key) + frame(0x01, b"tail", key)
    found = agree(kernels, data, masked=bool(key))
    assert found == (
        payload[:length] + b"tail",
        [length << 8 | 0x82, length + 4 << 8 | 0x01],
        len(data),
    )


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", [3, 126, 65536])
def test_stops_in_front_of_an_unfinished_frame(
    kernels: ModuleType, key: bytes, length: int
) -> None:
    whole = frame(0x81, b"first", key)
    last = frame(0x82, bytes(length), key)
    for end in [*range(min(len(last), 20)), len(last) - 1]:
        assert agree(kernels, whole + last[:end], masked=bool(key))[2] == len(whole)


@pytest.mark.parametrize(
    "bad",
    [
        frame(0x81, b"Hi", b""),
        frame(0x82, bytes(5), size=2),
        frame(0x82, bytes(125), size=2),
        frame(0x82, bytes(126), size=8),
        frame(0x82, bytes(65535), size=8),
        frame(0x82, bytes(1001)),
    ],
    ids=[
        "unmasked", "5 in two bytes", "125 in two bytes", "126 in eight bytes",
        "65535 in eight bytes", "over the limit",
    ],
)  # fmt: skip
def test_stops_in_front_of_what_it_will_not_take(kernels: ModuleType, bad: bytes) -> None:
    data = frame(0x81, b"first") + bad + frame(0x81, b"second")
    found = agree(kernels, data, limit=1000)
    assert found == (b"first", [5 << 8 | 0x81], len(frame(0x81, b"first")))


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", HUGE, ids=hex)
@pytest.mark.parametrize("limit", [1000, *HUGE, 2**64, 2**100], ids=hex)
def test_stops_in_front_of_a_huge_length(
    kernels: ModuleType, key: bytes, length: int, limit: int
) -> None:
    first = frame(0x81, b"first", key)
    head = bytes([0x82, bool(key) << 7 | 127]) + length.to_bytes(8, "big")
    for rest in (b"", key, key + bytes(99)):
        found = agree(kernels, first + head + rest, limit=limit, masked=bool(key))
        assert found == (b"first", [5 << 8 | 0x81], len(first))


@pytest.mark.parametrize("masked", [True, False])
def test_does_not_take_the_wrong_mask_bit_for_a_long_length(
    kernels: ModuleType, masked: bool
) -> None:
    wrong = b"\x82\x00" if masked else b"\x82\x80"
    looks_like_a_length = (65_536).to_bytes(8, "big") + bytes(70_000)
    assert agree(kernels, wrong + looks_like_a_length, masked=masked) == (b"", [], 0)


def test_of_a_server_s_frames_stops_in_front_of_a_masked_one(kernels: ModuleType) -> None:
    data = frame(0x81, b"first", b"") + frame(0x81, b"Hi")
    assert agree(kernels, data, masked=False)[2] == len(frame(0x81, b"first", b""))


def test_takes_a_payload_of_exactly_the_limit(kernels: ModuleType) -> None:
    assert agree(kernels, frame(0x82, bytes(1000)), limit=1000)[1] == [1000 << 8 | 0x82]


def test_does_not_judge_the_first_byte(kernels: ModuleType) -> None:
    data = b"".join(frame(first, b"x") for first in range(256))
    assert [found & 0xFF for found in agree(kernels, data)[1]] == list(range(256))


def test_begins_where_it_is_told(kernels: ModuleType) -> None:
    data = b"junk" + frame(0x81, b"Hi")
    assert agree(kernels, data, start=4) == (b"Hi", [2 << 8 | 0x81], len(data))
    assert agree(kernels, data, start=len(data)) == (b"", [], len(data))


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("count", [4095, 4096, 4097, 8192, 20_000])
def test_takes_any_number_of_frames(kernels: ModuleType, key: bytes, count: int) -> None:
    empty, byte = frame(0x80, b"", key), frame(0x82, b"x", key)
    for one, size in ((empty, 0), (byte, 1)):
        payloads, frames, position = kernels.scan(one * count + byte[:-1], 0, 1, bool(key))
        assert payloads == b"x" * size * count
        assert frames == [n * size << 8 | one[0] for n in range(1, count + 1)]
        assert position == len(one) * count


@pytest.mark.parametrize("length", [4096, 4097, 60_000, 262_130, 262_144, 300_000])
def test_takes_long_frames_alone_and_in_company(kernels: ModuleType, length: int) -> None:
    payload = (bytes(range(251)) * (length // 251 + 1))[:length]
    long, short = frame(0x82, payload), frame(0x81, b"short")
    for data in (long, long + short, short + long, long + long[:-1]):
        agree(kernels, data)


def test_leaves_the_read_alone(kernels: ModuleType) -> None:
    data = bytearray(frame(0x81, b"Hi"))
    kernels.scan(data, 0, 100, True)
    assert data == frame(0x81, b"Hi")
    data.clear()  # which a buffer that is still held would refuse


@pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2]])
def test_what_is_no_buffer_is_refused(kernels: ModuleType, wrong: object) -> None:
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        kernels.scan(wrong, 0, 100, True)


@settings(max_examples=200)
@given(stream=streams(), limit=st.sampled_from([1, 100, 200, 1 << 20]))
def test_any_frames(kernels: ModuleType, stream: tuple[bytes, bool], limit: int) -> None:
    data, masked = stream
    agree(kernels, data, 0, limit, masked)


@given(data=st.binary(max_size=60), start=st.integers(0, 10), masked=st.booleans())
def test_anything(kernels: ModuleType, data: bytes, start: int, masked: bool) -> None:
    agree(kernels, data, min(start, len(data)), 30, masked)
