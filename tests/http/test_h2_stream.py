from __future__ import annotations

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.http.h2_events import (
    StreamData,
    StreamEnded,
    StreamLost,
)
from fasterapi.http.h2_frames import ErrorCode
from fasterapi.http.h2_stream import HTTP2Stream
from fasterapi.protocol.http import Response

from .h2_link import POST, Link, answer


def test_a_streamed_answer() -> None:
    link = Link()
    stream = link.ask()
    stream.start_stream(Response(200, [("Content-Type", "text/event-stream")]))
    stream.send_data(b"one")
    stream.write(stream.data_to_send())
    link.run()
    assert (link.heard(stream).data, link.heard(stream).ended) == (b"one", False)
    stream.send_data(b"two")
    stream.end()
    stream.write(stream.data_to_send())
    stream.write_eof()
    link.run()
    assert (link.heard(stream).data, link.heard(stream).ended) == (b"onetwo", True)


def test_a_tunnel_carries_bytes_both_ways_and_ends_by_halves() -> None:
    link = Link()
    stream = link.tunnel()
    assert stream.request.protocol == "websocket"
    assert link.heard(stream).status == 200
    link.peer.h2.send_data(stream.number, b"ping")
    assert link.run() == [StreamData(stream, b"ping")]
    stream.write(b"pong")
    stream.write_eof()
    stream.write(b"too late")
    link.run()
    assert (link.heard(stream).data, link.heard(stream).ended) == (b"pong", True)
    assert stream.number in link.server.streams
    link.peer.h2.end_stream(stream.number)
    assert link.run() == [StreamEnded(stream)]
    assert stream.is_over
    assert not link.server.streams


def test_credit_comes_back_when_the_reader_has_taken_the_data() -> None:
    link = Link()
    stream = link.tunnel()
    for _ in range(4):
        link.peer.h2.send_data(stream.number, bytes(16_000))
    link.run()
    before = link.peer.h2.local_flow_control_window(stream.number)
    assert before == 65_536 - 64_000
    stream.consumed(64_000)
    link.run()
    assert link.peer.h2.local_flow_control_window(stream.number) == 65_536


def test_a_tunnel_that_nobody_reads_holds_up_no_other() -> None:
    link = Link()
    streams = [link.tunnel() for _ in range(20)]
    for stream in streams:  # each uses its window up: more than the connection's, all together
        for _ in range(4):
            link.peer.h2.send_data(stream.number, bytes(16_384))
        link.run()
    assert isinstance(link.ask(POST, bytes(10_000)), HTTP2Stream)


def test_the_peer_resets_a_tunnel() -> None:
    link = Link()
    stream = link.tunnel()
    link.peer.h2.reset_stream(stream.number, ErrorCode.CANCEL)
    assert link.run() == [StreamLost(stream)]
    stream.write(b"nobody reads it")
    stream.write_eof()
    stream.consumed(1 << 20)
    stream.reset()
    link.run()
    assert link.peer.goaway is None


def test_a_refused_tunnel_is_no_tunnel() -> None:
    link = Link()
    link.peer.connect()
    [event] = link.run()
    answer(event.stream, Response(403, body=b"no"))
    link.run()
    heard = link.heard(event.stream)
    assert (heard.status, heard.data, heard.ended) == (403, b"no", True)
    link.tick(link.limits.close_timeout)
    assert heard.reset == ErrorCode.NO_ERROR


def test_a_tunnel_is_answered_with_200_alone() -> None:
    link = Link()
    link.peer.connect()
    [event] = link.run()
    for wrong in (Response(101), Response(204), Response(200, body=b"x")):
        with pytest.raises(LocalProtocolError):
            event.stream.upgrade(wrong)
    with pytest.raises(LocalProtocolError):
        link.ask().upgrade(Response(200))
    with pytest.raises(LocalProtocolError):
        event.stream.receive_data(b"x")


def test_a_response_is_checked_once_more() -> None:
    link = Link()
    stream = link.ask()
    response = Response(200)
    response.headers = type(response.headers).of_text([("X", "a\r\nb: c")])
    with pytest.raises(LocalProtocolError):
        stream.respond(response)
    with pytest.raises(LocalProtocolError):
        stream.start_stream(Response(101))
    answer(stream, Response(500))
    link.run()
    assert link.heard(stream).status == 500
