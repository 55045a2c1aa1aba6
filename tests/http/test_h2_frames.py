from __future__ import annotations

from hyperframe.frame import Frame, GoAwayFrame, WindowUpdateFrame

from fasterapi.http.h2_frames import ErrorCode, count_resets, goaway, window_update

from .h2_peer import code, raw


def read(data: bytes) -> Frame:
    """Read a frame with a library that nobody here wrote."""
    frame, size = Frame.parse_frame_header(memoryview(data[:9]))
    assert size == len(data) - 9
    frame.parse_body(memoryview(data[9:]))
    return frame


def test_what_is_written_by_hand() -> None:
    frame = read(goaway(7, ErrorCode.ENHANCE_YOUR_CALM))
    assert isinstance(frame, GoAwayFrame)
    assert (frame.last_stream_id, frame.error_code) == (7, 11)
    frame = read(window_update(70_000))
    assert isinstance(frame, WindowUpdateFrame)
    assert (frame.stream_id, frame.window_increment) == (0, 70_000)


def test_resets_are_counted_unless_they_are_without_an_error() -> None:
    data = raw(0, 0, 1, bytes([3] * 100))
    assert count_resets(b"") == count_resets(data) == 0
    resets = [raw(3, 0, stream, code(error)) for stream, error in ((1, 0), (3, 8), (5, 256))]
    assert count_resets(data + data.join(resets)) == 2
