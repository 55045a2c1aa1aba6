from __future__ import annotations

import pytest

from fasterapi.http.h2_frames import PREFACE, ErrorCode
from fasterapi.http.h2_gate import ConnectionFault, FrameGate
from fasterapi.limits import Limits

from .h2_peer import raw

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_HEADERS = 4


def begun(**limits: int) -> FrameGate:
    gate = FrameGate(Limits(**limits))  # type: ignore[arg-type]
    assert b"".join(gate.pass_on(PREFACE, 0.0)) == PREFACE
    return gate


def passed(gate: FrameGate, data: bytes, now: float = 0.0) -> bytes:
    """Pass data on; the fault has to come behind it, if there is one."""
    return b"".join(map(bytes, gate.pass_on(data, now)))


def test_everything_is_handed_on_whatever_the_cut() -> None:
    data = raw(SETTINGS) + raw(HEADERS, END_HEADERS, 1, b"abc") + raw(DATA, 0, 1, bytes(300))
    assert passed(begun(), data) == data
    for size in (1, 2, 8, 9, 10, 100):
        gate = begun()
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert b"".join(passed(gate, piece) for piece in pieces) == data


@pytest.mark.parametrize("size", [1, 5, 17, 100])
def test_a_goaway_is_kept_back(size: int) -> None:
    gate = begun()
    goaway = raw(GOAWAY, 0, 0, bytes(4) + b"\x00\x00\x00\x0bwhy")
    data = raw(SETTINGS) + goaway + raw(PING, 0, 0, bytes(8))
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert b"".join(passed(gate, p) for p in pieces) == data.replace(goaway, b"")
    assert gate.goaway == ErrorCode.ENHANCE_YOUR_CALM


def test_what_came_before_a_fault_is_handed_on() -> None:
    gate = begun(max_h2_control_frames=1)
    ping = raw(PING, 0, 0, bytes(8))
    pieces = []
    with pytest.raises(ConnectionFault) as caught:
        for piece in gate.pass_on(raw(DATA, 0, 1, b"x") + ping + ping, 0.0):
            pieces.append(bytes(piece))
    assert b"".join(pieces) == raw(DATA, 0, 1, b"x") + ping
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM
    assert "Limits(max_h2_control_frames=...)" in str(caught.value)


def test_a_span_later_the_count_begins_anew() -> None:
    gate = begun(max_h2_resets=2)
    frame = raw(RESET, 0, 1, bytes(4))
    passed(gate, frame * 2, 0.0)
    passed(gate, frame * 2, 30.0)
    gate.count_resets(2, 60.0)
    with pytest.raises(ConnectionFault):
        gate.count_resets(1, 89.0)


def test_data_and_requests_are_free() -> None:
    gate = begun(max_h2_control_frames=1, max_h2_resets=1)
    request = raw(HEADERS, END_HEADERS | 1, 1, b"abc")
    passed(gate, (request + raw(DATA, 0, 1, b"x") + raw(DATA, 1, 1)) * 1000)


def test_window_updates_are_free_for_each_frame_sent() -> None:
    gate = begun(max_h2_control_frames=1)
    update = raw(UPDATE, 0, 0, b"\x00\x00\x00\x01")
    passed(gate, update * 10)
    gate.count_sent()
    passed(gate, update * 11)
    with pytest.raises(ConnectionFault):
        passed(gate, update)


def test_a_header_block_has_a_size_and_a_time() -> None:
    gate = begun(handshake_timeout=7)
    assert gate.deadline() is None
    passed(gate, raw(HEADERS, 0, 1, bytes(100)), 3.0)
    passed(gate, raw(CONTINUATION, 0, 1, bytes(100)), 5.0)
    assert gate.deadline() == 10.0
    passed(gate, raw(CONTINUATION, END_HEADERS, 1), 6.0)
    assert gate.deadline() is None
    with pytest.raises(ConnectionFault, match="header block of over 65536"):
        passed(gate, raw(HEADERS, 0, 3, bytes(16_384)) + raw(CONTINUATION, 0, 3, bytes(16_384)) * 4)


def test_a_raised_limit_of_heads_raises_that_of_blocks() -> None:
    gate = begun(max_head_size=100_000)
    passed(gate, raw(HEADERS, 0, 3, bytes(16_384)) + raw(CONTINUATION, 0, 3, bytes(16_384)) * 4)


def test_a_frame_over_the_default_size() -> None:
    with pytest.raises(ConnectionFault) as caught:
        passed(begun(), raw(DATA, 0, 1, bytes(16_385))[:9])
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR
