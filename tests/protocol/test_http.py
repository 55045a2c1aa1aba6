"""Requests and responses as values: what is decoded from a head, and what a head may not hold."""

from __future__ import annotations

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import Headers, Request, Response


def test_a_request_is_what_it_was_given() -> None:
    request = Request(
        "POST", "/a%20b?x=1", [("Host", "h")], http_version="2", scheme="https",
        protocol="websocket", body=b"body", client="127.0.0.1:5",
    )  # fmt: skip
    assert (request.method, request.target, request.http_version) == ("POST", "/a%20b?x=1", "2")
    assert (request.scheme, request.protocol, request.body) == ("https", "websocket", b"body")
    assert request.client == "127.0.0.1:5"
    assert request.headers["host"] == "h"
    assert repr(request) == "<Request POST /a%20b?x=1 HTTP/2>"


def test_the_defaults_of_a_request() -> None:
    request = Request("GET", "/")
    assert (request.http_version, request.scheme, request.protocol) == ("1.1", "http", None)
    assert (request.headers, request.body, request.client) == ((), b"", "")


def test_headers_are_not_built_twice() -> None:
    headers = Headers([("A", "1")])
    assert Request("GET", "/", headers).headers is headers
    assert Response(200, headers).headers is headers


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query_string"),
    [
        ("/", "/", "/", ""),
        ("/caf%C3%A9/%2Fx?a=1?b", "/café//x", "/caf%C3%A9/%2Fx", "a=1?b"),
        ("/?", "/", "/", ""),
        ("*", "*", "*", ""),
        ("/%ff", "/�", "/%ff", ""),
    ],
)
def test_path_and_query(target: str, path: str, raw_path: str, query_string: str) -> None:
    request = Request("GET", target)
    assert (request.path, request.raw_path, request.query_string) == (path, raw_path, query_string)


def test_query_names_map_to_their_last_value() -> None:
    query = Request("GET", "/?a=1&b=x+y%21&a=2&empty=").query
    assert query == {"a": "2", "b": "x y!", "empty": ""}
    assert query.get_all("a") == ["1", "2"]
    assert query.get_all("missing") == []


def test_the_query_is_parsed_once() -> None:
    request = Request("GET", "/?a=1")
    assert request.query is request.query


def test_a_query_of_many_fields_is_no_error_of_the_handler() -> None:
    assert len(Request("GET", "/?" + "&".join(f"{i}=" for i in range(5000))).query) == 5000


@pytest.mark.parametrize(
    ("values", "cookies"),
    [
        ([], {}),
        (["a=1; b=two"], {"a": "1", "b": "two"}),
        (["a=1", "b=2; a=3"], {"a": "3", "b": "2"}),
        (['a="x y"; b="c\\073d\\"e"'], {"a": "x y", "b": 'c;d"e'}),
        (["token=abc==; empty="], {"token": "abc==", "empty": ""}),
        # Cases in which the standard library's jar loses every cookie.
        (["good=1; odd/name=2"], {"good": "1", "odd/name": "2"}),
        (["good=1; junk"], {"good": "1"}),
        (["=x; ;; good=1"], {"good": "1"}),
        (["expires=1; path=/; good=1"], {"expires": "1", "path": "/", "good": "1"}),
        (["junk"], {}),
    ],
)
def test_cookies(values: list[str], cookies: dict[str, str]) -> None:
    request = Request("GET", "/", [("Cookie", value) for value in values])
    assert request.cookies == cookies
    assert request.cookies is request.cookies


def test_a_body_as_text_and_as_json() -> None:
    request = Request("POST", "/", body='{"name": "é"}'.encode())
    assert request.text() == '{"name": "é"}'
    assert request.json() == {"name": "é"}
    assert Request("POST", "/", body=b"\xff!").text() == "�!"
    with pytest.raises(ValueError, match="Expecting value"):
        Request("POST", "/", body=b"no json").json()


def test_a_response_is_what_it_was_given() -> None:
    response = Response(404, {"X": "1"}, "né", "Gone Fishing")
    assert (response.status, response.body, response.reason) == (404, b"n\xc3\xa9", "Gone Fishing")
    assert response.headers == (("X", "1"),)
    assert repr(response) == "<Response 404, 3 bytes>"


def test_the_defaults_of_a_response() -> None:
    response = Response()
    assert (response.status, response.headers, response.body, response.reason) == (200, (), b"", "")


@pytest.mark.parametrize("body", [b"abc", bytearray(b"abc"), memoryview(b"abc"), "abc"])
def test_a_body_is_kept_as_bytes(body: bytes) -> None:
    assert Response(200, body=body).body == b"abc"
    assert type(Response(200, body=body).body) is bytes


@pytest.mark.parametrize("body", [5, None, ["a"]])
def test_a_body_that_is_neither_text_nor_bytes_is_refused(body: object) -> None:
    with pytest.raises(TypeError):
        Response(200, body=body)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [101, 200, 204, 404, 599])
def test_statuses_to_answer_with(status: int) -> None:
    assert Response(status).status == status


@pytest.mark.parametrize("status", [0, 100, 102, 199, 600, -1])
def test_statuses_that_are_no_answer(status: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"not a status to answer with: {status}"):
        Response(status)


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\x7f", "€"])
def test_nothing_splits_a_head(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="header Reason-Phrase has a forbidden"):
        Response(200, reason=text)
    with pytest.raises(LocalProtocolError, match="header X has a forbidden"):
        Response(200, [("X", text)])
    with pytest.raises(LocalProtocolError, match="not a header name"):
        Response(200, Headers([(text, "x")]))
