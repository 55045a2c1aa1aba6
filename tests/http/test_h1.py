"""A whole HTTP/1.1 connection: exchanges, pipelining, deadlines, faults, upgrades."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, cast

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.errors import LocalProtocolError
from fasterapi.http import HTTP1Connection
from fasterapi.http.h1_state import TRANSITIONS, State, Trigger
from fasterapi.limits import DEFAULT_LIMITS, Limits
from fasterapi.protocol.http import Request, Response

from .wire import (
    CUTS,
    GET,
    HANDSHAKE,
    SMALL,
    answer,
    cut,
    every_way,
    fields,
    read_responses,
    serve,
)

OK = Response(200, body=b"hello")
SWITCH = Response(101, [("Upgrade", "websocket"), ("Connection", "Upgrade")])
POST = b"POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX: y\r\n\r\n"
)


def asked(data: bytes = GET, **options: Any) -> HTTP1Connection:
    """A connection with the request ``data`` active."""
    connection = HTTP1Connection(**options)
    assert connection.receive_data(data) is not None
    return connection


def head_of(method: str, *extra: str, version: str = "1.1") -> bytes:
    """A request head for ``/`` with further fields."""
    lines = [f"{method} / HTTP/{version}", "Host: localhost", *extra, "", ""]
    return "\r\n".join(lines).encode()


# Requests


def test_a_request_tells_everything() -> None:
    connection = HTTP1Connection(scheme="https", client="192.0.2.1:5")
    request = connection.receive_data(POST)
    assert request is not None
    assert fields(request) == (
        "POST",
        "/p",
        "1.1",
        (("host", "localhost"), ("content-length", "5")),
        b"hello",
    )
    assert (request.scheme, request.client) == ("https", "192.0.2.1:5")


def test_a_read_may_be_any_buffer() -> None:
    for kind in (bytes, bytearray, memoryview):
        assert HTTP1Connection().receive_data(kind(GET)) is not None


def test_requests_of_every_kind_one_after_the_other_however_split() -> None:
    outcome = every_way(GET + POST + b"\r\n" + CHUNKED + HANDSHAKE)
    assert [request[:2] for request in outcome.requests] == [
        ("GET", "/"),
        ("POST", "/p"),
        ("POST", "/c"),
        ("GET", "/ws"),
    ]
    assert [request[4] for request in outcome.requests] == [b"", b"hello", b"hello", b""]
    responses = read_responses(outcome.sent, [b"GET", b"POST", b"POST", b"GET"])
    assert [body for _, body in responses] == [b"GET /", b"POST /p", b"POST /c", b"GET /ws"]
    assert (outcome.fault, outcome.closes) == ("", True)


def test_http_1_0_requests() -> None:
    outcome = every_way(
        head_of("GET", "Connection: keep-alive", version="1.0") + b"GET / HTTP/1.0\r\n\r\n"
    )
    assert [request[2] for request in outcome.requests] == ["1.0", "1.0"]
    first, second = outcome.sent.split(b"GET /", 1)
    assert b"\r\nConnection: keep-alive\r\n" in first
    assert b"\r\nConnection: close\r\n" in second
    assert outcome.closes


MESSAGES = st.sampled_from(
    [
        GET, POST, CHUNKED, HANDSHAKE, b"\r\n", b"\0", b"\n", b"GET",
        head_of("HEAD"), head_of("GET", "Connection: close"), head_of("GET", version="1.0"),
        head_of("GET", "Connection: keep-alive", version="1.0"),
        head_of("GET", "X: " + "y" * 130), head_of("POST", "Content-Length: 257"),
        head_of("POST", "Content-Length: 3", "Expect: 100-continue") + b"abc",
        head_of("POST", "Transfer-Encoding: chunked") + b"101\r\n", head_of("CONNECT"),
    ]
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=6).map(b"".join), CUTS)
def test_splits_never_matter(data: bytes, at: list[int]) -> None:
    assert serve(cut(data, at), SMALL) == every_way(data, SMALL)


# Faults (reference: the black-box rows of a hostile client)

TRANSFER = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: 5\r\n"
ADMIN = b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"


def shake(extra: bytes = b"", line: bytes = b"GET /ws HTTP/1.1") -> bytes:
    """The WebSocket handshake with another request line or further fields."""
    return line + b"\r\n" + HANDSHAKE.partition(b"\r\n")[2][:-2] + extra + b"\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (shake(line=b"GET /ws HTTP/2.0"), "505"),
        (shake().replace(b"Host: localhost\r\n", b""), "400"),
        (shake(b"Host: other\r\n"), "400"),
        (shake(TRANSFER + LENGTH) + b"hello" + ADMIN, "400"),
        (shake(b"Content-Length: 0\r\nContent-Length: 5\r\n") + b"hello", "400"),
        (shake(b"Content-Length: +5\r\n") + b"hello", "400"),
        (shake(b"Content-Length: 5, 5\r\n") + b"hello", "400"),
        (shake("Content-Length: \u0665\r\n".encode()) + b"hello", "400"),
        (shake(b"Transfer-Encoding: xchunked\r\n") + b"0\r\n\r\n", "501"),
        (shake().replace(b"\r\n", b"\n"), "400"),
        (shake(b"X-A: a\r\n b\r\n"), "400"),
        (shake(b"X-A : a\r\n"), "400"),
        (shake(b"X-A: a\0b\r\n"), "400"),
        (shake(b"X-A: a\rb\r\n"), "400"),
        (shake(b"".join(b"X-%d: y\r\n" % i for i in range(200))), "431"),
        (shake(b"X: " + b"y" * 70_000 + b"\r\n"), "431"),
        (shake(line=b"GET /" + b"x" * 70_000 + b" HTTP/1.1"), "414"),
        (bytes.fromhex("160301020001"), "400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        (CHUNKED.replace(b"he\r\n", b"hel\r\n") + ADMIN, "400"),
        (head_of("POST", "Content-Length: 1048577") + b"x" * 100, "413"),
        (head_of("POST", "Expect: more", "Content-Length: 5"), "417"),
        (head_of("CONNECT"), "501"),
    ],
)
def test_a_fault_is_answered_and_ends_the_connection(data: bytes, status: str) -> None:
    outcome = serve([data[at : at + 16_384] for at in range(0, len(data), 16_384)])
    assert outcome.requests == []
    assert outcome.status == status
    assert outcome.closes
    ((response, body),) = read_responses(outcome.sent, [b"GET"])
    assert response.status_code == int(status)
    assert (b"connection", b"close") in response.headers
    assert (b"content-type", b"text/plain; charset=utf-8") in response.headers
    assert body.endswith(b"\n")
    assert serve([data]) == outcome


def test_a_limit_is_named_for_the_log_but_not_for_the_peer() -> None:
    outcome = every_way(b"GET /" + b"x" * 200, SMALL)
    assert outcome.fault == (
        "414: request line over Limits.max_header_line (128 bytes), "
        "raise it with Limits(max_header_line=...)"
    )
    assert outcome.sent.endswith(b"\r\n\r\nrequest line over 128 bytes\n")


def test_a_fault_carries_the_default_headers() -> None:
    connection = HTTP1Connection(default_headers=lambda: [("Date", "today")])
    connection.receive_data(b"\0")
    assert b"\r\nDate: today\r\n" in connection.data_to_send()


def test_whatever_follows_a_fault_is_discarded() -> None:
    connection = HTTP1Connection()
    assert connection.receive_data(b"\0" + GET) is None
    connection.data_to_send()
    assert connection.receive_data(GET) is None
    assert connection.next_request() is None
    connection.receive_eof()
    connection.tick(1e9)
    connection.close_after_response()
    assert connection.should_close
    assert connection.wants_data
    assert connection.next_deadline() is None
    assert connection.data_to_send() == b""


def test_an_answer_that_went_out_before_a_fault_stands() -> None:
    outcome = every_way(GET + b"\0")
    assert len(outcome.requests) == 1
    responses = read_responses(outcome.sent, [b"GET", b"GET"])
    assert [response.status_code for response, _ in responses] == [200, 400]


def test_an_oversized_body_is_refused_before_a_byte_of_it_is_kept() -> None:
    limits = Limits(max_body_size=10)
    assert every_way(head_of("POST", "Content-Length: 11"), limits).status == "413"
    assert every_way(head_of("POST", "Content-Length: 10") + b"x" * 10, limits).status == ""
    chunk = head_of("POST", "Transfer-Encoding: chunked") + b"6\r\nabcdef\r\n"
    assert every_way(chunk + b"5\r\n", limits).status == "413"
    assert every_way(chunk + b"4\r\nabcd\r\n0\r\n\r\n", limits).status == ""


def test_a_fault_in_the_body_of_a_head_request_is_answered_without_a_body() -> None:
    outcome = every_way(head_of("HEAD", "Transfer-Encoding: chunked") + b"x\r\n")
    assert outcome.status == "400"
    assert outcome.sent.endswith(b"\r\n\r\n")


# Expect: 100-continue

EXPECT = head_of("POST", "Content-Length: 5", "Expect: 100-continue")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_waits_is_told_to_continue() -> None:
    connection = HTTP1Connection()
    assert connection.receive_data(EXPECT) is None
    assert connection.data_to_send() == CONTINUE
    assert connection.receive_data(b"hel") is None
    assert connection.data_to_send() == b""
    request = connection.receive_data(b"lo")
    assert request is not None
    assert request.body == b"hello"


def test_a_client_that_does_not_wait_is_told_the_same() -> None:
    assert every_way(EXPECT + b"hello").sent.startswith(CONTINUE + b"HTTP/1.1 200 OK\r\n")


def test_a_body_that_is_not_wanted_is_not_asked_for() -> None:
    outcome = every_way(EXPECT, Limits(max_body_size=4))
    assert outcome.sent.startswith(b"HTTP/1.1 413 ")


# Responses


def test_a_response_gets_its_length_and_the_default_headers() -> None:
    connection = asked(default_headers=lambda: [("Date", "today"), ("Server", "x")])
    connection.respond(Response(200, [("server", "y")], b"hello"))
    assert connection.data_to_send() == (
        b"HTTP/1.1 200 OK\r\nserver: y\r\nContent-Length: 5\r\nDate: today\r\n\r\nhello"
    )
    assert not connection.should_close


@pytest.mark.parametrize(
    ("method", "response", "length", "body"),
    [
        (b"GET", OK, b"5", b"hello"),
        (b"HEAD", OK, b"5", b""),
        (b"GET", Response(204), None, b""),
        (b"GET", Response(204, body=b"x"), None, b""),
        (b"GET", Response(304, body=b"x"), None, b""),
        (b"GET", Response(304, [("Content-Length", "9")]), b"9", b""),
        (b"HEAD", Response(200, [("Content-Length", "9")]), b"9", b""),
        (b"GET", Response(500), b"0", b""),
    ],
)
def test_what_a_client_reads(
    method: bytes, response: Response, length: bytes | None, body: bytes
) -> None:
    connection = HTTP1Connection()
    for _ in range(2):  # the second answer shows that the first ended where the client thinks
        assert connection.receive_data(head_of(method.decode())) is not None
        connection.respond(response)
    for read, data in read_responses(connection.data_to_send(), [method, method]):
        assert read.status_code == response.status
        assert dict(read.headers).get(b"content-length") == length
        assert data == body


def test_the_standard_librarys_client_reads_the_same() -> None:
    connection = asked(head_of("GET"))
    connection.start_stream(Response(200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
    for piece in (b"one ", b"two ", b"three"):
        connection.send_data(piece)
        connection.send_data(b"")
    connection.end()
    response = HTTPResponse(cast("Any", FakeSocket(connection.data_to_send())))
    response.begin()
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert response.read() == b"one two three"
    assert not response.will_close


class FakeSocket:
    """As much of a socket as ``http.client`` reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> BytesIO:
        """Give the bytes as a file."""
        return BytesIO(self._data)


@pytest.mark.parametrize(
    ("fields", "version", "given", "written", "closes"),
    [
        ([], "1.1", [], None, False),
        (["Connection: close"], "1.1", [], b"close", True),
        ([], "1.1", [("Connection", "close")], b"close", True),
        ([], "1.1", [("Connection", "x")], b"x", False),
        ([], "1.0", [], b"close", True),
        (["Connection: keep-alive"], "1.0", [], b"keep-alive", False),
        (["Connection: keep-alive"], "1.0", [("Connection", "close")], b"close", True),
        (["Upgrade: h2c"], "1.1", [], b"close", True),
    ],
)
def test_who_closes(
    fields: list[str],
    version: str,
    given: list[tuple[str, str]],
    written: bytes | None,
    closes: bool,
) -> None:
    connection = asked(head_of("GET", *fields, version=version))
    connection.respond(Response(200, given))
    assert connection.should_close is closes
    ((response, _),) = read_responses(connection.data_to_send(), [b"GET"])
    assert dict(response.headers).get(b"connection") == written


def test_nothing_behind_the_last_request_is_kept_or_answered() -> None:
    connection = asked(head_of("GET", "Connection: close") + GET * 1_000)
    assert connection.wants_data
    assert connection.receive_data(GET * 10_000) is None
    assert connection.wants_data
    connection.respond(OK)
    assert connection.next_request() is None
    assert connection.receive_data(GET) is None
    assert connection.data_to_send().count(b"HTTP/1.1") == 1


def test_a_response_that_an_application_got_wrong_changes_nothing() -> None:
    connection = asked()
    for response in (
        Response(200, [("Content-Length", "3")], b"hello"),
        Response(200, [("Transfer-Encoding", "chunked")]),
        SWITCH,
    ):
        with pytest.raises(LocalProtocolError):
            connection.respond(response)
        with pytest.raises(LocalProtocolError):
            connection.start_stream(response)
    assert connection.data_to_send() == b""
    connection.respond(OK)
    assert connection.data_to_send().startswith(b"HTTP/1.1 200 OK\r\n")


# Streams


def test_a_stream_is_chunked_and_what_is_written_together_is_one_chunk() -> None:
    connection = asked()
    connection.start_stream(Response(200, [("Content-Type", "text/event-stream")]))
    assert connection.data_to_send() == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    buffer = bytearray(b"data: 1")
    connection.send_data(buffer)
    buffer[:] = b"changed"
    connection.send_data(memoryview(b"\n\n"))
    connection.send_data(b"")
    assert connection.data_to_send() == b"9\r\ndata: 1\n\n\r\n"
    connection.send_data(b"")
    assert connection.data_to_send() == b""
    connection.send_data(b"x")
    connection.end()
    assert connection.data_to_send() == b"1\r\nx\r\n0\r\n\r\n"
    assert not connection.should_close
    assert connection.receive_data(GET) is not None


def test_a_stream_to_an_http_1_0_client_ends_with_the_connection() -> None:
    connection = asked(head_of("GET", "Connection: keep-alive", version="1.0") + GET)
    connection.start_stream(Response(200))
    connection.send_data(b"a")
    connection.send_data(b"b")
    assert connection.receive_data(GET) is None
    assert not connection.should_close
    connection.end()
    assert connection.data_to_send() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab"
    assert connection.should_close
    assert connection.next_request() is None


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_stream_without_a_body(method: str, status: int) -> None:
    connection = HTTP1Connection()
    for _ in range(2):
        assert connection.receive_data(head_of(method)) is not None
        connection.start_stream(Response(status))
        connection.send_data(b"nothing of this")
        connection.end()
    sent = connection.data_to_send()
    assert (b"Transfer-Encoding: chunked" in sent) is (method == "HEAD")
    responses = read_responses(sent, [method.encode()] * 2)
    assert [(response.status_code, body) for response, body in responses] == [(status, b"")] * 2


@given(st.lists(st.binary(max_size=40), max_size=10), st.sets(st.integers(0, 10)))
def test_a_client_reads_what_was_streamed(pieces: list[bytes], flushes: set[int]) -> None:
    connection = asked()
    connection.start_stream(Response(200))
    sent = b""
    for number, piece in enumerate(pieces):
        connection.send_data(piece)
        if number in flushes:
            sent += connection.data_to_send()
    connection.end()
    ((_, body),) = read_responses(sent + connection.data_to_send(), [b"GET"])
    assert body == b"".join(pieces)


# Upgrades


def test_an_upgrade_hands_over_what_came_behind_the_request() -> None:
    connection = asked(HANDSHAKE + b"\x81\x82")
    assert connection.receive_data(b"7\xfa") is None
    assert connection.upgrade(SWITCH) == b"\x81\x827\xfa"
    assert connection.data_to_send() == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    assert connection.next_request() is None
    assert connection.next_deadline() is None
    assert not connection.should_close
    with pytest.raises(LocalProtocolError, match="upgraded"):
        connection.receive_data(b"\x81\x80")


@pytest.mark.parametrize(
    "response",
    [
        Response(101, [("Content-Length", "0")]),
        Response(101, [("Transfer-Encoding", "chunked")]),
        Response(101, body=b"x"),
    ],
)
def test_a_101_frames_no_body(response: Response) -> None:
    connection = asked(HANDSHAKE)
    with pytest.raises(LocalProtocolError):
        connection.upgrade(response)
    assert connection.upgrade(SWITCH) == b""


def test_a_client_sees_the_upgrade() -> None:
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", "a"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    asking = client.send(h11.Request(method="GET", target="/ws", headers=headers))
    client.send(h11.EndOfMessage())
    connection = asked(asking or b"")
    assert connection.upgrade(SWITCH) == b""
    client.receive_data(connection.data_to_send())
    assert isinstance(client.next_event(), h11.InformationalResponse)
    assert client.next_event() is h11.PAUSED
    assert client.their_state is h11.SWITCHED_PROTOCOL


@pytest.mark.parametrize(
    "data",
    [
        GET,
        shake(LENGTH) + b"hello",
        shake(TRANSFER) + b"0\r\n\r\n",
        shake(line=b"GET /ws HTTP/1.0"),
        shake(LENGTH, line=b"POST /ws HTTP/1.1") + b"hello",
    ],
)
def test_an_upgrade_that_must_not_be_is_refused(data: bytes) -> None:
    connection = asked(data)
    with pytest.raises(LocalProtocolError, match="without a body"):
        connection.upgrade(SWITCH)
    with pytest.raises(LocalProtocolError, match="not 200"):
        connection.upgrade(Response(200))
    assert connection.data_to_send() == b""
    connection.respond(Response(400))
    assert connection.data_to_send().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("body", [LENGTH, TRANSFER])
def test_a_handshake_with_a_body_reaches_the_caller_at_once_and_nothing_behind_it(
    body: bytes,
) -> None:
    outcome = every_way(shake(body) + ADMIN)
    ((method, target, _, given, content),) = outcome.requests
    assert (method, target, content) == ("GET", "/ws", b"")
    name, _, value = body.decode().lower().rstrip().partition(": ")
    assert (name, value) in cast("tuple[object, ...]", given)
    assert outcome.closes
    assert outcome.sent.count(b"HTTP/1.1") == 1


def test_a_refused_upgrade_drops_what_came_ahead_as_soon_as_it_is_refused() -> None:
    connection = asked(HANDSHAKE + b"x" * 20_000)
    assert not connection.wants_data
    connection.start_stream(Response(426))
    assert connection.wants_data


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_upgrade_ends_the_connection(stream: bool) -> None:
    # What follows may already be the other protocol
    connection = asked(HANDSHAKE + ADMIN)
    if stream:
        connection.start_stream(Response(426))
        assert connection.receive_data(ADMIN) is None
        connection.end()
    else:
        connection.respond(Response(426))
    assert connection.should_close
    assert connection.next_request() is None
    assert connection.receive_data(ADMIN) is None
    sent = connection.data_to_send()
    assert b"\r\nConnection: close\r\n" in sent
    assert sent.count(b"HTTP/1.1") == 1


# Pipelining


def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    connection = HTTP1Connection()
    request = connection.receive_data(b"".join(GET.replace(b"/", b"/%d" % i, 1) for i in range(9)))
    for number in range(9):
        assert request is not None
        assert request.target == f"/{number}"
        assert connection.next_request() is None  # one at a time
        connection.respond(OK)
        request = connection.next_request()
    assert request is None
    assert connection.data_to_send().count(b"HTTP/1.1 200 OK") == 9


def test_ten_thousand_pipelined_requests_stop_being_read() -> None:
    connection = HTTP1Connection()
    flood = GET * 10_000
    read = 0
    requests = 0
    while read < len(flood):
        if connection.wants_data:
            request = connection.receive_data(flood[read : read + 4096])
            read += 4096
        else:
            # Never more than one further head and one read
            assert read - requests * len(GET) <= DEFAULT_LIMITS.max_head_size + 4096 + len(GET)
            connection.respond(OK)
            connection.data_to_send()
            request = connection.next_request()
        requests += request is not None
    assert requests > 9_000


def test_a_pipelined_request_may_still_be_incomplete() -> None:
    connection = asked(GET + GET[:-1])
    connection.respond(OK)
    assert connection.next_request() is None
    assert connection.receive_data(GET[-1:]) is not None


def test_reading_pauses_over_one_head_and_goes_on_after_the_answer() -> None:
    connection = asked()
    connection.receive_data(b"x" * DEFAULT_LIMITS.max_head_size)
    assert connection.wants_data
    connection.receive_data(b"x")
    assert not connection.wants_data
    connection.respond(OK)
    assert connection.wants_data


# Deadlines


def test_a_first_request_has_until_the_handshake_timeout_from_the_accept() -> None:
    connection = HTTP1Connection(now=100.0)
    assert connection.next_deadline() == 110.0
    for second in range(1, 10):
        connection.receive_data(b"GET / HTTP/1.1\r\n"[second - 1 : second], now=100.0 + second)
        connection.tick(100.0 + second)
    assert connection.next_deadline() == 110.0  # no byte extends it
    connection.tick(109.99)
    assert not connection.should_close
    connection.tick(110.0)
    assert connection.should_close
    assert connection.data_to_send().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert connection.fault == (
        "408: request time over Limits.handshake_timeout (10.0 seconds), "
        "raise it with Limits(handshake_timeout=...)"
    )
    assert connection.next_deadline() is None


def test_a_client_that_says_nothing_is_told_so_too() -> None:
    connection = HTTP1Connection(now=100.0)
    connection.tick(110.0)
    assert connection.data_to_send().startswith(b"HTTP/1.1 408 ")


def test_the_body_belongs_to_the_request() -> None:
    connection = HTTP1Connection(now=100.0)
    connection.receive_data(POST[:-1], now=109.0)
    connection.tick(110.0)
    assert connection.fault.startswith("408")


def test_there_is_no_deadline_during_an_exchange() -> None:
    connection = asked()
    assert connection.next_deadline() is None
    connection.tick(1e9)
    connection.start_stream(Response(200))
    assert connection.next_deadline() is None
    connection.tick(1e9)
    connection.end(now=1000.0)
    assert connection.next_deadline() == 1015.0
    assert connection.fault == ""


def test_an_idle_connection_closes_silently() -> None:
    connection = asked()
    connection.respond(OK, now=100.0)
    connection.data_to_send()
    assert connection.next_deadline() == 115.0
    connection.receive_data(b"\r", now=110.0)
    connection.receive_data(b"\n", now=111.0)
    assert connection.next_deadline() == 115.0  # an empty line is no request yet
    connection.tick(115.0)
    assert connection.should_close
    assert connection.data_to_send() == b""
    assert connection.fault == ""


def test_a_further_request_has_a_time_of_its_own_from_its_first_byte() -> None:
    connection = asked()
    connection.respond(OK, now=100.0)
    connection.data_to_send()
    connection.receive_data(b"G", now=114.0)
    connection.receive_data(b"E", now=115.0)
    assert connection.next_deadline() == 124.0
    connection.tick(124.0)
    assert connection.data_to_send().startswith(b"HTTP/1.1 408 ")


def test_a_pipelined_request_begins_when_the_answer_before_it_is_complete() -> None:
    connection = asked(GET + b"G")
    connection.respond(OK, now=100.0)
    assert connection.next_deadline() == 110.0
    assert connection.next_request(now=101.0) is None
    assert connection.next_deadline() == 110.0


# Ends


def test_the_end_of_an_idle_connection_is_no_fault() -> None:
    for connection in (HTTP1Connection(), asked()):
        if connection.state is State.ACTIVE:
            connection.respond(OK)
        connection.receive_eof()
        assert connection.peer_gone
        assert connection.should_close
        assert connection.fault == ""


@pytest.mark.parametrize("part", [b"G", GET[:-1], POST[:-1], CHUNKED[:-1]])
def test_the_end_within_a_request_is_a_fault(part: bytes) -> None:
    connection = HTTP1Connection()
    connection.receive_data(part)
    connection.receive_eof()
    assert connection.should_close
    assert connection.fault == "400: the connection ended before its request did"


def test_a_client_that_ended_its_half_still_gets_its_answers() -> None:
    connection = asked(GET + GET)
    connection.receive_eof()
    assert connection.peer_gone
    assert not connection.should_close
    connection.respond(OK)
    assert not connection.should_close
    assert connection.next_request() is not None
    connection.respond(OK)
    assert connection.should_close
    responses = read_responses(connection.data_to_send(), [b"GET", b"GET"])
    assert [dict(response.headers).get(b"connection") for response, _ in responses] == [
        None,
        b"close",
    ]


def test_an_end_between_an_answer_and_the_next_request_leaves_that_request() -> None:
    connection = asked(GET + GET)
    connection.respond(OK)
    connection.receive_eof()
    assert connection.next_request() is not None


def test_an_end_behind_half_a_pipelined_request_is_a_fault() -> None:
    connection = asked(GET + GET[:-1])
    connection.receive_eof()
    connection.respond(OK)
    assert connection.next_request() is None
    assert connection.fault.startswith("400")
    assert connection.next_request() is None


def test_an_end_during_a_stream_closes_behind_it() -> None:
    connection = asked()
    connection.start_stream(Response(200))
    connection.receive_eof()
    assert not connection.should_close
    connection.end()
    assert connection.should_close


def test_a_graceful_shutdown_closes_an_idle_connection_at_once() -> None:
    connection = HTTP1Connection()
    connection.close_after_response()
    assert connection.should_close
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("begun", [b"G", POST[:-1], GET])
def test_a_graceful_shutdown_lets_a_request_be_answered_and_says_so(begun: bytes) -> None:
    connection = HTTP1Connection()
    request = connection.receive_data(begun)
    connection.close_after_response()
    assert not connection.should_close
    rest = {b"G": GET[1:], POST[:-1]: POST[-1:], GET: b""}[begun]
    request = connection.receive_data(rest + GET) or request
    assert request is not None
    connection.respond(OK)
    assert connection.should_close
    assert b"\r\nConnection: close\r\n" in connection.data_to_send()


def test_a_connection_rests_while_nothing_of_a_request_has_come() -> None:
    connection = HTTP1Connection()
    assert connection.resting
    connection.receive_data(GET[:1])
    assert not connection.resting
    connection.receive_data(GET[1:])
    assert not connection.resting
    connection.respond(OK)
    assert connection.resting
    connection.close_after_response()
    assert not connection.resting


def test_a_graceful_shutdown_leaves_a_stream_to_its_end() -> None:
    connection = asked()
    connection.start_stream(Response(200))
    connection.close_after_response()
    assert not connection.should_close
    connection.send_data(b"x")
    connection.end()
    assert connection.should_close
    assert connection.data_to_send().endswith(b"0\r\n\r\n")


def test_a_full_server_refuses_before_any_request() -> None:
    connection = HTTP1Connection(default_headers=lambda: [("Date", "today")])
    connection.refuse(Response(503, [("Retry-After", "3")], b"full"))
    assert connection.data_to_send() == (
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Length: 4\r\n"
        b"Connection: close\r\nDate: today\r\n\r\nfull"
    )
    assert connection.should_close
    assert connection.receive_data(GET) is None


# The state table, as our own caller meets it

CALLS: dict[Trigger, Callable[[HTTP1Connection], object]] = {
    Trigger.RESPOND: lambda connection: connection.respond(OK),
    Trigger.START_STREAM: lambda connection: connection.start_stream(Response(200)),
    Trigger.SEND_DATA: lambda connection: connection.send_data(b"x"),
    Trigger.END: lambda connection: connection.end(),
    Trigger.UPGRADE: lambda connection: connection.upgrade(SWITCH),
    Trigger.REFUSE: lambda connection: connection.refuse(Response(503)),
}


def in_state(state: State) -> HTTP1Connection:
    """A connection in ``state`` with nothing left to send."""
    connection = HTTP1Connection()
    if state is State.CLOSED:
        connection.close_after_response()
    elif state is not State.READING:
        connection.receive_data(HANDSHAKE)
        if state is State.STREAMING:
            connection.start_stream(Response(200))
        if state is State.UPGRADED:
            connection.upgrade(SWITCH)
    connection.data_to_send()
    assert connection.state is state
    return connection


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("trigger", list(CALLS))
def test_a_call_that_the_table_refuses_changes_nothing(state: State, trigger: Trigger) -> None:
    connection = in_state(state)
    if trigger in TRANSITIONS[state]:
        CALLS[trigger](connection)
        expected = {TRANSITIONS[state][trigger]}
        # The answer to a handshake is the last of its connection, unless it is a 101
        assert connection.state in expected or connection.state is State.CLOSED
    else:
        with pytest.raises(LocalProtocolError, match=f"cannot {trigger.value}"):
            CALLS[trigger](connection)
        assert connection.state is state
        assert connection.data_to_send() == b""


def test_a_second_answer_is_refused() -> None:
    connection = asked()
    answer(connection, Request("GET", "/"))
    with pytest.raises(LocalProtocolError, match="cannot respond: no whole request has come"):
        connection.respond(OK)
