"""What became of a plain handler, as a response: one rule for every adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import HTTPError
from ..protocol.http import Response
from .responses import error_response, to_response

__all__ = ["to_outcome"]


def to_outcome(
    value: Any, error: BaseException | None, dumps: Callable[[Any], str]
) -> tuple[Response, BaseException | None]:
    """Make the response to a request.

    Args:
        value: What the handler returned.
        error: What escaped it instead.
        dumps: Makes the JSON.

    Returns:
        The response, and the error to log if the handler crashed or returned what no response can
        be made of.
    """
    if isinstance(error, HTTPError):
        return error_response(error.status, error.detail, headers=error.headers), None
    if error is None:
        try:
            return to_response(value, dumps), None
        except Exception as failure:  # noqa: BLE001  # whatever dumps raises is a crash
            error = failure
    return error_response(500 if isinstance(error, Exception) else 503), error
