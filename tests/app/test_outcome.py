"""What became of a handler: the response, and whether it is a crash."""

from __future__ import annotations

from typing import Any

import pytest

from fasterapi.app.outcome import Cancelled, is_crash, to_outcome, unwrap
from fasterapi.errors import ConnectionClosed, HTTPError, InvalidMessage, LocalProtocolError
from fasterapi.protocol import Response
from fasterapi.protocol.sse import to_json


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        (None, 204, b""),
        ("page", 200, b"page"),
        ({"a": 1}, 200, b'{"a":1}'),
        (Response(201, body="made"), 201, b"made"),
    ],
)
def test_what_it_returned_is_the_response(value: Any, status: int, body: bytes) -> None:
    response, crash = to_outcome(value, None, to_json)
    assert (response.status, response.body, crash) == (status, body, None)


def test_a_refusal_is_its_status_and_no_crash() -> None:
    error = HTTPError(429, "slowly", headers=[("Retry-After", "3")])
    for given in (error, ExceptionGroup("tasks", [error])):
        response, crash = to_outcome("never", given, to_json)
        assert (response.status, response.body, crash) == (429, b"slowly\n", None)
        assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        ConnectionClosed(),
        ExceptionGroup("x", [HTTPError(404), KeyError()]),
        BaseException("a test's own"),
        BaseExceptionGroup("x", [KeyError(), BaseException()]),
    ],
)
def test_anything_else_is_500_and_tells_nothing(error: BaseException) -> None:
    response, crash = to_outcome(None, error, to_json)
    assert (response.status, response.body) == (500, b"Internal Server Error\n")
    assert crash is error


def test_a_handler_that_was_cancelled_is_unavailable() -> None:
    response, crash = to_outcome(None, Cancelled(), to_json)
    assert (response.status, crash) == (503, None)


@pytest.mark.parametrize("kind", [Cancelled, GeneratorExit, KeyboardInterrupt, SystemExit])
def test_what_ends_a_handler_or_the_process_is_no_crash(kind: type[BaseException]) -> None:
    assert not is_crash(kind())
    assert is_crash(BaseExceptionGroup("with a bug", [kind(), KeyError()]))


class Unwritable(Exception):
    """What some library raises."""


def unwritable(value: Any) -> str:
    raise Unwritable


@pytest.mark.parametrize(
    ("value", "dumps", "kind"),
    [
        (5, to_json, TypeError),
        ({"a": object()}, to_json, TypeError),
        ({"a": float("nan")}, to_json, ValueError),
        ({}, unwritable, Unwritable),
    ],
)
def test_what_no_response_can_be_made_of_is_a_crash(
    value: Any, dumps: Any, kind: type[Exception]
) -> None:
    response, crash = to_outcome(value, None, dumps)
    assert response.status == 500
    assert type(crash) is kind


def test_a_refusal_that_would_split_the_head_raises() -> None:
    with pytest.raises(LocalProtocolError):
        to_outcome(None, HTTPError(404, headers=[("X", "a\r\nb")]), to_json)


CLOSED, REFUSED, INVALID = ConnectionClosed(1001), HTTPError(404), InvalidMessage(1003, "x")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, None),
        (CLOSED, CLOSED),
        (ExceptionGroup("a", [CLOSED]), CLOSED),
        (ExceptionGroup("a", [ExceptionGroup("b", [REFUSED, CLOSED]), INVALID]), REFUSED),
        (BaseExceptionGroup("a", [INVALID]), INVALID),
    ],
)
def test_what_is_no_crash_comes_out_of_its_group(error: Any, expected: Any) -> None:
    assert unwrap(error) is expected


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        ExceptionGroup("a", [ValueError()]),
        ExceptionGroup("a", [CLOSED, ValueError()]),
        ExceptionGroup("a", [CLOSED, ExceptionGroup("b", [KeyError()])]),
        BaseExceptionGroup("a", [CLOSED, KeyboardInterrupt()]),
    ],
)
def test_a_crash_keeps_its_group(error: BaseException) -> None:
    assert unwrap(error) is error
