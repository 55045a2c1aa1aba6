"""What became of a handler: one rule for every adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ConnectionClosed, HTTPError, InvalidMessage
from ..protocol.http import Response
from .responses import error_response, to_response

__all__ = ["to_outcome", "unwrap"]

_EXPECTED = (ConnectionClosed, HTTPError, InvalidMessage)


def unwrap(error: BaseException | None) -> BaseException | None:
    """Take an error that is no crash out of the group that a task group put it into.

    Returns:
        The first of a group that holds nothing else but the peer's going, its faults and refusals
        meant for it; any other error as it is.
    """
    while isinstance(error, BaseExceptionGroup) and error.split(_EXPECTED)[1] is None:
        error = error.exceptions[0]
    return error


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
    error = unwrap(error)
    if isinstance(error, HTTPError):
        return error_response(error.status, error.detail, headers=error.headers), None
    if error is None:
        try:
            return to_response(value, dumps), None
        except Exception as failure:  # noqa: BLE001  # whatever dumps raises is a crash
            error = failure
    return error_response(500 if isinstance(error, Exception) else 503), error
