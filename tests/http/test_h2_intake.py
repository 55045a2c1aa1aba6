from __future__ import annotations

import random

import pytest

from fasterapi.http.h2 import HTTP2Connection
from fasterapi.http.h2_events import (
    RequestReceived,
    RequestRefused,
    StreamData,
    StreamLost,
)
from fasterapi.http.h2_frames import ErrorCode
from fasterapi.limits import Limits
from fasterapi.protocol.http import Response

from .h2_link import POST, Link, answer
from .h2_peer import CALM, GET, Peer, fields


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


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([*POST, ("content-length", "3")], b"four"),
        ([*POST, ("content-length", "3")], b"12"),
        ([*POST, ("content-length", "3")], b""),
        ([*GET, ("content-length", "3")], None),
        ([*GET, ("X-Upper", "1")], None),
        ([*GET, ("connection", "close")], None),
        ([*GET, ("te", "gzip")], None),
        ([*GET, (":late", "1")], None),
        ([*GET, (":path", "/again")], None),
        (fields(GET, path=None), None),
        (fields(GET, path=""), None),
        (fields(GET, scheme=None), None),
        (fields(GET, method=None), None),
        (fields(GET, status="200"), None),
        (fields(GET, protocol="websocket"), None),
        ([*GET, ("x", "a\r\nb: c")], None),
        ([*GET, ("", "a")], None),
    ],
)
def test_a_malformed_request_costs_its_stream(
    headers: list[tuple[str, str]], body: bytes | None
) -> None:
    link = Link(Limits(max_h2_resets=1), Peer(validate=False))
    good = link.tunnel()
    number = link.peer.request(headers, body)
    [event] = link.run()
    assert isinstance(event, StreamLost)
    assert event.fault.startswith("a malformed request: ")
    assert event.stream.lost
    assert link.peer.heard[number].reset == ErrorCode.PROTOCOL_ERROR
    good.write(b"none of my business")
    link.run()
    assert link.heard(good).data == b"none of my business"
    assert not link.server.should_close
    link.peer.request(headers, body)  # each is counted
    link.run()
    assert (link.server.should_close, link.peer.goaway) == (True, CALM)


def test_a_length_that_is_right() -> None:
    link = Link()
    for body in (b"", b"123"):
        stream = link.ask([*POST, ("content-length", str(len(body)))], body)
        assert stream.request.body == body


def test_malformed_trailers() -> None:
    link = Link(peer=Peer(validate=False))
    number = link.peer.request(POST, b"x", end=False)
    link.peer.h2.send_headers(number, [(":path", "/")], end_stream=True)
    [event] = link.run()
    assert isinstance(event, StreamLost)
    assert link.peer.heard[number].reset == ErrorCode.PROTOCOL_ERROR
    link.peer.h2.send_headers(link.peer.request(POST, end=False), [("x", "y")], end_stream=True)
    [event] = link.run()
    assert isinstance(event, RequestReceived)
