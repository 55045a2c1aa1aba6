"""``App`` as an ASGI application: under uvicorn, hypercorn, granian or daphne, or mounted.

    uvicorn app:app                      # an App is one, as it is
    api.mount("/rt", app)                # in FastAPI or Starlette

Each request gets the asyncio server's own connection on a transport that speaks ASGI; what is
different here is what surrounds it: the server's lifespan, its cancelling, and its stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Self, cast

from ..aio.handlers import start_call
from ..aio.host import AppHost
from ..aio.http import HTTPProtocol
from ..app.app import Match
from ..app.log import server as log
from ..app.options import WebSocketOptions
from ..app.responses import error_response
from ..http import HTTP1Connection
from ..protocol.handshake import ServerHandshake
from ..protocol.http import Request, Response
from .asgi_exchange import ExchangeEvents, Handshake, to_request
from .asgi_signals import StopSignals
from .asgi_transport import ASGITransport, Receive, Send

if TYPE_CHECKING:
    from ..aio.handlers import Call
    from ..app import App, Route

__all__ = ["ASGIHost", "serve"]

Scope = Mapping[str, Any]


async def serve(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one scope of an ASGI server.

    Args:
        app: The application.
        scope: What is asked for.
        receive: Gives the server's events.
        send: Takes ours.

    Raises:
        RuntimeError: If the scope is of a kind that an app does not know.
    """
    kind = scope["type"]
    if kind == "lifespan":
        await _live(app, receive, send)
    elif kind in ("http", "websocket"):
        host = ASGIHost.of(app)
        if not host.checked:
            host.check_lifespan()
        await host.answer(scope, receive, send)
    else:
        raise RuntimeError(f"not a scope that an App answers: {kind!r}")


class ASGIHost(AppHost):
    """What the requests to one app have in common, in one loop.

    Args:
        app: The application.

    Attributes:
        checked: Whether somebody has looked if the app's start-up was run.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app, access_log=False)  # that is the server's
        self.checked = False
        self._ends: dict[Call, asyncio.Future[None]] = {}
        self._routes: dict[int, Route] = {}

    @classmethod
    def of(cls, app: App) -> Self:
        """Give the one of the running loop; a new loop gets a new one."""
        loop = asyncio.get_running_loop()
        host = app._asgi_host
        if not isinstance(host, cls) or host.loop is not loop:
            app._asgi_host = host = cls(app)
            host.use(loop)
            host.signals = StopSignals(loop, host.stop)
        return host

    signals: StopSignals

    def check_lifespan(self) -> None:
        """Warn, once, if requests come to an app that nobody has started."""
        self.checked = True
        if self.app.lifespan_missed:
            log.warning(
                "an App with a lifespan serves requests, and nobody has started it: what it is "
                "mounted in has to enter app.lifespan_context() in its own lifespan; under daphne, "
                "which has none, whoever runs it does"
            )

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and return when its handler has ended."""
        await self.converse(ASGIConnection(self, scope), scope, receive, send)

    async def converse(
        self, http: ASGIConnection, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Carry one request's events until its handler has ended.

        Raises:
            Exception: Whatever ``receive`` raised: the handler was told that its client is gone.
        """
        transport = ASGITransport(
            self.loop, http, _extra(scope), receive, lambda fault: self.fault(http.client, fault)
        )
        http.connection_made(transport)
        carrier = self.loop.create_task(transport.carry(send))
        call = None
        try:
            if not transport.is_closing() and await http.begin(scope, receive):
                call = http.call
                if scope["type"] == "websocket":
                    transport.feed()
            with self.signals:
                await transport.over
                await self._ended(call)
                await self._ended(http.call)  # an event stream that the first has returned
        except asyncio.CancelledError:
            if call is not None:
                call.cancel()
            raise
        finally:
            transport.lose()
            carrier.cancel()
        if transport.error is not None:
            raise transport.error

    def serve(self, http: HTTPProtocol, request: Request) -> None:
        """Find out who answers, and have it answer."""
        answer = self.app.dispatch(request)
        if isinstance(answer, Response):
            http.respond(answer)
        else:
            start_call(http, Match(self._adapted(answer.route), answer.params), request)

    def _adapted(self, route: Route) -> Route:
        """Give a route whose handshakes a server has judged, the same each time."""
        options = route.options
        if not isinstance(options, WebSocketOptions):
            return route
        known = self._routes.get(id(route))
        if known is None:
            given = {f.name: getattr(options, f.name) for f in fields(options) if f.init}
            known = self._routes[id(route)] = replace(route, options=_Options(**given))
        return known

    def finished(self, call: Call) -> None:
        """Note that a handler has ended."""
        super().finished(call)
        end = self._ends.pop(call, None)
        if end is not None and not end.done():
            end.set_result(None)

    def stop(self) -> None:
        """Say goodbye to all that is open: the server is about to stop."""
        self.stopping = True
        for channel in list(self.connections):
            channel.stop()

    async def _ended(self, call: Call | None) -> None:
        if call is not None and call in self.calls:
            self._ends[call] = end = self.create_future()
            await end


class ASGIConnection(HTTPProtocol):
    """One request, and the WebSocket that it may become.

    Args:
        server: Whose connection this is.
        scope: The request's.
    """

    __slots__ = ("_scope",)

    transport: ASGITransport

    def __init__(self, server: AppHost, scope: Scope) -> None:
        super().__init__(server)
        self._scope = scope

    def _speak(self) -> HTTP1Connection:
        return cast(HTTP1Connection, ExchangeEvents(self._scope))

    async def begin(self, scope: Scope, receive: Receive) -> bool:
        """Read the request, and have it answered; tell whether anybody is still there."""
        body = b""
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
        else:
            limit = self.server.limits.max_body_size
            found = await _read_body(receive, limit)
            if found is None:
                self.transport.abort()
                return False
            body = found
            if len(body) > limit:
                fault = f"413: body over Limits.max_body_size ({limit} bytes)"
                self.server.fault(self.client, fault)
                self._request = to_request(scope)
                self.respond(error_response(413))
                return True
        self._serve(to_request(scope, body))
        self._settle()
        return True

    def start_stream(self, response: Response) -> None:
        """Begin a streamed response; from now on, notice that the client leaves.

        Not before: servers that have nothing more to say say at once that it has left, and to
        whoever leaves during a short answer it makes no difference.
        """
        super().start_stream(response)
        self.transport.feed()

    def upgrade(self, response: Any) -> bytes:
        """Accept a WebSocket."""
        rest = super().upgrade(response)
        self.transport.begin_frames()
        return rest


class _Options(WebSocketOptions):
    """A route's options, for handshakes that a server has judged."""

    def handshake(self, request: Request) -> ServerHandshake:
        """Begin to answer a request for this WebSocket."""
        return Handshake(request, subprotocols=self.subprotocols, origins=self.origins)


async def _live(app: App, receive: Receive, send: Send) -> None:
    """Run the app's start-up and its shutdown, when the server says so."""
    await receive()
    async with AsyncExitStack() as stack:
        try:
            ASGIHost.of(app).stopping = False
            await stack.enter_async_context(app.lifespan_context())
        except Exception as error:  # noqa: BLE001  # whatever it is, the server is told
            log.exception("the app's start-up failed")
            await send({"type": "lifespan.startup.failed", "message": repr(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await stack.aclose()
        except Exception as error:  # noqa: BLE001  # whatever it is, the server is told
            log.exception("the app's shutdown failed")
            await send({"type": "lifespan.shutdown.failed", "message": repr(error)})
            return
    await send({"type": "lifespan.shutdown.complete"})


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """Read a request's body, and a little over the limit at most; ``None`` if the client left."""
    pieces, size = [], 0
    while size <= limit:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        pieces.append(event.get("body", b""))
        size += len(pieces[-1])
        if not event.get("more_body", False):
            break
    return b"".join(pieces)


def _extra(scope: Scope) -> dict[str, Any]:
    client = scope.get("client")
    return {"peername": tuple(client) if client else None}
