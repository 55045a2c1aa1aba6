"""Frames as they stand on the wire, against the tests' own reader and writer of them."""

from __future__ import annotations

import pytest

from fasterapi.protocol import FrameError, Opcode
from fasterapi.testing.frames import WireFrame, read_frames, write_frame
from tests.protocol.wire import KEY, frame
from tests.protocol.wire import read_frames as read_slowly

SIZES = [0, 1, 125, 126, 65535, 65536]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [0, 1, 2, 3, 8, 15])
def test_a_frame_is_written_as_asked(size: int, opcode: int) -> None:
    payload = bytes(range(256)) * 256
    options = {"fin": bool(size % 2), "rsv": 0x20}
    written = write_frame(opcode, payload[:size], key=KEY, **options)  # type: ignore[arg-type]
    assert written == frame(opcode, payload[:size], key=KEY, **options)  # type: ignore[arg-type]
    bare = write_frame(opcode, payload[:size], key=b"", **options)  # type: ignore[arg-type]
    assert bare == frame(opcode, payload[:size], key=b"", **options)  # type: ignore[arg-type]


def test_a_masking_key_is_random() -> None:
    frames = {write_frame(1, b"text") for _ in range(4)}
    assert len(frames) == 4
    assert {read_slowly(data)[0].payload for data in frames} == {b"text"}


@pytest.mark.parametrize("masked", [False, True])
def test_frames_are_read_as_they_stand(masked: bool) -> None:
    key = KEY if masked else b""
    pieces = [frame(2, bytes(size), key=key) for size in SIZES]
    pieces += [frame(1, b"x", fin=False, rsv=0x40, key=key), frame(11, b"?", key=key)]
    data = b"".join(pieces)
    found = read_frames(data, masked=masked)
    assert [one.data for one in found] == pieces
    assert [len(one.payload) for one in found] == [*SIZES, 1, 1]
    assert found[-2] == WireFrame(Opcode.TEXT, b"x", False, 0x40, pieces[-2])
    assert found[-1].opcode == 11
    assert not isinstance(found[-1].opcode, Opcode)
    for cut in (1, 3, len(pieces[-1]) - 1):
        assert read_frames(data[: len(data) - cut], masked=masked) == found[:-1]


def test_a_masked_frame_of_a_server_is_a_fault() -> None:
    with pytest.raises(FrameError, match="masked frame from a server"):
        read_frames(frame(1, b"x", key=KEY))
