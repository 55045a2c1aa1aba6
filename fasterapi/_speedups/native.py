"""The kernels in C, called through cffi: the same signatures, results and errors as in ``pure``.

What costs here is not the work but the way to it: a call through cffi takes about as long as
unmasking a kilobyte. So arguments go over as they are, results are sliced out of memory that is
kept for the next call, and whatever is out of the ordinary goes a longer way.

Several threads may be in here at once: between a call into C and taking its results another one
may run. Each takes its memory from a deque and puts it back, which needs no lock: ``pop`` and
``append`` are atomic.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ._kernels import ffi, lib
from .pure import Buffer, check_key
from .pure import unwrap as pure_unwrap

__all__ = ["NAME", "Utf8Validator", "mask", "mask_into", "scan", "unwrap"]

NAME: Final = "c"

_FRAMES: Final[int] = lib.FASTERAPI_FRAMES
_NOT_UTF8: Final[int] = lib.FASTERAPI_NOT_UTF8

_KEPT_SIZE: Final[int] = lib.FASTERAPI_UNWRAP_MOST
"""Bytes that memory has room for if it is kept: as many as the longest read of asyncio. What a
longer call needs goes back to the system at its end."""
_KEPT_MOST: Final = 8
"""How much memory is kept: as much as was in use at one time, up to this many pieces."""
_COPY_BELOW: Final = 4096
"""Bytes under which to copy a buffer is quicker than to ask for its address."""
_NO_LIMIT: Final = 2**63 - 1

_c_scan, _c_unwrap, _c_mask = lib.fasterapi_scan, lib.fasterapi_unwrap, lib.fasterapi_mask
_c_utf8 = lib.fasterapi_utf8
_allocate = ffi.new_allocator(should_clear_after_alloc=False)
_buffer, _from_buffer, _unpack = ffi.buffer, ffi.from_buffer, ffi.unpack

Memory = tuple[Any, memoryview, Any, Any]
"""What a call writes to: room for numbers and behind them for bytes; the numbers, as Python reads
them; the room for bytes; these bytes, as Python reads them."""

_kept: deque[Memory] = deque(maxlen=_KEPT_MOST)


def _memory(size: int) -> Memory:
    room = _allocate("uint64_t[]", _FRAMES + 1 + (size + 7) // 8)
    tail = ffi.cast("char *", room + _FRAMES + 1)
    return room, memoryview(_buffer(room)).cast("Q"), tail, _buffer(tail, size)


def _readable(data: Buffer) -> Any:
    """Make of any buffer what C can read, without a copy if it is long."""
    view = memoryview(data)
    if view.nbytes >= _COPY_BELOW and view.c_contiguous:
        return _from_buffer("char[]", view)
    return bytes(view)


def mask(data: Buffer, key: bytes, offset: int = 0) -> bytes:
    """XOR ``data`` with ``key``, as ``pure.mask`` does."""
    if type(key) is not bytes or len(key) != 4:
        key = check_key(key)
    source = data if type(data) is bytes else _readable(data)
    size = len(source)
    if size > _KEPT_SIZE:
        room = _allocate("char[]", size)
        _c_mask(source, size, key, offset & 3, room)
        return bytes(_buffer(room))
    try:
        memory = _kept.pop()
    except IndexError:
        memory = _memory(_KEPT_SIZE)
    _c_mask(source, size, key, offset & 3, memory[2])
    masked: bytes = memory[3][:size]
    _kept.append(memory)
    return masked


def mask_into(data: Buffer, key: bytes, offset: int, out: bytearray, start: int) -> None:
    """Write what ``mask`` gives into ``out``, as ``pure.mask_into`` does."""
    if type(key) is not bytes or len(key) != 4:
        key = check_key(key)
    source = data if type(data) is bytes else _readable(data)
    size = len(source)
    if not 0 <= start <= len(out) - size:
        raise ValueError("no room for what is masked")
    with memoryview(out) as view, view[start : start + size] as room:
        _c_mask(source, size, key, offset & 3, _from_buffer("char[]", room))


def scan(data: Buffer, start: int, limit: int, masked: bool) -> tuple[bytes, list[int], int]:
    """Take every complete, well-formed frame from ``data[start:]``, as ``pure.scan`` does."""
    source = data if type(data) is bytes else _readable(data)
    size = len(source)
    try:
        memory = _kept.pop() if size <= _KEPT_SIZE else _memory(size)
    except IndexError:
        memory = _memory(_KEPT_SIZE)
    room, numbers, _, joined = memory
    try:
        count = _c_scan(source, size, start, limit, masked, room)
    except OverflowError:
        limit = min(limit, _NO_LIMIT)  # beyond what C can count, and so beyond any payload
        count = _c_scan(source, size, start, limit, masked, room)
    position = numbers[count]
    frames: list[int] = []
    payloads = b""
    if count:  # mostly 1, on a connection that is not busy
        frames = [numbers[0]] if count == 1 else _unpack(room, count)
        payloads = joined[: frames[-1] >> 8]
    if size <= _KEPT_SIZE:
        _kept.append(memory)
    if count == _FRAMES:
        return _scan_on(source, position, limit, masked, payloads, frames)
    return payloads, frames, position


def _scan_on(
    source: Any, start: int, limit: int, masked: bool, payloads: bytes, frames: list[int]
) -> tuple[bytes, list[int], int]:
    """Go on behind as many frames as one call takes: a long read of tiny frames."""
    parts = [payloads]
    room, numbers, _, joined = _memory(len(source))
    count = _FRAMES
    while count == _FRAMES:
        count = _c_scan(source, len(source), start, limit, masked, room)
        if count:
            more = _unpack(room, count)
            parts.append(joined[: more[-1] >> 8])
            end = frames[-1] & ~0xFF
            frames += [end + frame for frame in more]
        start = numbers[count]
    return b"".join(parts), frames, start


def unwrap(data: Buffer, masked: bool) -> bytes | None:
    """Give the payload of a read that is exactly one frame, as ``pure.unwrap`` does."""
    if not masked or type(data) is not bytes:
        return None if masked else pure_unwrap(data, masked)
    try:
        memory = _kept.pop()
    except IndexError:
        memory = _memory(_KEPT_SIZE)
    length = _c_unwrap(data, len(data), memory[2])
    payload: bytes | None = memory[3][:length] if length >= 0 else None
    _kept.append(memory)
    return payload


class Utf8Validator:
    """Checks UTF-8 piece by piece, as ``pure.Utf8Validator`` does."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = 0

    def feed(self, data: Buffer, final: bool = False) -> bool:
        """Check one more piece; ``final``: the text ends here. False for what can't be UTF-8."""
        if type(data) is bytes:
            if not self._state and data.isascii():
                return True  # before a call to C could say so
            source: Any = data
        else:
            source = _readable(data)
        self._state = state = _c_utf8(source, len(source), self._state)
        return state != _NOT_UTF8 and not (final and state)

    @property
    def pending(self) -> int:
        """Bytes at the end of what was fed that belong to an unfinished character: 0 to 3."""
        return self._state >> 24

    def reset(self) -> None:
        """Begin a new text."""
        self._state = 0
