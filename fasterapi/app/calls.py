"""A handler's work on one request: what it is given, and what is left to do when it has ended.

One rule for every adapter. Who runs the handler, and when it is told that its client has left or
that the server stops, is the adapter's affair. Here are no tasks, no threads and no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import ConnectionClosed, LocalProtocolError
from ..protocol.http import Request, Response
from .app import App, Match
from .exchange import Exchange
from .handlers import Style
from .log import log_end, log_fault
from .options import SSEOptions, WebSocketOptions
from .outcome import is_crash, to_outcome
from .responses import busy_response
from .sse import SSEBase

__all__ = [
    "Step", "answer", "conclude", "end_stream", "refuse", "run_in_thread", "sse_arguments",
    "websocket_arguments",
]  # fmt: skip

Step = Callable[[Any, BaseException | None], BaseException | None]


def websocket_arguments(app: App, match: Match, request: Request) -> dict[str, Any]:
    """Give what every kind of WebSocket session is made of."""
    options = match.route.options
    assert isinstance(options, WebSocketOptions)
    return {
        "handshake": options.handshake(request),
        "path_params": match.params,
        "limits": options.limits,
        "dumps": app.dumps,
        "loads": app.loads,
    }


def sse_arguments(app: App, match: Match, request: Request, now: float) -> dict[str, Any]:
    """Give what every kind of event stream is made of."""
    options = match.route.options
    assert isinstance(options, SSEOptions)
    return {
        "path_params": match.params,
        "headers": options.response_headers(request),
        "keepalive": options.keepalive,
        "limits": options.limits,
        "dumps": app.dumps,
        "now": now,
    }


def run_in_thread(
    match: Match, connection: Any, request: Request
) -> tuple[Any, BaseException | None]:
    """Run a ``def`` handler to its end, and send what it yields if it is a generator.

    Returns:
        What it returned, and what escaped it instead.
    """
    handler = match.route.handler
    try:
        result = handler.call(connection, request, match.params)
        if handler.style is not Style.GENERATOR:
            return result, None
        try:
            for item in result:
                connection.send_item(item)
        finally:
            result.close()
    except BaseException as raised:  # noqa: BLE001  # see conclude
        if is_crash(raised):
            return None, raised
        error = RuntimeError(f"{type(raised).__name__} in a thread, which ends no process")
        error.__cause__ = raised
        return None, error
    return None, None


def conclude(step: Step, value: Any, error: BaseException | None) -> BaseException | None:
    """Do what is left when a handler has ended.

    Args:
        step: Answers what is left to answer, given ``value`` and ``error``; gives what is a crash.
        value: What the handler returned.
        error: What escaped it instead.

    Returns:
        What it crashed of, if it did.
    """
    try:
        try:
            return step(value, error)
        except LocalProtocolError as unsendable:  # what the handler wants to answer
            return step(None, unsendable)
    except ConnectionClosed:
        return None  # nobody is left to be told


def answer(
    exchange: Exchange, value: Any, error: BaseException | None, dumps: Callable[[Any], str]
) -> BaseException | None:
    """Answer with what the handler of a plain route returned; the ``step`` of ``conclude``."""
    response, crash = to_outcome(value, error, dumps)
    exchange.respond(response)
    return crash


def end_stream(
    session: SSEBase, value: Any, error: BaseException | None, *, left: bool, seconds: float | None
) -> BaseException | None:
    """End an event stream; the ``step`` of ``conclude``.

    Args:
        session: The stream.
        value: What its handler returned.
        error: What escaped it instead.
        left: Whether the client went first.
        seconds: How long it took, for the access log; ``None``: no such log is wanted.
    """
    crashed = False
    with suppress(ConnectionClosed):
        crashed = session._conclude(error, value)
    if seconds is not None:
        log_end(session.request, "SSE", "left by the client" if left else "ended", seconds)
    return error if crashed else None


def refuse(client: str, why: str, limit: str, value: int) -> Response:
    """Log that the server is full, and make the response that says so.

    Args:
        client: The peer's address.
        why: What the client is told.
        limit: The field of ``Limits`` that was met.
        value: Its value.
    """
    log_fault(client, f"503: {why}, over Limits.{limit} ({value})")
    return busy_response(why)
