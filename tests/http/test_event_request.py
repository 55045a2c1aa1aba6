"""The request for an event stream, and what redirects make of it."""

from __future__ import annotations

from typing import Any

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.http.event_request import EventRequest
from fasterapi.http.opening import USER_AGENT, Opening
from fasterapi.protocol import Response

ASKED = [("Accept", "text/event-stream"), ("Last-Event-ID", "7")]
URL = "http://localhost:81/events?x=1"


def opening(url: str = URL, **options: Any) -> Opening:
    return EventRequest(url, **options).opening(ASKED)


def fields(found: Opening) -> dict[str, str]:
    return {name.lower(): value for name, value in found.request.headers}


def test_a_plain_request() -> None:
    request = opening().request
    assert (request.method, request.target, request.body) == ("GET", "/events?x=1", b"")
    assert list(request.headers) == [
        ("Host", "localhost:81"), *ASKED, ("User-Agent", USER_AGENT),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "method", "body", "content_type"),
    [
        ({"body": "é"}, "POST", "é".encode(), None),
        ({"body": b"\xff", "method": "PUT"}, "PUT", b"\xff", None),
        ({"body": ""}, "POST", b"", None),
        ({"json": {"q": "é"}}, "POST", '{"q":"é"}'.encode(), "application/json"),
        ({"json": []}, "POST", b"[]", "application/json"),
        ({"json": 1, "headers": {"content-type": "x/y"}}, "POST", b"1", "x/y"),
        ({"method": "QUERY"}, "QUERY", b"", None),
    ],
)
def test_a_body(
    options: dict[str, Any], method: str, body: bytes, content_type: str | None
) -> None:
    request = opening(**options).request
    assert (request.method, request.body) == (method, body)
    assert request.headers.get("content-type") == content_type


def test_body_and_json_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="either body or json"):
        opening(body="x", json=1)


def test_a_number_is_no_body() -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        opening(body=5)


def test_header_fields_of_the_caller() -> None:
    found = fields(
        opening(headers={"X-Token": "t", "accept": "text/event-stream, */*"}, user_agent=None)
    )
    assert found == {
        "host": "localhost:81", "last-event-id": "7", "x-token": "t",
        "accept": "text/event-stream, */*",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
def test_what_the_client_writes_itself_is_refused(name: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"writes {name} itself"):
        opening(headers={name: "x"})


def test_a_last_event_id_among_the_header_fields_is_where_the_stream_begins() -> None:
    request = EventRequest(URL, headers=[("last-event-id", "é…".encode().decode("latin-1"))])
    assert request.last_event_id == "é…"
    assert request.opening([]).request.headers.get("last-event-id") is None
    assert EventRequest(URL).last_event_id == ""


def test_a_user_and_password_authorize_unless_the_caller_does() -> None:
    url = "http://me:secret@localhost/"
    assert fields(opening(url))["authorization"] == "Basic bWU6c2VjcmV0"
    assert fields(opening(url, headers={"Authorization": "Bearer x"}))["authorization"] == (
        "Bearer x"
    )


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("GET", 301, "GET"),
        ("GET", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
    ],
)
def test_a_redirect_keeps_method_and_body_or_becomes_get(
    method: str, status: int, expected: str
) -> None:
    found = opening(method=method, json={"a": 1})
    assert found.follow(Response(status, [("Location", "/other")]))
    request = found.request
    assert (request.method, request.target) == (expected, "/other")
    if expected == method:
        assert (request.body, request.headers.get("content-type")) == (
            b'{"a":1}', "application/json",
        )  # fmt: skip
    else:
        assert (request.body, request.headers.get("content-type")) == (b"", None)
    # What has become GET stays GET.
    assert found.follow(Response(307, [("Location", "/third")]))
    assert found.request.method == expected
    assert fields(found)["last-event-id"] == "7"
