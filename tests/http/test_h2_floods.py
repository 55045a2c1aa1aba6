"""What a peer of HTTP/2 may cost: faults of frames, floods, and the streams that we reset."""

from __future__ import annotations

import pytest

from fasterapi.http.h2_events import (
    StreamLost,
)
from fasterapi.http.h2_frames import ErrorCode
from fasterapi.limits import Limits
from fasterapi.protocol.http import Response

from .h2_link import POST, Link, answer
from .h2_peer import CALM, GET, Peer, code, fields, frames, raw


def resets(count: int) -> bytes:
    """Open a stream and reset it, over and over."""
    peer = Peer()
    peer.h2.data_to_send()
    for _ in range(count):
        peer.h2.reset_stream(peer.request(end=False), 8)
    return peer.h2.data_to_send()


def test_resets_are_counted() -> None:
    link = Link()
    events = link.inject(resets(200))
    assert not link.server.should_close
    assert sum(isinstance(event, StreamLost) for event in events) == 200
    link = Link()
    link.inject(resets(201))
    assert (link.server.should_close, link.peer.goaway) == (True, CALM)
    assert "max_h2_resets" in link.server.fault


def test_resets_are_forgotten_after_a_while() -> None:
    link = Link(Limits(max_h2_resets=2, keep_alive_timeout=1000))
    for _ in range(9):
        for _ in range(2):
            link.peer.h2.reset_stream(link.peer.request(end=False), 8)
        link.run()
        link.tick(30)
    assert not link.server.should_close


def test_streams_that_we_are_made_to_reset_are_counted() -> None:  # CVE-2025-8671
    link = Link()
    lost = 0
    for _ in range(201):
        number = link.peer.request(end=False)
        link.run()
        events = link.inject(raw(8, 0, number, b"\x7f\xff\xff\xff"))
        lost += sum(isinstance(event, StreamLost) for event in events)
    assert lost == 201
    assert (link.server.should_close, link.peer.goaway) == (True, CALM)


def test_streams_that_we_reset_are_counted() -> None:
    link = Link(Limits(max_h2_resets=2))
    for _ in range(3):
        assert not link.server.should_close
        link.tunnel().reset()
        link.run()
    assert (link.server.should_close, link.peer.goaway) == (True, CALM)


@pytest.mark.parametrize(
    "frame",
    [
        raw(6, 0, 0, bytes(8)),
        raw(4),
        raw(0, 0, 1),
        raw(2, 0, 1, bytes(4) + b"\x10"),
        raw(0x10, 0, 0, bytes(5)),
    ],
    ids=["PING", "SETTINGS", "empty DATA", "PRIORITY", "unknown"],
)
def test_frames_that_carry_no_request_are_counted(frame: bytes) -> None:
    link = Link()
    link.peer.request(POST, end=False)
    link.run()
    link.server.receive_data(frame * 100_000)
    out = link.server.data_to_send()
    assert len(out) < 30_000
    assert out.endswith(b"\x00\x00\x00\x0b")
    assert "max_h2_control_frames" in link.server.fault
    assert link.server.receive_data(frame) == []


def test_window_updates_are_free_as_far_as_data_is_sent() -> None:
    link = Link(Limits(max_h2_control_frames=5), Peer(window=1 << 20))
    stream = link.ask()
    stream.start_stream(Response(200))
    for _ in range(20):
        stream.write(b"x")
        link.run()
        for _ in range(9):
            link.inject(raw(8, 0, 0, b"\x00\x00\x00\x01"))
    assert not link.server.should_close
    link.inject(raw(8, 0, 0, b"\x00\x00\x00\x01") * 60)
    assert link.server.should_close


def test_reading_stops_while_answers_wait() -> None:
    link = Link(Limits(write_high_water=100))
    assert link.server.wants_data
    link.server.receive_data(raw(6, 0, 0, bytes(8)) * 10)
    assert not link.server.wants_data
    link.server.data_to_send()
    assert link.server.wants_data


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (raw(0, 0, 3, bytes(16_385))[:9], 6, "a frame of 16385 bytes"),  # at its header
        (raw(1, 0, 3, bytes(10)) + raw(9, 0, 3) * 100, 1, "continuation"),
        (raw(1, 0, 3, bytes(16_000)) + raw(9, 0, 3, bytes(16_000)) * 5, CALM, "header block"),
        (raw(8, 0, 0, b"\x7f\xff\xff\xff"), 3, "HTTP/2"),
        (raw(0, 0, 0, b"x"), 1, "HTTP/2"),
    ],
    ids=["frame size", "CONTINUATION", "header block", "window", "DATA on 0"],
)
def test_a_fault_of_frames_ends_the_connection(data: bytes, code: int, text: str) -> None:
    link = Link()
    stream = link.ask(fields(GET, path="/at-work"))
    link.inject(data)
    assert link.server.should_close
    assert link.peer.goaway == code
    assert text.lower() in link.server.fault.lower()
    assert stream.lost
    stream.write(b"x")
    assert link.server.data_to_send() == b""


def test_a_bomb_of_header_fields() -> None:
    link = Link()
    stream = link.ask([*GET, ("x-a", "x" * 4000)])
    # The field is remembered: one byte on the wire, 4,000 in memory.
    block = b"\x82\x87\x84\x01\x01a" + b"\xbe" * 300
    link.inject(raw(1, 4, stream.number + 2, block))
    assert link.server.should_close
    assert link.peer.goaway == CALM


def test_more_streams_than_were_offered() -> None:
    link = Link(Limits(max_h2_streams=2, max_h2_resets=3))
    first, _ = [link.peer.request(POST, end=False) for _ in range(2)]
    link.run()
    post = b"\x83\x87\x84\x01\x01a"
    for number in (5, 7, 9):
        assert link.server.receive_data(raw(1, 4, number, post)) == []
        assert link.server.data_to_send() == raw(3, 0, number, b"\x00\x00\x00\x07")
    link.peer.h2.end_stream(first)
    [event] = link.run()
    answer(event.stream, Response(200))
    link.run()
    link.inject(raw(1, 4, 11, post))
    assert not link.server.should_close
    link.inject(raw(1, 4, 13, post))
    assert (link.server.should_close, link.peer.goaway) == (True, CALM)


def test_streams_that_come_before_our_settings_are_not_the_end() -> None:
    peer = Peer()
    numbers = [peer.request(POST, end=False) for _ in range(120)]
    link = Link(peer=peer)
    assert [number for number in numbers if peer.heard[number].reset == 7] == numbers[100:]
    assert not link.server.should_close


def test_data_that_was_on_its_way_to_a_stream_that_we_reset() -> None:
    """It is dropped unanswered, with credit for the connection; h2 would answer each frame."""
    link = Link()
    number = link.tunnel().number
    link.server.streams[number].reset()
    assert frames(link.server.data_to_send()) == [(3, number, code(ErrorCode.CANCEL))]
    data = raw(0, 0, number, b"abc")
    for cut in (5, 10):
        assert link.server.receive_data(data * 1000 + data[:cut]) == []
        assert link.server.receive_data(data[cut:] + data) == []
        answers = frames(link.server.data_to_send())
        assert {(kind, stream) for kind, stream, _ in answers} == {(8, 0)}
        assert sum(int.from_bytes(size, "big") for _, _, size in answers) == 1002 * 3
    # It has an end. Behind that only a peer that means it sends more.
    link.server.receive_data(raw(0, 1, number) + data * 300)
    answers = frames(link.server.data_to_send())
    assert answers[-1] == (7, 0, code(number) + code(CALM))
    assert sum(kind == 3 for kind, _, _ in answers) <= link.limits.max_h2_resets + 1


def test_data_of_a_stream_that_is_over_is_counted() -> None:
    link = Link()
    stream = link.ask()
    answer(stream, Response(200))
    link.run()
    link.server.receive_data(raw(0, 0, stream.number, b"x") * 1000)
    answers = frames(link.server.data_to_send())
    assert answers[-1][0] == 7
    assert sum(kind == 3 for kind, _, _ in answers) <= link.limits.max_h2_resets + 1


def test_no_more_streams_fail_in_one_read_than_are_allowed() -> None:  # CVE-2025-8671
    peer = Peer()
    link = Link(Limits(max_h2_streams=1000), peer)
    pieces = []
    for _ in range(900):
        number = peer.request(POST, end=False)
        pieces += [peer.h2.data_to_send(), raw(8, 0, number, b"\x7f\xff\xff\xff")]
    link.server.receive_data(b"".join(pieces))
    answers = frames(link.server.data_to_send())
    assert sum(kind == 3 for kind, _, _ in answers) == link.limits.max_h2_resets + 1
    assert answers[-1] == (7, 0, code(2 * link.limits.max_h2_resets + 1) + code(CALM))
