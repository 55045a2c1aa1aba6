"""Response heads as bytes: framing, the Connection field, and what an application may not do."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.http.h1_response import (
    Framing,
    Output,
    has_no_body,
    length_field,
    stream_framing,
    write_head,
)
from fasterapi.protocol.headers import Headers
from fasterapi.protocol.http import Response


@pytest.mark.parametrize(
    ("response", "method", "length"),
    [
        (Response(200, body=b"abc"), "GET", "3"),
        (Response(200, body=b"abc"), "HEAD", "3"),
        (Response(200), "GET", "0"),
        (Response(404, body="é"), "POST", "2"),
        (Response(200), "HEAD", None),  # the body that a GET would get is not known
        (Response(204), "GET", None),
        (Response(304), "GET", None),
        (Response(304, body=b"abc"), "GET", None),
        (Response(200, [("content-length", "3")], b"abc"), "GET", None),
        (Response(200, [("Content-Length", "3")], b"abc"), "HEAD", None),
        (Response(200, [("Content-Length", "7")]), "HEAD", None),
        (Response(304, [("Content-Length", "7")]), "GET", None),
    ],
)
def test_the_length_that_is_added(response: Response, method: str, length: str | None) -> None:
    assert length_field(response, method) == ([("Content-Length", length)] if length else [])


@pytest.mark.parametrize(
    ("response", "method"),
    [
        (Response(200, [("Content-Length", "2")], b"abc"), "GET"),
        (Response(200, [("Content-Length", "2")], b"abc"), "HEAD"),
        (Response(200, [("Content-Length", "03")], b"abc"), "GET"),
        (Response(200, [("Content-Length", "3"), ("content-length", "3")], b"abc"), "GET"),
        (Response(200, [("Content-Length", "7")]), "GET"),
        (Response(200, [("Content-Length", "x")]), "HEAD"),
        (Response(200, [("Content-Length", "\xb2")]), "HEAD"),
        (Response(200, [("Content-Length", "7"), ("Content-Length", "7")]), "HEAD"),
        (Response(204, [("Content-Length", "0")]), "GET"),
        (Response(200, [("Transfer-Encoding", "chunked")], b"abc"), "GET"),
    ],
)
def test_a_length_or_framing_that_an_application_may_not_set(
    response: Response, method: str
) -> None:
    with pytest.raises(LocalProtocolError, match=r"(?i)content-length|transfer-encoding"):
        length_field(response, method)


def test_which_responses_end_with_their_head() -> None:
    assert has_no_body(Response(200), "HEAD")
    assert has_no_body(Response(204), "GET")
    assert has_no_body(Response(304), "GET")
    assert not has_no_body(Response(200), "GET")


def test_how_a_stream_is_framed() -> None:
    assert stream_framing(Response(200), "1.1") is Framing.CHUNKED
    assert stream_framing(Response(200), "1.0") is Framing.CLOSE
    assert stream_framing(Response(204), "1.1") is Framing.NONE
    assert stream_framing(Response(304), "1.0") is Framing.NONE


@pytest.mark.parametrize(
    "response",
    [
        Response(200, [("Content-Length", "3")]),
        Response(200, [("Transfer-Encoding", "chunked")]),
        Response(200, body=b"abc"),
    ],
)
def test_a_stream_does_not_frame_itself(response: Response) -> None:
    with pytest.raises(LocalProtocolError):
        stream_framing(response, "1.1")


def test_a_head_keeps_order_case_and_repeated_fields() -> None:
    response = Response(200, [("Set-Cookie", "a=1"), ("X-u", "ü"),
                              ("set-cookie", "b=2")])  # fmt: skip
    assert write_head(response, [("Content-Length", "0")], ()) == (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-u: \xfc\r\nset-cookie: b=2\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_defaults_give_way_to_the_response() -> None:
    response = Response(200, [("date", "today"), ("A", "b")])
    head = write_head(response, (), [("Date", "Mon"), ("Server", "x"), ("a", "c")])
    assert head == b"HTTP/1.1 200 OK\r\ndate: today\r\nA: b\r\nServer: x\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "line"),
    [
        (Response(404), b"HTTP/1.1 404 Not Found"),
        (Response(HTTPStatus.NOT_FOUND), b"HTTP/1.1 404 Not Found"),
        (Response(404, reason="Nothing \xfc"), b"HTTP/1.1 404 Nothing \xfc"),
        (Response(HTTPStatus.OK, reason="Fine"), b"HTTP/1.1 200 Fine"),
        (Response(599), b"HTTP/1.1 599 "),
        (Response(101), b"HTTP/1.1 101 Switching Protocols"),
    ],
)
def test_the_status_line(response: Response, line: bytes) -> None:
    assert write_head(response, (), ()) == line + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("given", "option", "written"),
    [
        ([], "", ""),
        ([], "close", "Connection: close\r\n"),
        ([("Connection", "Upgrade")], "", "Connection: Upgrade\r\n"),
        ([("Connection", "Upgrade")], "close", "Connection: Upgrade, close\r\n"),
        ([("connection", "Keep-Alive, x"), ("Connection", "Close")], "close",
         "Connection: x, close\r\n"),
        ([("Connection", "keep-alive")], "keep-alive", "Connection: keep-alive\r\n"),
    ],
)  # fmt: skip
def test_the_connection_field(given: list[tuple[str, str]], option: str, written: str) -> None:
    head = write_head(Response(426, given), (), (), connection=option)
    assert head.decode() == f"HTTP/1.1 426 Upgrade Required\r\n{written}\r\n"


def changed(**attributes: object) -> Response:
    """A response that was changed after its construction."""
    response = Response(200)
    for name, value in attributes.items():
        setattr(response, name, value)
    return response


@pytest.mark.parametrize(
    "response",
    [
        changed(reason="OK\r\nX: y"),
        changed(reason="OK\n"),
        changed(reason="O\rK"),
        changed(reason="O\0K"),
        changed(reason="\u20ac"),
        changed(headers=Headers([("X", "a\r\nY: b")])),
        changed(headers=Headers([("X\n", "a")])),
        changed(headers=Headers([("X", "\u20ac")])),
        changed(status=600),
        changed(status=100),
        changed(status="200 OK\r\nX: y"),
    ],
)
def test_a_response_changed_into_a_bad_one_is_refused(response: Response) -> None:
    with pytest.raises(LocalProtocolError):
        write_head(response, (), ())


def test_output_is_joined_once_and_then_empty() -> None:
    output = Output()
    output.write(b"a")
    output.write(b"b")
    assert output.take() == b"ab"
    assert output.take() == b""


@pytest.mark.parametrize(
    ("framing", "written"),
    [
        (Framing.CHUNKED, [b"3\r\nabc\r\n", b"1\r\nd\r\n", b"0\r\n\r\n"]),
        (Framing.CLOSE, [b"abc", b"d", b""]),
        (Framing.NONE, [b"", b"", b""]),
    ],
)
def test_streamed_data_is_framed(framing: Framing, written: list[bytes]) -> None:
    output = Output()
    output.framing = framing
    takes = []
    for pieces in ([b"ab", b"", b"c"], [b"d"]):
        for piece in pieces:
            output.stream(piece)
        takes.append(output.take())
    output.end_stream()
    assert [*takes, output.take()] == written


def test_the_end_of_a_stream_comes_behind_its_last_data() -> None:
    output = Output()
    output.framing = Framing.CHUNKED
    output.stream(b"x" * 16)
    output.end_stream()
    assert output.take() == b"10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
