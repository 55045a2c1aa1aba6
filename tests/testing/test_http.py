"""Requests to bytes and bytes to replies, whole and byte by byte."""

from __future__ import annotations

import pickle

import h11
import pytest

from fasterapi.testing import Refused, Reply
from fasterapi.testing.http import Exchange, to_body

HEAD = b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def exchange(method: str = "GET", *fields: tuple[str, str], body: bytes = b"") -> Exchange:
    return Exchange(method, "/a?b", [("Host", "h"), *fields], body)


def test_a_request() -> None:
    assert exchange().data == b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n"
    posted = exchange("POST", ("Content-Length", "2"), ("X", "\xe9"), body=b"hi")
    assert posted.data.endswith(b"X: \xe9\r\n\r\nhi")


@pytest.mark.parametrize("data", [HEAD + b"abcde", CHUNKED, CONTINUE + HEAD + b"abcde"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_response(data: bytes, whole: bool) -> None:
    one = exchange()
    pieces = [data] if whole else [data[i : i + 1] for i in range(len(data))]
    given = b"".join(one.feed(piece) for piece in pieces)
    assert one.complete
    assert (one.reply.status, one.reply.body, given) == (200, b"abcde", b"abcde")
    assert one.reply.status_code == 200
    assert one.rest is None


def test_a_response_that_ends_too_early() -> None:
    one = exchange()
    one.feed(HEAD + b"abc")
    assert not one.complete
    assert one.reply.body == b"abc"
    with pytest.raises(h11.RemoteProtocolError):
        one.feed(b"")


def test_what_is_no_response() -> None:
    with pytest.raises(h11.RemoteProtocolError):
        exchange().feed(b"\x81\x00 nonsense\r\n\r\n")


def test_what_comes_behind_a_101_is_kept() -> None:
    one = exchange("GET", ("Upgrade", "websocket"), ("Connection", "upgrade"))
    assert one.feed(SWITCH + b"\x81") == b""
    one.feed(b"\x00")
    assert (one.complete, one.reply.status, one.rest) == (True, 101, b"\x81\x00")


def test_a_reply() -> None:
    reply = Reply(200, [("A", "1")], b'{"a": "\xc3\xa4"}', "OK")
    assert reply.json() == {"a": "ä"}
    assert reply.headers["a"] == "1"
    assert Reply(200, [], b"\xff", "").text == "\ufffd"
    with pytest.raises(ValueError, match="Expecting value"):
        Reply(200, [], b"", "").json()


def test_a_refusal_travels_between_processes() -> None:
    refused = Refused("it", Reply(403, [("A", "1")], b"Forbidden\n", "Forbidden"))
    assert str(refused) == "it: 403 Forbidden"
    again = pickle.loads(pickle.dumps(refused))
    assert (str(again), again.response.body) == (str(refused), b"Forbidden\n")
    assert "x" * 200 in str(Refused("it", Reply(500, [], b"x" * 201, "")))


def test_a_body_is_text_bytes_or_json() -> None:
    fields: list[tuple[str, str]] = []
    assert to_body("", None, fields) == b""
    assert fields == []
    assert to_body("ä", None, fields) == b"\xc3\xa4"
    assert fields == [("Content-Length", "2")]
    fields = [("content-type", "x")]
    assert to_body(b"", 0, fields) == b"0"
    assert fields == [("content-type", "x"), ("Content-Length", "1")]
