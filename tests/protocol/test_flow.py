"""Flow control: watermarks of what waits to be received, progress of what waits to be sent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.limits import MESSAGE_OVERHEAD, Limits
from fasterapi.protocol import ReceiveQueue, WriteProgress
from fasterapi.protocol.flow import assumed_progress


def test_items_come_out_in_order() -> None:
    queue: ReceiveQueue[str] = ReceiveQueue(1000)
    queue.extend(["first"])
    queue.extend(["second"])
    assert (len(queue), queue.peek(), queue.get(), queue.get()) == (2, "first", "first", "second")
    assert (len(queue), queue.size, queue.full) == (0, 0, False)


def test_an_empty_queue_has_nothing() -> None:
    queue: ReceiveQueue[str] = ReceiveQueue(1000)
    assert queue.get() is None
    with pytest.raises(IndexError):
        queue.peek()


def test_an_item_counts_its_payload_and_its_overhead() -> None:
    queue: ReceiveQueue[bytes] = ReceiveQueue(1000)
    queue.extend([b""])
    queue.extend([b"abc"])
    assert queue.size == 2 * MESSAGE_OVERHEAD + 3


def test_full_over_the_high_water_mark_and_until_half_of_it() -> None:
    queue: ReceiveQueue[str] = ReceiveQueue(4 * MESSAGE_OVERHEAD)
    fullness = []
    for _ in range(5):
        queue.extend([""])
        fullness.append(queue.full)
    assert fullness == [False, False, False, False, True]
    fullness = []
    while queue:
        queue.get()
        fullness.append(queue.full)
    assert fullness == [True, True, False, False, False]


def test_a_flood_of_empty_messages_fills_the_queue() -> None:
    queue: ReceiveQueue[str] = ReceiveQueue(Limits().receive_high_water)
    while not queue.full:
        queue.extend([""])
    assert len(queue) == 65_536 // 128 + 1


def test_clear_drops_everything() -> None:
    queue: ReceiveQueue[bytes] = ReceiveQueue(10)
    queue.extend([b"x"])
    assert queue.full
    queue.clear()
    assert (len(queue), queue.size, queue.full) == (0, 0, False)


@settings(deadline=None)
@given(st.lists(st.none() | st.integers(0, 1000), max_size=60))
def test_the_size_is_the_sum_of_what_waits(steps: list[int | None]) -> None:
    queue: ReceiveQueue[bytes] = ReceiveQueue(2000)
    waiting: list[int] = []
    full = False
    for size in steps:
        if size is not None:
            queue.extend([bytes(size)])
            waiting.append(size)
        elif waiting:
            assert len(queue.get() or b"") == waiting.pop(0)
        total = sum(waiting) + MESSAGE_OVERHEAD * len(waiting)
        full = total > 2000 if not full else total > 1000
        assert (queue.size, queue.full, len(queue)) == (total, full, len(waiting))


LIMITS = Limits(write_timeout=30, max_write_buffer=1000)


def test_nothing_that_waits_needs_no_deadline() -> None:
    progress = WriteProgress(LIMITS)
    assert progress.deadline() is None
    assert not progress.stalled(1e9)
    progress.update(10, 0.0)
    progress.update(0, 5.0)
    assert progress.deadline() is None
    assert not progress.stalled(1e9)


def test_the_deadline_counts_from_the_last_progress() -> None:
    progress = WriteProgress(LIMITS)
    progress.update(100, 10.0)
    assert progress.deadline() == 40.0
    progress.update(100, 20.0)  # nothing taken
    progress.update(150, 25.0)  # more written, nothing taken
    assert progress.deadline() == 40.0
    progress.update(149, 30.0)  # one byte taken
    assert progress.deadline() == 60.0


def test_bytes_that_moved_are_progress_whatever_waits_again() -> None:
    progress = WriteProgress(LIMITS)
    progress.update(100, 10.0, moved=0)
    progress.update(100, 20.0, moved=0)
    assert progress.deadline() == 40.0
    progress.update(200, 30.0, moved=100)
    assert progress.deadline() == 60.0


def test_a_peer_that_takes_nothing_stalls() -> None:
    progress = WriteProgress(LIMITS)
    progress.update(100, 10.0)
    assert not progress.stalled(39.9)
    assert progress.stalled(40.0)
    progress.update(99, 39.9)
    assert not progress.stalled(40.0)


def test_an_emptied_buffer_begins_anew() -> None:
    progress = WriteProgress(LIMITS)
    progress.update(100, 0.0)
    progress.update(0, 20.0)
    progress.update(200, 100.0)
    assert progress.deadline() == 130.0


def test_the_cap_is_a_limit_and_not_a_mark() -> None:
    progress = WriteProgress(LIMITS)
    assert not progress.over_cap(1000)
    assert progress.over_cap(1001)


def test_what_nobody_tells_of_is_taken_for_done_at_a_rate() -> None:
    limits = Limits(write_high_water=1000, write_timeout=10)
    assert [assumed_progress(2500, s, limits) for s in (0, 5, 10, 19, 20, 1e6)] == [
        0, 500, 1000, 1900, 2000, 2000,
    ]  # fmt: skip
    assert assumed_progress(1000, 1e6, limits) == 0  # a write within the mark is timed as a whole
    assert assumed_progress(1001, 1e6, limits) == 1000
    assert assumed_progress(0, 1e6, limits) == 0
