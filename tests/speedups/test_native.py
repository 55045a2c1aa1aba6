"""What only the backend in C has: memory that is kept, and functions that take addresses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .conftest import load
from .oracles import KEY, first_fault, frame, keys, naive_mask, naive_scan, streams, texts

KEPT = 256 * 1024


@pytest.fixture
def native() -> Iterator[ModuleType]:
    """The backend, with no memory kept from earlier calls."""
    module = load("c")
    module._kept.clear()
    yield module
    module._kept.clear()


@pytest.fixture(scope="module")
def c() -> ModuleType:
    """The module that cffi makes: the kernels as C has them."""
    return load("c")


# ------------------------------------------------------------------------------ memory, kept


def test_memory_is_used_again(native: ModuleType) -> None:
    native.scan(frame(0x81, b"Hi"), 0, 100, True)
    (memory,) = native._kept
    native.scan(frame(0x81, bytes(1000)) * 100, 0, 1000, True)
    native.mask(bytes(KEPT), KEY)
    assert list(native._kept) == [memory]


@pytest.mark.parametrize("size", [KEPT + 1, 4 * KEPT])
def test_memory_of_a_large_call_is_not_kept(native: ModuleType, size: int) -> None:
    native.mask(bytes(size), KEY)
    native.scan(bytes(size), 0, 100, True)
    native.scan(frame(0x82, bytes(size)), 0, size, True)
    assert not native._kept


def test_memory_of_many_calls_at_once_is_not_kept_for_all(native: ModuleType) -> None:
    for _ in range(20):
        native._kept.append(native._memory(KEPT))
    assert len(native._kept) == 8


def test_calls_in_many_threads_do_not_meet(native: ModuleType) -> None:
    def work(seed: int) -> bool:
        random = Random(seed)
        for _ in range(50):
            payload = random.randbytes(random.choice([7, 1000, 50_000]))
            key = random.randbytes(4)
            data = frame(0x82, payload[:1000], key) * 3
            masked = native.mask(payload, key)
            if native.mask(masked, key) != payload:
                return False
            if native.scan(data, 0, 1000, True) != (
                payload[:1000] * 3,
                [len(payload[:1000]) * n << 8 | 0x82 for n in (1, 2, 3)],
                len(data),
            ):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_a_refused_call_leaves_the_next_one_alone(native: ModuleType) -> None:
    with pytest.raises(TypeError):
        native.scan(frame(0x81, b"Hi"), "0", 100, True)
    assert native.scan(frame(0x81, b"Hi"), 0, 100, True)[0] == b"Hi"


# ------------------------------------------------- C itself, with memory of exactly the size
#
# A sanitizer sees each byte that is read or written outside (make sanitize).


def exact(c: ModuleType, data: bytes) -> Any:
    """Put data into memory of just its size."""
    memory = c.ffi.new("char[]", len(data))
    c.ffi.memmove(memory, data, len(data))
    return memory


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("length", [0, 5, 125, 126, 65_535, 65_536])
def test_scan_of_a_frame_cut_anywhere_stays_inside(
    c: ModuleType, length: int, masked: bool
) -> None:
    whole = frame(0x82, bytes(length), KEY if masked else b"")
    out = c.ffi.new("uint64_t[]", c.lib.FASTERAPI_FRAMES + 1 + length // 8 + 3)
    for end in [*range(min(len(whole), 20)), len(whole) - 1, len(whole)]:
        data = exact(c, whole[:end])
        count = c.lib.fasterapi_scan(data, end, 0, 2**63, masked, out)
        assert count == (end == len(whole))


@given(stream=streams(), start=st.integers(0, 9), limit=st.sampled_from([1, 200, 2**64 - 1]))
def test_scan_stays_inside(
    c: ModuleType, stream: tuple[bytes, bool], start: int, limit: int
) -> None:
    data, masked = stream
    start = min(start, len(data))
    numbers = c.lib.FASTERAPI_FRAMES + 1
    out = c.ffi.new("char[]", 8 * numbers + len(data) - start)
    room = c.ffi.cast("uint64_t *", out)
    count = c.lib.fasterapi_scan(exact(c, data), len(data), start, limit, masked, room)
    payloads, frames, position = naive_scan(data, start, limit, masked)
    assert c.ffi.unpack(room, count + 1) == [*frames, position]
    assert c.ffi.buffer(out)[8 * numbers :][: len(payloads)] == payloads


@pytest.mark.parametrize("start", [3, 100, 2**63, 2**64 - 1])
def test_scan_finds_nothing_behind_the_end(c: ModuleType, start: int) -> None:
    out = c.ffi.new("uint64_t[]", c.lib.FASTERAPI_FRAMES + 1)
    assert c.lib.fasterapi_scan(exact(c, b"\x81\x00"), 2, start, 100, False, out) == 0
    assert out[0] == start


@given(data=st.binary(max_size=100), key=keys, phase=st.integers(0, 3))
def test_mask_stays_inside(c: ModuleType, data: bytes, key: bytes, phase: int) -> None:
    out = c.ffi.new("char[]", len(data))
    c.lib.fasterapi_mask(exact(c, data), len(data), exact(c, key), phase, out)
    assert c.ffi.buffer(out)[:] == naive_mask(data, key, phase)


@given(data=texts)
def test_utf8_stays_inside(c: ModuleType, data: bytes) -> None:
    state = c.lib.fasterapi_utf8(exact(c, data), len(data), 0)
    assert (state == c.lib.FASTERAPI_NOT_UTF8) is (first_fault(data) is not None)
