"""The handler that a request is matched with, run in its connection's thread.

Who answers is decided by the ``App``, and what a handler's end means is ``app.calls``'s; here its
session is made, and the watcher told to look after the connection meanwhile.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..app.app import Match
from ..app.calls import (
    Step,
    answer,
    conclude,
    end_stream,
    run_in_thread,
    sse_arguments,
    websocket_arguments,
)
from ..app.event_response import EventResponse
from ..app.log import log_crash
from ..app.responses import error_response
from ..app.routing import RouteKind
from ..protocol.http import Request
from .sse import SyncSSEConnection
from .styles import refuse_style
from .websocket import SyncWebSocket

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["call"]


def call(connection: Connection, match: Match, request: Request) -> None:
    """Run a handler, in a context of its own; returns when it has ended and been answered for."""
    handler = match.route.handler
    connection.handler = handler.name
    try:
        refuse_style(match.route)
    except TypeError as error:  # a route that was added after the start
        log_crash(request, handler.name, error)
        connection.respond(error_response(500))
        return
    run = _RUNS[match.route.kind]
    connection.server.context.copy().run(run, connection, match, request)
    connection.handler = ""


def _call_plain(connection: Connection, match: Match, request: Request) -> None:
    value, error = run_in_thread(match, request, request)
    if isinstance(value, EventResponse):
        call(connection, value.match(), request)
        return
    step = partial(answer, connection, dumps=connection.server.app.dumps)
    _conclude(match, request, step, value, error)


def _call_stream(connection: Connection, match: Match, request: Request) -> None:
    server = connection.server
    began = server.clock()
    session = SyncSSEConnection(
        request, connection, clock=server.clock, **sse_arguments(server.app, match, request, began)
    )
    if request.method == "HEAD":
        connection.respond(session._response())
        return
    connection.go_by(match.route.options.limits)
    connection.look_after(session)
    value, error = run_in_thread(match, session, request)

    def end(value: Any, error: BaseException | None) -> BaseException | None:
        seconds = server.clock() - began if server.access_log else None
        return end_stream(session, value, error, left=connection._left, seconds=seconds)

    _conclude(match, request, end, value, error)
    connection.look_after(None)
    connection.go_by(server.app.limits)


def _call_websocket(connection: Connection, match: Match, request: Request) -> None:
    server = connection.server
    session = SyncWebSocket(
        request,
        exchange=connection,
        stream=connection._stream,
        attach=connection.hand_over,
        clock=server.clock,
        **websocket_arguments(server.app, match, request),
    )
    if refusal := session._check():
        connection.respond(refusal)
        return
    connection.look_after(session)
    value, error = run_in_thread(match, session, request)

    def close(_: Any, error: BaseException | None) -> BaseException | None:
        return error if session._conclude(error) else None

    _conclude(match, request, close, value, error)
    connection.look_after(None)
    if connection.carrier is not None:
        connection.carrier.shut()
        connection._stream.rest()


_RUNS = {
    RouteKind.HTTP: _call_plain,
    RouteKind.SSE: _call_stream,
    RouteKind.WEBSOCKET: _call_websocket,
}


def _conclude(
    match: Match, request: Request, step: Step, value: Any, error: BaseException | None
) -> None:
    if crash := conclude(step, value, error):
        log_crash(request, match.route.handler.name, crash)
