"""Reads that inflate to more than a queue holds, in steps: the same events, some at a time."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.limits import FRAME_OVERHEAD, Limits
from fasterapi.protocol import Closed, Event, Fragment, Keepalive, Ping, State, WebSocketConnection
from fasterapi.protocol.connection import Role
from fasterapi.protocol.deflate import PerMessageDeflate

from .wire import BINARY, CLOSE, CONT, PING, TEXT, cuts_of, frame, payloads, split

MIB = 1 << 20
SIZE = 1000
HIGH_WATER = 2 * (SIZE + FRAME_OVERHEAD)
CLOSE_4000 = frame(CLOSE, (4000).to_bytes(2, "big"))
GONE = Closed(1006)


def server(stepwise: bool = True, **options: Any) -> WebSocketConnection:
    agreed = PerMessageDeflate().respond((("client_max_window_bits", None),))
    assert agreed is not None
    options.setdefault("limits", Limits(receive_high_water=HIGH_WATER, max_message_size=4 * SIZE))
    connection = WebSocketConnection(Role.SERVER, extensions=[agreed[1]], **options)
    connection.stepwise = stepwise
    return connection


def deflate(data: bytes, *, fin: bool = True) -> bytes:
    """Compress a message that stands for itself, or a fragment of one."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    whole = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return whole[:-4] if fin else whole


def compressed(data: bytes, opcode: int = BINARY, *, fin: bool = True) -> bytes:
    return frame(opcode, deflate(data, fin=fin), fin=fin, rsv=0x40)


def bomb(number: int, size: int = SIZE) -> bytes:
    return compressed(bytes([number]) * size)


def in_steps(connection: WebSocketConnection, pieces: Sequence[bytes]) -> list[list[Event]]:
    """Feed pieces and give the events of each step."""
    steps = []
    for piece in pieces:
        steps.append(connection.receive_data(piece))
        while connection.unread:
            steps.append(connection.receive_data(b""))
    return steps


def joined(steps: Sequence[list[Event]]) -> list[Event]:
    return [event for step in steps for event in step]


def test_a_step_ends_with_the_message_that_goes_over_the_high_water_mark() -> None:
    data = b"".join(map(bomb, range(7)))
    steps = in_steps(server(), [data])
    assert [len(step) for step in steps] == [3, 3, 1]
    assert joined(steps) == [bytes([number]) * SIZE for number in range(7)]


def test_without_that_wish_a_read_is_one_step() -> None:
    connection = server(stepwise=False)
    assert len(connection.receive_data(b"".join(map(bomb, range(7))))) == 7
    assert not connection.unread


TINY = [
    frame(TEXT, b"\x00", rsv=0x40),
    frame(TEXT, b"\x03\x00", rsv=0x40),
    frame(TEXT, b"\x03", fin=False, rsv=0x40) + frame(CONT, b"\x00"),
    frame(TEXT, b"", fin=False) + frame(CONT, b""),
    frame(PING, b""),
]


@pytest.mark.parametrize("tiny", TINY, ids=bytes.hex)
@pytest.mark.parametrize("streaming", [False, True])
def test_a_read_of_tiny_frames_is_many_steps(tiny: bytes, streaming: bool) -> None:
    # They inflate to nothing, and once were all one step of up to 300 ms.
    limits = Limits()
    connection = server(limits=limits)
    connection.streaming = streaming
    read = tiny * 1000
    steps = in_steps(connection, [read])
    assert sum(map(len, steps)) in (1000, 2000)
    assert max(map(len, steps)) <= limits.receive_high_water // FRAME_OVERHEAD + 1


def test_what_fits_is_one_step() -> None:
    connection = server()
    for count in (1, 2, 3):
        assert len(connection.receive_data(b"".join(map(bomb, range(count))))) == count
        assert not connection.unread
    plain = b"".join(frame(BINARY, bytes(SIZE)) for _ in range(9))
    assert len(connection.receive_data(plain)) == 9
    assert not connection.unread


def test_a_read_of_bombs_costs_a_message_and_the_high_water_mark() -> None:
    limits = Limits()
    read = bomb(1, MIB) * 200
    connection = server(limits=limits)
    count = 0
    tracemalloc.start()
    events = connection.receive_data(read)
    while events:
        count += len(events)
        events.clear()
        events = connection.receive_data(b"") if connection.unread else []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200
    assert peak < 4 * MIB + 2 * len(read)


def test_fragments_count_too_and_a_message_in_parts_goes_on_in_the_next_step() -> None:
    first = compressed(b"a" * HIGH_WATER + b"b", TEXT, fin=False)
    data = first + frame(PING, b"p") + frame(CONT, deflate(b"c")) + bomb(1)
    connection = server()
    connection.streaming = True
    assert in_steps(connection, [data]) == [
        [Fragment("a" * HIGH_WATER + "b", fin=False)],
        [Ping(b"p"), Fragment("c", fin=True), Fragment(bytes([1]) * SIZE, fin=True)],
    ]


def test_what_arrives_meanwhile_stands_behind() -> None:
    data = b"".join(map(bomb, range(7))) + frame(TEXT, b"unfinished")[:-3]
    connection = server()
    events = connection.receive_data(data)
    assert connection.unread
    rest = frame(TEXT, b"unfinished")[-3:] + frame(TEXT, b"next")
    events += connection.receive_data(rest[:1])
    events += connection.receive_data(rest[1:])
    assert not connection.unread
    assert events[3:] == [bytes([n]) * SIZE for n in range(3, 7)] + ["unfinished", "next"]
    assert connection.receive_data(frame(TEXT, b"last")) == ["last"]


def test_a_frame_that_ends_in_the_read_counts() -> None:
    data = bomb(1, HIGH_WATER + 1) + bomb(2)
    connection = server()
    assert connection.receive_data(data[:9]) == []
    assert connection.receive_data(data[9:]) == [b"\x01" * (HIGH_WATER + 1)]
    assert connection.unread
    assert connection.receive_data(b"") == [b"\x02" * SIZE]
    assert not connection.unread


def test_the_end_is_behind_what_waits() -> None:
    connection = server(keepalive=Keepalive(1.0, 1.0))
    connection.receive_data(b"".join(map(bomb, range(7))), 1.0)
    assert connection.receive_eof(2.0) == []
    assert connection.state is State.OPEN
    assert not connection.finished
    for now in (100.0, 200.0):
        assert connection.tick(now) == []  # no pong will come, and that is held against nobody
    connection.data_to_send()
    assert len(connection.receive_data(b"", 3.0)) == 3
    assert connection.receive_data(b"", 4.0) == [bytes([6]) * SIZE]
    connection.send_text("the answer to the last one, too")
    assert connection.unread
    assert connection.receive_data(b"", 5.0) == [GONE]
    assert not connection.unread
    assert connection.state is State.CLOSED
    assert len(payloads(connection.data_to_send())) == 1
    assert connection.finished
    assert connection.receive_eof(5.0) == []


@pytest.mark.parametrize("stepwise", [False, True])
def test_each_message_before_the_end_can_be_answered(stepwise: bool) -> None:
    connection = server(stepwise=stepwise)
    steps = [connection.receive_data(b"".join(map(bomb, range(7))))]
    for events in steps:
        for event in events:
            if isinstance(event, bytes):
                connection.send_binary(event[:1])
        if len(steps) == 1:
            steps.append(connection.receive_eof())
        elif connection.unread:
            steps.append(connection.receive_data(b""))
    assert steps[-1] == [GONE]
    assert connection.state is State.CLOSED
    assert [payload for _, payload in payloads(connection.data_to_send())] == [
        bytes([number]) for number in range(7)
    ]


def test_who_closes_before_the_end_is_taken_still_learns_of_it() -> None:
    connection = server(keepalive=Keepalive(1.0, 1.0))
    connection.receive_data(b"".join(map(bomb, range(4))), 1.0)
    connection.receive_eof(2.0)
    connection.receive_data(b"", 3.0)
    assert connection.unread
    connection.close()
    (closed,) = connection.receive_data(b"", 4.0)
    assert closed == GONE
    assert not connection.unread
    assert connection.state is State.CLOSED


def test_who_can_not_answer_any_more_may_drop_what_waits() -> None:
    connection = server()
    connection.receive_data(b"".join(map(bomb, range(7))))
    assert connection.receive_eof() == []
    assert connection.receive_eof(drop=True) == [GONE]
    assert not connection.unread
    assert connection.receive_data(b"") == []


def test_a_close_that_waits_is_answered_when_it_is_reached() -> None:
    connection = server()
    connection.receive_data(b"".join(map(bomb, range(4))) + frame(PING, b"p") + CLOSE_4000 + b"x")
    assert connection.data_to_send() == b""
    assert connection.receive_eof() == []
    connection.send_text("answer")
    assert connection.receive_data(b"") == [
        bytes([3]) * SIZE, Ping(b"p"), Closed(4000, "", remote=True),
    ]  # fmt: skip
    assert not connection.unread


def test_a_fault_that_waits_fails_when_it_is_reached() -> None:
    connection = server()
    connection.receive_data(b"".join(map(bomb, range(4))) + frame(CONT, b"") + bomb(5))
    assert connection.state is State.OPEN
    message, closed = connection.receive_data(b"")
    assert message == bytes([3]) * SIZE
    assert isinstance(closed, Closed)
    assert closed.code == 1002
    assert not connection.unread
    assert [first for first, _ in payloads(connection.data_to_send())] == [0x88]


def test_what_waits_is_let_go_when_the_connection_fails_for_another_reason() -> None:
    connection = server(keepalive=Keepalive(1.0, 1.0))
    connection.receive_data(b"".join(map(bomb, range(7))), 0.0)
    connection.tick(1.0)
    (closed,) = connection.tick(2.5)
    assert isinstance(closed, Closed)
    assert closed.code == 1011
    assert connection.unread  # until somebody asks
    assert connection.receive_data(b"", 3.0) == []
    assert not connection.unread


def test_who_closes_goes_on_receiving() -> None:
    connection = server()
    events = connection.receive_data(b"".join(map(bomb, range(7))) + CLOSE_4000)
    connection.close()
    while connection.unread:
        events += connection.receive_data(b"")
    assert len(events) == 8
    assert events[-1] == Closed(4000, "", remote=True)
    assert connection.state is State.CLOSED


bombs = st.builds(bomb, st.integers(0, 255), st.integers(0, 3 * SIZE))
inputs = st.one_of(
    bombs,
    st.binary(max_size=200).map(lambda data: frame(BINARY, data)),
    st.builds(
        lambda one, ping, two: compressed(one, fin=False) + ping + frame(CONT, deflate(two)),
        st.binary(max_size=SIZE),
        st.sampled_from([b"", frame(PING, b"p")]),
        st.binary(max_size=SIZE),
    ),
    st.sampled_from([frame(PING, b"p"), frame(TEXT, b"text")]),
)
ends = st.sampled_from(
    [b"", CLOSE_4000, frame(CONT, b""), bomb(1, 9 * SIZE), frame(3, b""), b"\x82"]
)


@settings(deadline=None)
@given(st.data(), st.lists(inputs, max_size=8), ends, st.booleans(), st.booleans())
def test_steps_change_no_event_and_no_byte(
    draw: st.DataObject, parts: list[bytes], end: bytes, streaming: bool, over: bool
) -> None:
    data = b"".join(parts) + end
    pieces = split(data, draw.draw(cuts_of(data)))
    results = []
    for stepwise, way in ((False, [data]), (True, [data]), (True, pieces), (True, list(pieces))):
        connection = server(stepwise=stepwise)
        connection.streaming = streaming
        if way is pieces or way == [data]:
            events = joined(in_steps(connection, way))
        else:  # without waiting for the end of a read
            events = [event for piece in way for event in connection.receive_data(piece)]
            events += joined(in_steps(connection, [b""]))
        if over:
            events += connection.receive_eof()
        results.append((in_whole(events), connection.data_to_send(), connection.state))
    assert results[1:] == [results[0]] * 3


def in_whole(events: list[Event]) -> list[Event]:
    """Join the fragments of a message: how many there are depends on the reads."""
    result: list[Event] = []
    for event in events:
        last = result[-1] if result else None
        if isinstance(event, Fragment) and isinstance(last, Fragment) and not last.fin:
            result[-1] = Fragment(last.data + event.data, fin=event.fin)  # type: ignore[operator]
        else:
            result.append(event)
    return result


@pytest.mark.parametrize("stepwise", [False, True])
def test_an_end_that_comes_early_changes_no_event(stepwise: bool) -> None:
    connection = server(stepwise=stepwise)
    events = connection.receive_data(b"".join(map(bomb, range(7))))
    events += connection.receive_eof()
    while connection.unread:
        events += connection.receive_data(b"")
    assert events == [*(bytes([n]) * SIZE for n in range(7)), GONE]
