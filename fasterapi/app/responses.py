"""What a handler returns, as a response."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ..protocol.http import Response
from ..protocol.sse import to_json

__all__ = ["busy_response", "error_response", "to_response"]

_RETRY_SECONDS = 5


def to_response(value: Any, dumps: Callable[[Any], str] = to_json) -> Response:
    """Make a response of what a plain handler returned.

    ``str`` is HTML, ``dict`` and ``list`` are JSON, bytes are just bytes, ``None`` is 204, and a
    ``Response`` is itself.

    Raises:
        TypeError: If it is anything else.
    """
    if isinstance(value, Response):
        return value
    if isinstance(value, str):
        return Response(200, [("Content-Type", "text/html; charset=utf-8")], value)
    if isinstance(value, (dict, list)):
        return Response(200, [("Content-Type", "application/json")], dumps(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Response(200, [("Content-Type", "application/octet-stream")], bytes(value))
    if value is None:
        return Response(204)
    raise TypeError(
        f"a handler returned {type(value).__name__}; return str (HTML), dict or list (JSON), "
        "bytes, None, an SSEResponse or a Response"
    )


def error_response(
    status: int, detail: str = "", *, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Make the plain text response that every error has.

    Args:
        status: 400 to 599.
        detail: What to say; the status's standard phrase if empty.
        headers: Further header fields.
    """
    known = status in HTTPStatus._value2member_map_
    text = detail or (HTTPStatus(status).phrase if known else "Error")
    return Response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers], f"{text}\n")


def busy_response(detail: str = "") -> Response:
    """Make the response of a server that has no room or stops, and will serve later.

    ``Retry-After`` is 1 to 5 seconds, at random, so that a crowd that was refused together does
    not come back together.

    Args:
        detail: What to say.
    """
    seconds = random.randint(1, _RETRY_SECONDS)
    return error_response(503, detail, headers=[("Retry-After", str(seconds))])
