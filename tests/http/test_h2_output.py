from __future__ import annotations

from fasterapi.http.h2_events import (
    StreamLost,
)
from fasterapi.http.h2_frames import ErrorCode
from fasterapi.protocol.http import Response

from .h2_link import Link, answer
from .h2_peer import Peer


def test_a_stream_that_is_not_read_holds_up_no_other() -> None:
    link = Link(peer=Peer(credit=False))
    stalled, other = link.ask(), link.ask()
    stalled.start_stream(Response(200))
    stalled.write(bytes(100_000))
    link.run()
    assert len(link.heard(stalled).data) == 65_535  # and with it, of the connection
    link.peer.h2.increment_flow_control_window(1 << 20)
    answer(other, Response(200, body=bytes(50_000)))
    link.run()
    assert len(link.heard(other).data) == 50_000
    assert len(link.heard(stalled).data) == 65_535
    link.peer.h2.increment_flow_control_window(1 << 20, stalled.number)
    link.run()
    assert len(link.heard(stalled).data) == 100_000


def test_streams_take_turns() -> None:
    link = Link(peer=Peer(window=1 << 20))
    link.peer.h2.increment_flow_control_window(1 << 20)
    first, second = link.ask(), link.ask()
    for stream in (first, second):
        stream.start_stream(Response(200))
        stream.write(bytes(200_000))
    link.peer.hear(link.server.data_to_send())  # one batch of several
    assert link.heard(first).frames[:2] == [16_384, 16_384]
    assert abs(len(link.heard(first).data) - len(link.heard(second).data)) <= 16_384


def test_a_window_of_zero_has_its_time() -> None:
    link = Link(peer=Peer(window=0))
    stream, other = link.ask(), link.ask()
    answer(stream, Response(200, body=b"x"))
    link.run()
    assert link.server.next_deadline() == 30.0
    link.peer.h2.increment_flow_control_window(10, other.number)
    answer(other, Response(200, body=b"y"))
    link.run()
    assert link.heard(other).data == b"y"
    assert link.tick(29.9) == []
    [event] = link.tick(0.1)
    assert isinstance(event, StreamLost)
    assert "write_timeout" in event.fault
    assert link.heard(stream).reset == ErrorCode.CANCEL


def test_a_byte_now_and_then_is_progress() -> None:
    link = Link(peer=Peer(window=0, credit=False))
    stream = link.ask()
    answer(stream, Response(200, body=b"xyz"))
    link.run()
    for _ in range(3):
        assert link.tick(20) == []
        link.peer.h2.increment_flow_control_window(1, stream.number)
        link.run()
    assert link.heard(stream).data == b"xyz"
    assert link.heard(stream).ended


def test_a_larger_initial_window_lets_streams_go_on() -> None:
    link = Link(peer=Peer(window=1, credit=False))
    stream = link.ask()
    answer(stream, Response(200, body=b"xyz"))
    link.run()
    assert link.heard(stream).data == b"x"
    link.peer.h2.update_settings({4: 100})
    link.run()
    assert link.heard(stream).data == b"xyz"
