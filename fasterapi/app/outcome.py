"""What became of a handler: one rule for every adapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ConnectionClosed, HTTPError, InvalidMessage
from ..protocol.http import Response
from .responses import error_response, to_response

__all__ = ["Cancelled", "is_crash", "to_outcome", "unwrap"]

_EXPECTED = (ConnectionClosed, HTTPError, InvalidMessage)


class Cancelled(BaseException):
    """What ends a handler from outside: an adapter puts it for what its event loop calls so."""


def is_crash(error: BaseException | None) -> bool:
    """Tell whether what escaped a handler is to be logged, if it is none of what is expected.

    Its being cancelled or closed is not, nor is what ends the process and so tells of itself. All
    else is, and need be no ``Exception``: ``pytest.fail`` raises what is none, and a task group
    puts a bug and what is none into one group that is none either.
    """
    quiet = (Cancelled, GeneratorExit, KeyboardInterrupt, SystemExit)
    return error is not None and not isinstance(error, quiet)


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
    if is_crash(error):
        return error_response(500), error
    return error_response(503), None
