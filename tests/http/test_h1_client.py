"""A client's half of an exchange: what it writes, which answers it takes, and where bodies end.

The bytes come from h11 and from our own server's half where they can, and by hand where neither
would write them. Each stream of bytes is read whole, byte by byte and in other cuts.
"""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.errors import InvalidResponse, LocalProtocolError
from fasterapi.http import HTTP1Connection
from fasterapi.http.h1_client import Excerpt, ResponseBody, ResponseReader, write_request
from fasterapi.limits import MAX_INTERIM_RESPONSES, MAX_REFUSAL, Limits
from fasterapi.protocol import Request, Response

from .wire import CUTS, SMALL, cut

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-A: \t b \r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def pieces_of(data: bytes) -> list[list[bytes]]:
    return [[data], *([data[i : i + n] for i in range(0, len(data), n)] for n in (1, 2, 3))]


def read(data: bytes, limits: Limits = SMALL) -> tuple[Response, bytes]:
    """Read a head in every way, and give the response and what is behind it."""
    outcomes = []
    for pieces in pieces_of(data):
        reader, rest = ResponseReader(limits=limits), b""
        for piece in pieces:
            if reader.response is None:
                reader.receive_data(piece)
            else:
                rest += piece
        assert reader.response is not None
        outcomes.append((reader.response, reader.take_rest() + rest))
        assert reader.take_rest() == b""
    described = {(r.status, r.reason, tuple(r.headers), rest) for r, rest in outcomes}
    assert len(described) == 1
    return outcomes[0]


def refuse(data: bytes, limits: Limits = SMALL) -> str:
    """Read a head that is refused, in every way; give the reason."""
    reasons = set()
    for pieces in pieces_of(data):
        reader = ResponseReader(limits=limits)
        with pytest.raises(InvalidResponse) as caught:
            for piece in pieces:
                reader.receive_data(piece)
        reasons.add(str(caught.value))
    # Of what is no HTTP, more or less may be there to be shown.
    assert len({reason.partition(" b'")[0] for reason in reasons}) == 1
    return reasons.pop()


# --------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/ws?a=b", [("Host", "localhost"), ("X-Y", "z")]),
        Request("POST", "/events", [("Host", "localhost")], body=b'{"a": 1}'),
        Request("POST", "/events", [("Host", "localhost")]),
    ],
)
def test_a_request_arrives_as_it_is(request_: Request) -> None:
    data = write_request(request_)
    arrived = HTTP1Connection().receive_data(data)
    assert arrived is not None
    assert (arrived.method, arrived.target) == (request_.method, request_.target)
    assert arrived.body == request_.body
    fields = [field for field in arrived.headers if field[0] != "content-length"]
    assert fields == [(name.lower(), value) for name, value in request_.headers]
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert event.target == request_.target.encode()


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/a b"),
        Request("GET", "/\r\nX: y"),
        Request("GET", ""),
        Request("GE T", "/"),
        Request("GET", "/", [("X", "a\r\nY: b")]),
        Request("GET", "/", [("X\r\n", "a")]),
        Request("GET", "/", [("X", "\u20ac")]),
        Request("POST", "/", [("Content-Length", "5")], body=b"12345"),
        Request("POST", "/", [("transfer-encoding", "chunked")]),
    ],
)
def test_nothing_splits_a_request(request_: Request) -> None:
    with pytest.raises(LocalProtocolError):
        write_request(request_)


# ------------------------------------------------------------------------------------- heads


def test_a_head_and_what_stands_behind_it() -> None:
    response, rest = read(SWITCH + b"\x81\x02hi")
    assert (response.status, response.reason, rest) == (101, "Switching Protocols", b"\x81\x02hi")
    assert list(response.headers) == [("Upgrade", "websocket"), ("X-A", "b")]


def test_what_our_server_answers_is_read() -> None:
    server = HTTP1Connection()
    server.receive_data(write_request(Request("GET", "/", [("Host", "x")])))
    server.respond(Response(404, [("X-A", "b")], body="nothing here"))
    reader = ResponseReader()
    response = reader.receive_data(server.data_to_send())
    assert response is not None
    assert (response.status, response.headers["x-a"]) == (404, "b")
    body = reader.body()
    assert body.receive_data(reader.take_rest()) == b"nothing here"
    assert body.finished


def test_interim_responses_are_read_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    response, _ = read(b"HTTP/1.1 100 Continue\r\n\r\n" + early + SWITCH)
    assert response.status == 101


def test_interim_responses_are_bounded() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM_RESPONSES
    assert read(data + SWITCH)[0].status == 101
    assert "interim responses" in refuse(data + b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK"]
)
def test_status_lines_that_are_right(line: bytes) -> None:
    assert read(line + b"\r\n\r\n")[0].status == 200


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "does not answer in HTTP/1.1: it begins with b'S"),
        (b"HTTP/2 200\r\n\r\n", "does not answer in HTTP/1.1"),
        (b"HTP/1.1 200 OK\r\n\r\n", "does not answer in HTTP/1.1"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "does not answer in HTTP/1.1"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "the URL has to begin with wss:// or https://"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "malformed response head"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "malformed response head"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "malformed response head"),
        (b"HTTP/1.1 999 Odd\r\n\r\n", "malformed response head: not a status"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed response head"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "malformed response head"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "malformed response head"),
        (b"HTTP/1.1 200 OK\nA: b\n\n", "CR or LF that is not part of a CRLF"),
        (b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "control character"),
        (b"HTTP/1.1 200 " + b"x" * 200, "status line over Limits.max_header_line (128 bytes)"),
        (OK + b"A: " + b"x" * 200, "a line of the response head over Limits.max_header_line"),
        (OK + b"A: b\r\n" * 9 + b"\r\n", "over Limits.max_headers (8 fields)"),
        (OK + (b"A: " + b"x" * 100 + b"\r\n") * 8, "over Limits.max_head_size (512 bytes)"),
    ],
)  # fmt: skip
def test_answers_that_are_none(data: bytes, reason: str) -> None:
    assert reason in refuse(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the proxy closed the connection without an answer"),
        (b"HTTP/1.1 101 Sw", "the proxy closed the connection within its answer"),
    ],
)
def test_the_end_before_an_answer(data: bytes, message: str) -> None:
    reader = ResponseReader(who="the proxy")
    assert reader.receive_data(data) is None
    with pytest.raises(ConnectionResetError, match=message):
        reader.receive_eof()


# ------------------------------------------------------------------------------------ bodies


def body_of(head: str, method: str = "GET", limits: Limits = SMALL) -> ResponseBody:
    reader = ResponseReader(method, limits=limits)
    assert reader.receive_data(f"HTTP/1.1 {head}\r\n\r\n".encode()) is not None
    return reader.body()


def feed(head: str, pieces: list[bytes]) -> tuple[bytes, bool]:
    body = body_of(head)
    data = b"".join([body.receive_data(piece) for piece in pieces])
    return data, body.finished


@pytest.mark.parametrize(
    ("head", "method"),
    [
        ("204 No Content", "GET"),
        ("304 Not Modified\r\nContent-Length: 5", "GET"),
        ("200 OK\r\nContent-Length: 0", "GET"),
        ("200 OK\r\nContent-Length: 5", "HEAD"),
        ("101 Switching Protocols", "GET"),
    ],
)
def test_answers_without_a_body(head: str, method: str) -> None:
    body = body_of(head, method)
    assert body.finished
    assert body.receive_data(b"what follows") == b""
    body.receive_eof()


def test_a_body_until_the_connection_ends() -> None:
    body = body_of("200 OK")
    data = b"data: 1\n\n"
    assert body.receive_data(data) is data  # nothing is copied
    assert not body.finished
    body.receive_eof()
    assert body.finished


def test_a_body_of_a_known_length() -> None:
    for pieces in pieces_of(b"hello, and more"):
        assert feed("200 OK\r\nContent-Length: 5", pieces) == (b"hello", True)
    assert feed("200 OK\r\nContent-Length: 5\r\nContent-Length: 5", [b"hell"]) == (b"hell", False)


CHUNKED = "200 OK\r\nTransfer-Encoding: chunked"


@given(st.lists(st.binary(max_size=40), max_size=12), CUTS, st.booleans())
def test_a_chunked_body(parts: list[bytes], at: list[int], trailer: bool) -> None:
    chunks = [
        b"%x%s\r\n%s\r\n" % (len(part), b";x=y" * (len(part) % 2), part) for part in parts if part
    ]
    data = b"".join(chunks) + b"0\r\n" + b"A: b\r\n" * trailer + b"\r\n"
    whole = b"".join(parts), True
    assert feed(CHUNKED, cut(data + b"behind", at)) == whole
    assert feed(CHUNKED, [data[i : i + 1] for i in range(len(data))]) == whole


def test_many_small_chunks_of_one_read_come_as_one_piece() -> None:
    body = body_of(CHUNKED)
    assert body.receive_data(b"7\r\ndata: x\r\n" * 1000) == b"data: x" * 1000
    # No bound on the whole: SMALL allows a request body of 256 bytes.
    assert body.receive_data(b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n") == b"x" * 4096
    assert body.finished
    assert body.receive_data(b"more") == b""


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (b"xyz\r\n", "a malformed chunk size"),
        (b"3\r\nabcd\r\n", "does not end where its size says"),
        (b"0\r\nno colon\r\n\r\n", "a malformed trailer"),
        (b"1;" + b"x" * 600, "chunk extensions over 512 bytes"),
        (b"0\r\n" + b"A: b\r\n" * 9 + b"\r\n", "trailer section over 8 fields"),
    ],
)
def test_what_is_no_chunk(bad: bytes, complaint: str) -> None:
    for pieces in pieces_of(b"2\r\nok\r\n" + bad + b"0\r\n\r\n"):
        body, got = body_of(CHUNKED), b""
        with pytest.raises(InvalidResponse, match=complaint):
            for piece in [*pieces, b""]:
                got += body.receive_data(piece)
        assert got in (b"ok", b"okabc")
        body = body_of(CHUNKED)
        with pytest.raises(InvalidResponse, match=complaint):
            body.receive_data(b"2\r\nok\r\n" + bad)
            body.receive_eof()


@pytest.mark.parametrize(
    ("head", "data"),
    [(CHUNKED, b"5\r\nhel"), (CHUNKED, b""), ("200 OK\r\nContent-Length: 5", b"hell")],
)
def test_a_body_that_is_cut_off(head: str, data: bytes) -> None:
    body = body_of(head)
    body.receive_data(data)
    with pytest.raises(ConnectionResetError, match="within its answer"):
        body.receive_eof()


@pytest.mark.parametrize(
    "fields",
    [
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -5",
        "Content-Length: 5x",
        "Content-Length: ",
    ],
)
def test_an_end_that_is_not_clear(fields: str) -> None:
    with pytest.raises(InvalidResponse):
        body_of(f"200 OK\r\n{fields}")


# ---------------------------------------------------------------------------------- excerpts


def excerpt_of(data: bytes) -> Excerpt:
    reader = ResponseReader()
    assert reader.receive_data(data) is not None
    return Excerpt(reader)


def test_the_beginning_of_a_refusal() -> None:
    excerpt = excerpt_of(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 11\r\n\r\nlog in")
    assert (excerpt.data, excerpt.wants_data) == (b"log in", True)
    excerpt.receive_data(b" first, and more")
    assert (excerpt.data, excerpt.wants_data) == (b"log in first"[:11], False)


def test_a_long_refusal_is_cut() -> None:
    excerpt = excerpt_of(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    excerpt.receive_data(b"x" * (MAX_REFUSAL + 1))
    assert (len(excerpt.data), excerpt.wants_data) == (MAX_REFUSAL, False)


@pytest.mark.parametrize(
    ("head", "data", "expected"),
    [
        (b"Transfer-Encoding: chunked", b"2\r\nno\r\nxx\r\n", b"no"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 2", b"no", b""),
    ],
)
def test_a_refusal_with_a_bad_body_is_a_refusal(head: bytes, data: bytes, expected: bytes) -> None:
    excerpt = excerpt_of(b"HTTP/1.1 403 Forbidden\r\n" + head + b"\r\n\r\n" + data)
    if excerpt.wants_data:
        excerpt.receive_data(b"")
    assert (excerpt.data, excerpt.wants_data) == (expected, False)


def test_a_phrase_that_could_steer_a_terminal_is_left_out() -> None:
    assert read(b"HTTP/1.1 403 \x9b31mBad\r\n\r\n")[0].reason == ""
    assert read(b"HTTP/1.1 403 \xe9t\xe9\r\n\r\n")[0].reason == "été"


def test_each_chunk_of_a_stream_may_have_extensions() -> None:
    body = ResponseBody(Response(200, [("Transfer-Encoding", "chunked")]), limits=SMALL)
    chunk = b"1;" + b"x" * 20 + b"\r\nx\r\n"
    assert sum(len(body.receive_data(chunk)) for _ in range(1000)) == 1000
    with pytest.raises(InvalidResponse, match="chunk extensions over"):
        body.receive_data(b"1;" + b"x" * SMALL.max_head_size + b"x" * 20)
