"""What a handler returns, as a response, and the one look of all errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fasterapi.app.responses import busy_response, error_response, to_response
from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import Response

HTML, JSON, OCTETS = "text/html; charset=utf-8", "application/json", "application/octet-stream"


@pytest.mark.parametrize(
    ("value", "content_type", "body"),
    [
        ("<p>café", HTML, b"<p>caf\xc3\xa9"),
        ("", HTML, b""),
        ({"a": [1, None, "é"]}, JSON, b'{"a":[1,null,"\xc3\xa9"]}'),
        ({}, JSON, b"{}"),
        ([1, 2], JSON, b"[1,2]"),
        ([], JSON, b"[]"),
        (b"\x00\xff", OCTETS, b"\x00\xff"),
        (bytearray(b"ab"), OCTETS, b"ab"),
        (memoryview(b"abcd")[::2], OCTETS, b"ac"),
    ],
)
def test_values_become_responses(value: Any, content_type: str, body: bytes) -> None:
    response = to_response(value)
    assert response.status == 200
    assert response.headers == (("Content-Type", content_type),)
    assert response.body == body
    assert type(response.body) is bytes


def test_none_is_no_content() -> None:
    response = to_response(None)
    assert (response.status, response.headers, response.body) == (204, (), b"")


def test_a_response_is_itself() -> None:
    response = Response(201, [("Location", "/x")])
    assert to_response(response) is response


def test_json_is_written_as_the_app_says() -> None:
    assert to_response({"a": 1}, lambda value: json.dumps(value, indent=1)).body == b'{\n "a": 1\n}'
    assert to_response("text", lambda value: "never").body == b"text"


@pytest.mark.parametrize("value", [1, True, 1.5, ("x", 404), {1, 2}, object(), iter("x")])
def test_anything_else_is_refused_with_what_would_do(value: Any) -> None:
    with pytest.raises(TypeError) as raised:
        to_response(value)
    assert str(raised.value) == (
        f"a handler returned {type(value).__name__}; return str (HTML), dict or list (JSON), "
        "bytes, None, an SSEResponse or a Response"
    )


@pytest.mark.parametrize(
    ("status", "detail", "body"),
    [
        (404, "", b"Not Found\n"),
        (503, "", b"Service Unavailable\n"),
        (403, "not yours: café", b"not yours: caf\xc3\xa9\n"),
        (499, "", b"Error\n"),
        (499, "left", b"left\n"),
    ],
)
def test_errors_are_plain_text(status: int, detail: str, body: bytes) -> None:
    response = error_response(status, detail)
    assert response.status == status
    assert response.headers == (("Content-Type", "text/plain; charset=utf-8"),)
    assert response.body == body


def test_errors_may_have_further_headers() -> None:
    assert error_response(405, headers=[("Allow", "GET")]).headers["allow"] == "GET"
    with pytest.raises(LocalProtocolError):
        error_response(405, headers=[("Allow", "GET\r\nX: y")])


def test_who_is_refused_together_does_not_come_back_together() -> None:
    responses = [busy_response("full") for _ in range(200)]
    assert {response.status for response in responses} == {503}
    assert {response.headers["retry-after"] for response in responses} == set("12345")
    assert responses[0].body == b"full\n"
