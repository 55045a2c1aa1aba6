from __future__ import annotations

import random
from dataclasses import replace

import pytest

from fasterapi.http.h2 import HTTP2Connection
from fasterapi.http.h2_events import (
    RequestReceived,
    RequestRefused,
    StreamData,
    StreamLost,
)
from fasterapi.http.h2_gate import ErrorCode
from fasterapi.limits import Limits
from fasterapi.protocol.http import Response

from .h2_link import POST, Link, answer
from .h2_peer import CALM, EXTENDED, GET, PREFACE, Peer, fields, raw

# ------------------------------------------------------------------------------------ requests


def test_a_request_and_its_answer() -> None:
    link = Link()
    stream = link.ask(
        [*fields(GET, path="/a?b=c"), ("x-a", "1"), ("cookie", "a=b"), ("cookie", "c=d")]
    )
    request = stream.request
    assert (request.method, request.target, request.http_version) == ("GET", "/a?b=c", "2")
    assert request.headers["host"] == "localhost"
    assert request.cookies == {"a": "b", "c": "d"}
    assert request.client == "192.0.2.1:1"
    answer(stream, Response(200, [("X-B", "2"), ("Connection", "close")], b"hello"))
    link.run()
    heard = link.heard(stream)
    assert (heard.status, heard.data, heard.ended) == (200, b"hello", True)
    assert heard.headers["content-length"] == "5"
    assert heard.headers["x-b"] == "2"
    assert "connection" not in heard.headers
    assert not link.server.streams


def test_the_settings_say_that_websockets_are_spoken() -> None:
    link = Link(Limits(max_h2_streams=7))
    assert link.peer.settings[8] == 1  # ENABLE_CONNECT_PROTOCOL
    assert link.peer.settings[3] == 7


def test_a_body_comes_whole_and_trailers_are_dropped() -> None:
    link = Link()
    number = link.peer.request(POST, b"one ", end=False)
    assert link.run() == []
    link.peer.h2.send_data(number, b"two", pad_length=9)
    link.peer.h2.send_headers(number, [("x-trailer", "1")], end_stream=True)
    [event] = link.run()
    assert isinstance(event, RequestReceived)
    assert event.request.body == b"one two"
    assert event.request.headers.get("x-trailer") is None


def test_a_body_larger_than_any_window() -> None:
    link = Link(Limits(max_body_size=1 << 21))
    number = link.peer.request(POST, end=False)
    left = 1 << 21
    while left:
        link.run()
        size = min(left, 16384, link.peer.h2.local_flow_control_window(number))
        assert size, "no credit came back"
        link.peer.h2.send_data(number, bytes(size))
        left -= size
    link.peer.h2.end_stream(number)
    [event] = link.run()
    assert isinstance(event, RequestReceived)
    assert len(event.request.body) == 1 << 21


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_its_limit(announced: bool) -> None:
    link = Link(Limits(max_body_size=10))
    length = [("content-length", "11")] if announced else []
    number = link.peer.request([*POST, *length], bytes(11), end=False)
    [event] = link.run()
    assert isinstance(event, RequestRefused)
    assert "max_body_size" in event.fault
    heard = link.peer.heard[number]
    assert (heard.status, heard.ended, heard.reset) == (413, True, None)
    # What is still on its way is dropped, and after a while the client is told that it may stop.
    if not announced:
        link.peer.h2.send_data(number, bytes(100))
    assert link.tick(link.limits.close_timeout) == []
    assert heard.reset == ErrorCode.NO_ERROR
    assert not link.server.streams


def test_a_client_that_ends_its_refused_request_is_not_reset() -> None:
    link = Link(Limits(max_body_size=10))
    number = link.peer.request(POST, bytes(11), end=False)
    link.run()
    link.peer.h2.end_stream(number)
    link.run()
    assert not link.server.streams
    assert link.peer.heard[number].reset is None


def test_continue_is_sent_to_who_waits_for_it() -> None:
    link = Link()
    number = link.peer.request([*POST, ("expect", "100-continue")], end=False)
    before = b"".join([link.peer.h2.data_to_send()])
    link.server.receive_data(before)
    interim = link.server.data_to_send()
    events = link.peer.h2.receive_data(interim)
    assert any(type(event).__name__ == "InformationalResponseReceived" for event in events)
    link.peer.h2.send_data(number, b"x", end_stream=True)
    [event] = link.run()
    assert isinstance(event, RequestReceived)


def test_a_request_has_its_time() -> None:
    link = Link()
    number = link.peer.request(POST, b"x", end=False)
    link.run()
    assert link.tick(9.9) == []
    [event] = link.tick(0.1)
    assert isinstance(event, RequestRefused)
    assert link.peer.heard[number].status == 408


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_refused_request_costs_no_other(method: str) -> None:
    link = Link()
    good = link.ask()
    number = link.peer.request(fields(GET, method=method, path="no-slash"))
    [event] = link.run()
    assert isinstance(event, RequestRefused)
    heard = link.peer.heard[number]
    assert (heard.status, heard.ended) == (400, True)
    assert bool(heard.data) is (method == "GET")
    answer(good, Response(200, body=b"ok"))
    link.run()
    assert link.heard(good).data == b"ok"


def test_any_cut_of_the_bytes_gives_the_same_events() -> None:
    peer = Peer()
    peer.request([*POST, ("x-long", "x" * 3000)], bytes(5000))
    tunnel = peer.connect()
    peer.h2.send_data(tunnel, b"abc")
    peer.h2.ping(b"12345678")
    peer.h2.end_stream(tunnel)
    data = peer.h2.data_to_send()

    def read(cuts: list[int]) -> tuple[list[tuple[str, int, bytes]], bytes]:
        server = HTTP2Connection()
        found = []
        for first, last in zip([0, *cuts], [*cuts, len(data)], strict=True):
            for event in server.receive_data(data[first:last]):
                got = event.data if isinstance(event, StreamData) else b""
                if isinstance(event, RequestReceived):
                    got = event.request.body
                found.append((type(event).__name__, event.stream.number, got))
        return found, server.data_to_send()

    whole = read([])
    assert [name for name, _, _ in whole[0]] == [
        "RequestReceived", "RequestReceived", "StreamData", "StreamEnded"
    ]  # fmt: skip
    assert read(list(range(1, len(data)))) == whole
    for seed in range(20):
        rng = random.Random(seed)
        assert read(sorted(rng.sample(range(1, len(data)), 9))) == whole


# --------------------------------------------------------------------------- life and shutdown


def test_an_idle_connection_ends_with_goaway() -> None:
    link = Link()
    stream = link.ask()
    assert link.tick(100) == []  # at work
    answer(stream, Response(200))
    link.run()
    link.tick(14.9)
    assert not link.server.should_close
    link.tick(0.1)
    assert link.server.should_close
    assert (link.peer.goaway, link.server.fault) == (0, "")
    assert link.server.next_deadline() is None
    assert link.server.tick(1000.0) == []


def test_a_client_that_says_nothing_is_not_waited_for() -> None:
    server = HTTP2Connection()
    server.receive_data(PREFACE[:10])
    assert server.next_deadline() == 10.0
    server.tick(10.0)
    assert server.should_close


def test_settings_again_and_again_keep_nothing_alive() -> None:
    link = Link()
    for _ in range(3):
        link.now += 5
        link.peer.h2.update_settings({4: 70_000})
        link.run()
    link.tick(0)
    assert link.server.should_close


def test_a_header_block_has_its_time() -> None:
    link = Link()
    link.ask()  # not idle
    link.inject(raw(1, 0, 3, b"\x82"))
    link.tick(9.9)
    assert not link.server.should_close
    link.tick(0.1)
    assert link.server.should_close
    assert "handshake_timeout" in link.server.fault
    assert link.peer.goaway == CALM


def test_at_shutdown_what_is_open_goes_on() -> None:
    link = Link()
    stream, refused = link.ask(), link.peer.request(POST, bytes(1), end=False)
    link.run()
    link.server.shut_down()
    data = link.server.data_to_send()
    assert data.endswith(b"\x00\x00\x08\x07" + bytes(5) + b"\x00\x00\x00\x03" + bytes(4))
    # To h2's client a GOAWAY is the end of the whole connection: it would send nothing more.
    wire = link.peer.h2
    wire.send_data(refused, b"y", end_stream=True)
    late = wire.get_next_available_stream_id()
    wire.send_headers(late, GET, end_stream=True)
    [event] = link.run()
    assert isinstance(event, RequestReceived)
    assert event.request.body == b"\x00y"
    assert link.peer.heard[late].reset == ErrorCode.REFUSED_STREAM
    for open_stream in (stream, event.stream):
        assert not link.server.should_close
        answer(open_stream, Response(200, body=b"done"))
        link.run()
        assert link.heard(open_stream).data == b"done"
    assert link.server.should_close
    assert link.server.fault == ""


def test_shutdown_of_an_idle_connection_and_of_a_lingering_stream() -> None:
    link = Link()
    link.server.shut_down()
    link.server.shut_down()
    assert link.server.should_close
    link = Link(Limits(max_body_size=1))
    link.peer.request(POST, bytes(2), end=False)
    link.run()
    link.server.shut_down()
    assert link.server.should_close
    link = Link()
    link.peer.connect()
    [event] = link.run()
    link.server.shut_down()
    answer(event.stream, Response(503))
    while link.server.data_to_send():
        link.server.progressed()
    link.server.progressed()
    assert link.server.should_close


def test_the_peers_goaway_leaves_it_its_answers() -> None:
    link = Link()
    stream = link.ask()
    link.inject(raw(7, 0, 0, bytes(8)))
    assert not link.server.should_close
    answer(stream, Response(200, body=b"ok"))
    link.run()
    assert link.heard(stream).data == b"ok"
    assert link.server.should_close
    link = Link()
    link.inject(raw(7, 0, 0, bytes(8)))
    assert link.server.should_close


def test_the_peers_goaway_with_an_error_is_the_end() -> None:
    link = Link()
    stream = link.ask()
    link.inject(raw(7, 0, 0, bytes(4) + b"\x00\x00\x00\x02"))
    assert link.server.should_close
    assert "0x2" in link.server.fault
    assert stream.lost


# ------------------------------------------------------------------------------ floods, faults


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
    assert lost == 200
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
    link = Link(Limits(max_h2_streams=2))
    for _ in range(2):
        link.peer.request(POST, end=False)
    link.run()
    link.inject(raw(1, 4, 5, b"\x83\x87\x84\x41\x01a"))
    assert link.server.should_close


def test_data_of_streams_that_are_gone_costs_the_connection_nothing() -> None:
    link = Link(Limits(max_h2_resets=10_000))
    number = link.tunnel().number
    link.server.streams[number].reset()
    for _ in range(200):  # 3.2 MB: more than the connection's window
        link.server.receive_data(raw(0, 0, number, bytes(16_000)))
        link.server.data_to_send()
    assert not link.server.should_close


def test_the_table_of_what_we_sent_stays_small() -> None:
    link = Link()
    link.peer.h2.update_settings({1: 1 << 30})
    link.run()
    for i in range(300):
        stream = link.ask()
        answer(stream, Response(200, [("X-Unique", f"{i:0100}")]))
        link.run()
    assert link.server._h2.encoder.header_table_size == 4096
    assert link.heard(stream).headers["x-unique"].endswith("299")


def test_limits_of_one_connection_do_not_leak_into_another() -> None:
    assert Link(replace(Limits(), receive_high_water=1 << 20)).peer.settings[4] == 1 << 20
    assert EXTENDED[1] == (":protocol", "websocket")
