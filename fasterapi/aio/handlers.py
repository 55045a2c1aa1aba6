"""Handlers at work: an ``async def`` in a task of the loop, a ``def`` in a thread of the pool.

A ``Call`` is one request's handler. It is told when its client leaves, when a deadline has passed
and when the server stops; it tells nobody anything but through its session and the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..app.app import Match
from ..app.calls import (
    answer,
    conclude,
    end_stream,
    refuse,
    run_in_thread,
    sse_arguments,
    websocket_arguments,
)
from ..app.event_response import EventResponse
from ..app.handlers import Style
from ..app.outcome import Cancelled
from ..app.routing import RouteKind
from ..app.sse import SSEBase
from ..app.websocket import WebSocketBase
from ..protocol.http import Request, Response
from ..sync.sse import SyncSSEConnection
from ..sync.websocket import SyncWebSocket
from .bridged import BridgeExchange
from .callbacks import CallbackWebSocket
from .sse import SSEConnection
from .websocket import WebSocket

if TYPE_CHECKING:
    from .http import HTTPProtocol

__all__ = ["Call", "start_call"]


def start_call(http: HTTPProtocol, match: Match, request: Request) -> None:
    """Start the handler that a request is matched with; it becomes the connection's ``call``."""
    route = match.route
    if route.handler.style is Style.CALLBACKS:
        start_callbacks(http, match, request)
        return
    if route.kind is RouteKind.SSE:
        http.use_limits(route.options.limits)
    http.call = call = _CALLS[route.kind](http, match, request)
    call.start()


class Call:
    """One request's handler; derive from it.

    Args:
        http: The connection that the request came on.
        match: The route and the path's parameters.
        request: The request.
    """

    __slots__ = ("exchange", "http", "match", "request", "route", "server", "task")

    def __init__(self, http: HTTPProtocol, match: Match, request: Request) -> None:
        self.http = http
        self.server = http.server
        self.match = match
        self.route = match.route
        self.request = request
        self.task: asyncio.Task[Any] | None = None
        threaded = match.route.handler.style in (Style.FUNCTION, Style.GENERATOR)
        self.exchange = BridgeExchange(http) if threaded else None

    # -------------------------------------------------------------------- for a deriving class

    def prepare(self) -> Response | None:
        """Make the session; give the response if the handler is not to run at all."""
        return None

    def run(self) -> Awaitable[Any]:
        """Run an ``async def`` handler: usually, give its own coroutine."""
        raise NotImplementedError

    def conclude(self, value: Any, error: BaseException | None) -> BaseException | None:
        """Answer what is left to answer; give the error to log if the handler crashed."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """Tell when ``tick`` has something to do."""
        return None

    def tick(self, now: float) -> None:
        """Do what is due."""

    def half_closed(self) -> None:
        """The client ended its half of the connection, and may be waiting for ours."""

    def client_lost(self) -> None:
        """The client is gone."""
        if self.exchange is not None:
            self.exchange.lose()

    def shut_down(self) -> None:
        """The server stops."""

    # ------------------------------------------------------------------------------- running

    def start(self) -> None:
        """Start the handler, or answer without it."""
        if refusal := self.prepare():
            self.http.respond(refusal)
            return
        server = self.server
        server.calls.add(self)
        if self.exchange is None:
            self._start_task()
        elif not server.pool.submit(copy_context().run, self._run_in_thread):
            server.calls.discard(self)
            self.http.respond(
                refuse(self.request.client, "all threads are busy", "max_threads", server.pool.size)
            )

    def cancel(self) -> None:
        """Cancel an ``async def`` handler; a thread can't be."""
        if self.task is not None:
            self.task.cancel()

    def resumed(self) -> None:
        """The transport takes bytes again."""
        if self.exchange is not None:
            self.exchange.resumed()

    def _start_task(self) -> None:
        """Make a task of the handler itself: one around it would be resumed each time, too."""
        try:
            coroutine = self.run()
        except (KeyboardInterrupt, SystemExit):
            raise  # as from any task: they end the process
        except BaseException as error:  # noqa: BLE001  # see _conclude
            self._conclude(None, error)
            self.server.finished(self)
            return
        if not asyncio.iscoroutine(coroutine):
            coroutine = _await(coroutine)
        self.task = self.server.loop.create_task(coroutine, name=self.route.handler.name)
        self.task.add_done_callback(self, context=self.server.context)

    def __call__(self, task: asyncio.Task[Any]) -> None:
        """Take the task's end: the task holds the call itself, and no bound method of it."""
        error = Cancelled() if task.cancelled() else task.exception()
        self._conclude(None if error else task.result(), error)
        self.server.finished(self)

    def _run_in_thread(self) -> None:
        value, error = run_in_thread(self.match, self.connection(), self.request)
        self._conclude(value, error)
        assert self.exchange is not None
        self.exchange.call_soon(self.server.finished, self)

    def _conclude(self, value: Any, error: BaseException | None) -> None:
        if crash := conclude(self.conclude, value, error):
            self.server.crashed(self.request, self.route.handler.name, crash)

    def connection(self) -> object:
        """Give what the handler takes as its connection."""
        return self.request

    def _invoke(self) -> Any:
        return self.route.handler.call(self.connection(), self.request, self.match.params)


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class HTTPCall(Call):
    """The handler of a plain route."""

    __slots__ = ()

    def run(self) -> Awaitable[Any]:
        """Call the handler."""
        return cast(Awaitable[Any], self._invoke())

    def conclude(self, value: Any, error: BaseException | None) -> BaseException | None:
        """Answer with what it returned; an event stream of its own goes on from here."""
        if isinstance(value, EventResponse):
            if self.exchange is None:
                self._stream(value)
            else:
                self.exchange.call_soon(self._stream, value)
            return None
        return answer(self.exchange or self.http, value, error, self.server.app.dumps)

    def _stream(self, response: EventResponse) -> None:
        if not self.http.lost:
            start_call(self.http, response.match(), self.request)


def start_callbacks(http: HTTPProtocol, match: Match, request: Request) -> None:
    """Open a WebSocket whose handler is an object with callbacks; no task or thread serves it."""
    handler = match.route.handler
    session = CallbackWebSocket(
        request,
        exchange=http,
        http=http,
        **websocket_arguments(http.server.app, match, request),
    )
    if refusal := session._check():
        http.respond(refusal)
        return
    session.bind(partial(handler.call, session, request, match.params), handler.name)


class WebSocketCall(Call):
    """The handler of a WebSocket."""

    __slots__ = ("session",)

    session: WebSocketBase

    def start(self) -> None:
        """Start the handler, and let go of what the handshake took: most WebSockets live long."""
        super().start()
        del self.http

    def prepare(self) -> Response | None:
        """Make the session, and judge the handshake before the handler sees it."""
        http = self.http
        arguments = websocket_arguments(self.server.app, self.match, self.request)
        if self.exchange is None:
            self.session = WebSocket(self.request, exchange=http, http=http, **arguments)
        else:
            self.session = SyncWebSocket(
                self.request,
                exchange=self.exchange,
                clock=http.server.clock,
                stream=self.exchange.stream,
                attach=self.exchange.attach,
                **arguments,
            )
        return self.session._check()

    def run(self) -> Awaitable[Any]:
        """Call the handler."""
        return cast(Awaitable[Any], self._invoke())

    def connection(self) -> object:
        """Give the session."""
        return self.session

    def conclude(self, value: Any, error: BaseException | None) -> BaseException | None:
        """Close, with the code that fits."""
        return error if self.session._conclude(error) else None

    def client_lost(self) -> None:
        """The client left before the handshake was answered."""
        self.session._ended(1006, "")
        super().client_lost()

    def shut_down(self) -> None:
        """Answer a handshake that waits."""
        self.session._shut_down()


class SSECall(Call):
    """The handler of an event stream."""

    __slots__ = ("began", "left", "session")

    session: SSEBase

    def prepare(self) -> Response | None:
        """Make the session; a HEAD request is answered without a handler."""
        http = self.http
        self.left = False
        self.began = http.server.clock()
        arguments = sse_arguments(self.server.app, self.match, self.request, self.began)
        if self.exchange is None:
            self.session = SSEConnection(self.request, http, http=http, **arguments)
        else:
            self.session = SyncSSEConnection(
                self.request, self.exchange, clock=http.server.clock, **arguments
            )
        return self.session._response() if self.request.method == "HEAD" else None

    async def run(self) -> Any:
        """Await the handler, or send what it yields."""
        result = self._invoke()
        if self.route.handler.style is Style.COROUTINE:
            return await result
        assert isinstance(self.session, SSEConnection)
        async with aclosing(result) as items:
            async for item in items:
                await self.session.send_item(item)
        return None

    def connection(self) -> object:
        """Give the session."""
        return self.session

    def conclude(self, value: Any, error: BaseException | None) -> BaseException | None:
        """End the stream."""
        seconds = self.server.clock() - self.began if self.server.access_log else None
        return end_stream(self.session, value, error, left=self.left, seconds=seconds)

    def next_deadline(self) -> float | None:
        """Tell when a keep-alive comment is due."""
        return self.session._next_deadline()

    def tick(self, now: float) -> None:
        """Send a keep-alive comment, or begin the response of a slow handler."""
        self.session._tick(now)

    def half_closed(self) -> None:
        """A client that ends its half has left: no client of event streams does so otherwise."""
        self.client_lost()
        self.http.transport.close()

    def client_lost(self) -> None:
        """End the handler; once, so that what it does at its end is not disturbed."""
        if not self.left:
            self.left = True
            self.session._lost()
            super().client_lost()
            self.cancel()

    def shut_down(self) -> None:
        """End the stream and the handler."""
        if not self.left:
            self.session._end()
            self.cancel()


_CALLS: dict[RouteKind, type[Call]] = {
    RouteKind.WEBSOCKET: WebSocketCall,
    RouteKind.SSE: SSECall,
    RouteKind.HTTP: HTTPCall,
}
