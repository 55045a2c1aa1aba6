from __future__ import annotations

from dataclasses import replace

import pytest

from fasterapi.http.h2 import HTTP2Connection
from fasterapi.http.h2_events import (
    RequestReceived,
)
from fasterapi.http.h2_frames import ErrorCode
from fasterapi.limits import Limits
from fasterapi.protocol.http import Response

from .h2_link import POST, Link, answer
from .h2_peer import CALM, EXTENDED, GET, PREFACE, raw


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


@pytest.mark.parametrize("fault", [raw(0, 0, 0, b"x"), raw(6, 0, 0, bytes(8)) * 1001])
def test_the_last_goaway_names_no_later_stream_than_the_first(fault: bytes) -> None:
    link = Link()
    link.ask()
    link.server.shut_down()
    link.run()
    assert (link.peer.goaway, link.peer.last_stream) == (0, 1)
    link.inject(raw(1, 5, 9, b"\x82\x86\x84\x01\x01a"))
    assert not link.server.should_close
    link.inject(fault)
    assert link.server.should_close
    assert (link.peer.goaway, link.peer.last_stream) == (1 if fault[3] == 0 else CALM, 1)


def test_why_it_had_to_end_is_not_forgotten() -> None:
    link = Link()
    stream = link.ask()
    link.server.shut_down()
    link.inject(raw(6, 0, 0, bytes(8)) * 1001)
    assert stream.lost
    stream.reset()
    link.server.receive_data(raw(6, 0, 0, bytes(8)) * 1001)
    assert "max_h2_control_frames" in link.server.fault
    assert link.server.data_to_send() == b""


def test_what_hpack_can_not_read() -> None:
    link = Link()
    link.inject(raw(1, 5, 1, b"\xff\xff\xff\xff\xff\x0f"))
    assert (link.server.should_close, link.peer.goaway) == (True, ErrorCode.COMPRESSION_ERROR)


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
