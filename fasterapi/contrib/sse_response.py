"""``SSEResponse``: an event stream from an endpoint of Starlette or FastAPI, or of an ``App``.

    @api.post("/answers")
    async def answers(question: Question) -> SSEResponse:
        return SSEResponse(generate(question))

It is Starlette's ``Response`` too where that is installed, for FastAPI knows its own by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..aio.handlers import start_call
from ..app.app import App
from ..app.event_response import EventResponse
from ..protocol.http import Request, Response
from .asgi import ASGIConnection, ASGIHost
from .asgi_exchange import ExchangeEvents, to_request
from .asgi_transport import Receive, Send

if TYPE_CHECKING:
    _Base = object
else:
    try:
        from starlette.responses import Response as _Base
    except ImportError:
        _Base = object

__all__ = ["SSEResponse"]


class SSEResponse(EventResponse, _Base):
    """An event stream as a response, with keep-alive comments and an end at the server's stop.

    An exception before the first event goes to the framework, which answers with its status, or
    500; a later one ends the stream and is logged. A client that leaves has the generator closed.

    See ``EventResponse`` for its arguments.

    Attributes:
        status_code: 200.
        raw_headers: Further header fields, as middleware adds them.
        background: Run when the stream has ended, if it is set: a task of Starlette's.
    """

    status_code = 200
    media_type = "text/event-stream"
    body = b""
    background: Any = None

    @cached_property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Further header fields."""
        return []

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request of an ASGI server.

        Raises:
            Exception: Whatever the generator raised before its first event.
        """
        host = _StreamHost.of(_streams)
        await host.stream(self, scope, receive, send)
        if self.background is not None:
            await self.background()


_streams = App()
"""Whose streams those of other frameworks are: it has their threads, and their limits."""


class _StreamHost(ASGIHost):
    """What the event streams in one loop have in common."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self._streams: dict[int, _StreamConnection] = {}  # by request

    async def stream(
        self, response: SSEResponse, scope: Mapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Send a stream; raise what its generator raised, if nothing has been sent."""
        http = _StreamConnection(self, scope, response)
        try:
            await self.converse(http, scope, receive, send)
        finally:
            # Not earlier: a thread tells what it has raised when its answer is through already.
            self._streams.pop(id(http.asked), None)
        if http.error is not None:
            raise http.error
        if http.refusal is not None:
            events = ExchangeEvents(scope)
            events.respond(http.refusal)
            for event in events.data_to_send():
                await send(event)

    def crashed(self, request: Request, handler: str, error: BaseException) -> None:
        """Take note of what a generator raised; called from threads too."""
        http = self._streams.get(id(request))
        if http is not None and http.refusal is not None:
            http.error = error
        else:
            super().crashed(request, handler, error)


class _StreamConnection(ASGIConnection):
    """A request that is answered with an event stream; what refuses it is left to the framework."""

    __slots__ = ("_response", "asked", "error", "refusal")

    server: _StreamHost

    def __init__(
        self, server: _StreamHost, scope: Mapping[str, Any], response: SSEResponse
    ) -> None:
        super().__init__(server, scope)
        self._response = response
        self.asked: Request | None = None
        self.refusal: Response | None = None
        self.error: BaseException | None = None

    async def begin(self, scope: Mapping[str, Any], receive: Receive) -> bool:
        """Start the generator; the body is the endpoint's."""
        self._request = self.asked = request = to_request(scope)
        self.server._streams[id(request)] = self
        extra = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in self._response.raw_headers]
        start_call(self, self._response.match(extra), request)
        self._settle()
        return True

    def respond(self, response: Response) -> None:
        """Keep what refuses the stream."""
        self._alive()
        self.refusal = response
        self._request = None
        self.transport.close()
