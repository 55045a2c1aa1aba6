"""``App``: which handler answers a request.

An ``App`` decides and adapters act: ``dispatch`` takes a request and gives the route that answers,
or the response if none does. Here is no socket, no loop, no thread and no clock.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeVar

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.handshake import is_websocket_request
from ..protocol.headers import HeaderPairs, Headers, is_token, validate_field
from ..protocol.http import Request, Response
from ..protocol.origin import SAME_ORIGIN, Origins, check_origins
from ..protocol.sse import to_json
from .handlers import Handler, Style
from .options import HTTPOptions, SSEOptions, WebSocketOptions
from .responses import error_response
from .routing import Options, Pattern, Route, RouteKind, Router

__all__ = ["App", "Match"]

Function = TypeVar("Function", bound=Callable[..., Any])
Lifespan = Callable[["App"], AbstractAsyncContextManager[Any]]


class _Unset:
    """For options whose ``None`` means something."""

    def __repr__(self) -> str:
        return "<the app's>"


_UNSET = _Unset()


@dataclass(frozen=True, slots=True)
class Match:
    """A route that answers, and the values of its path's parameters."""

    route: Route
    params: dict[str, Any]


class App:
    """WebSockets, event streams and the pages beside them.

    Args:
        limits: What a peer may cost; routes may have their own.
        origins: Which pages may open a WebSocket; routes may say otherwise.
        lifespan: An async context manager function that is entered at start-up and left at
            shutdown; it is given the app.
        dumps: Writes JSON, from a value to ``str``.
        loads: Reads JSON, from ``str`` or bytes; raises ``ValueError`` for what is none.

    Attributes:
        state: For the application's own things.

    Raises:
        ValueError: If an entry of ``origins`` is no origin.
    """

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        origins: Origins = SAME_ORIGIN,
        lifespan: Lifespan | None = None,
        dumps: Callable[[Any], str] = to_json,
        loads: Callable[[str | bytes], Any] = json.loads,
    ) -> None:
        self.limits = limits
        self.origins = check_origins(origins)
        self.dumps = dumps
        self.loads = loads
        self.state = SimpleNamespace()
        self._lifespans: list[Lifespan] = [lifespan] if lifespan is not None else []
        self._router = Router()

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes, in the order of their registration."""
        return tuple(self._router.routes)

    # ------------------------------------------------------------------------------- routes

    def websocket(
        self,
        path: str,
        *,
        origins: Origins | _Unset = _UNSET,
        subprotocols: Sequence[str] = (),
        ping_interval: float | _Unset | None = _UNSET,
        ping_timeout: float | _Unset | None = _UNSET,
        limits: Limits | None = None,
    ) -> Callable[[Function], Function]:
        """Register a WebSocket handler.

        Args:
            path: A pattern; see ``routing``.
            origins: Which pages may connect; by default as the app says.
            subprotocols: Those that the handler speaks, the preferred one first.
            ping_interval: Seconds of silence before a ping; ``None``: no pings.
            ping_timeout: Seconds that the peer has to answer it; ``None``: for ever.
            limits: What a peer may cost; by default as the app says.

        Raises:
            TypeError: If the handler takes what nothing fills, or takes no connection.
            ValueError: If the pattern or an option makes no sense.
        """
        if isinstance(subprotocols, str) or not all(map(is_token, subprotocols)):
            raise ValueError(f"{path}: subprotocols has to be a list of tokens: {subprotocols!r}")
        limits = limits or self.limits
        if not isinstance(ping_interval, _Unset):
            limits = replace(limits, ping_interval=ping_interval)
        if not isinstance(ping_timeout, _Unset):
            limits = replace(limits, ping_timeout=ping_timeout)
        options = WebSocketOptions(
            limits=limits,
            origins=self.origins if isinstance(origins, _Unset) else check_origins(origins),
            subprotocols=tuple(subprotocols),
        )
        return self._registrar(RouteKind.WEBSOCKET, path, ("GET",), options)

    def sse(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        headers: HeaderPairs = (),
        keepalive: float | _Unset | None = _UNSET,
        origins: str | Sequence[str] | None = None,
        credentials: bool = False,
        limits: Limits | None = None,
    ) -> Callable[[Function], Function]:
        """Register an event stream handler: a function that sends, or a generator.

        Args:
            path: A pattern; see ``routing``.
            methods: HTTP methods that it answers.
            headers: Header fields of the response.
            keepalive: Seconds of silence after which a comment is sent; ``None``: none; by default
                ``Limits.sse_keepalive``.
            origins: Pages of other origins that may read the stream (CORS): origins, or ``"*"``.
            credentials: Whether those pages may send cookies.
            limits: What a peer may cost; by default as the app says.

        Raises:
            TypeError: If the handler takes what nothing fills.
            ValueError: If the pattern or an option makes no sense.
        """
        limits = limits or self.limits
        if isinstance(keepalive, _Unset):
            keepalive = limits.sse_keepalive
        if keepalive is not None and not keepalive > 0:
            raise ValueError(f"{path}: keepalive has to be positive or None, not {keepalive!r}")
        allowed = (origins,) if isinstance(origins, str) else tuple(origins or ())
        check_origins(allowed)
        options = SSEOptions(
            limits=limits,
            headers=_check_headers(path, headers),
            keepalive=keepalive,
            origins=allowed,
            credentials=credentials,
        )
        return self._registrar(RouteKind.SSE, path, methods, options)

    def route(
        self, path: str, *, methods: Sequence[str] = ("GET",), limits: Limits | None = None
    ) -> Callable[[Function], Function]:
        """Register a plain handler: it returns HTML, JSON, bytes or a ``Response``.

        Args:
            path: A pattern; see ``routing``.
            methods: HTTP methods that it answers; HEAD comes with GET.
            limits: What a peer may cost; by default as the app says.

        Raises:
            TypeError: If the handler takes what nothing fills, or is a generator.
            ValueError: If the pattern or a method makes no sense.
        """
        options = HTTPOptions(limits=limits or self.limits)
        return self._registrar(RouteKind.HTTP, path, methods, options)

    def get(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for GET; see ``route``."""
        return self.route(path, methods=("GET",))

    def post(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for POST; see ``route``."""
        return self.route(path, methods=("POST",))

    def include(self, other: App, *, prefix: str = "") -> None:
        """Take over the routes and the lifespan of another app.

        A route of a path, kind and method that is registered already is left out.

        Args:
            other: The other app.
            prefix: Put in front of each path.

        Raises:
            ValueError: If ``prefix`` ends with a slash.
        """
        if prefix.endswith("/"):
            raise ValueError(f"a prefix does not end with '/': {prefix!r}")
        for route in other.routes:
            moved = replace(route, pattern=Pattern(prefix + route.path))
            if not self._router.knows(moved):
                self._router.add(moved)
        self._lifespans += other._lifespans

    def _registrar(
        self, kind: RouteKind, path: str, methods: Sequence[str], options: Options
    ) -> Callable[[Function], Function]:
        pattern = Pattern(path)
        methods = _check_methods(path, methods)

        def register(function: Function) -> Function:
            handler = Handler(function, path, pattern.params)
            _check_style(kind, path, handler)
            self._router.add(
                Route(kind=kind, pattern=pattern, methods=methods, handler=handler, options=options)
            )
            return function

        return register

    # ----------------------------------------------------------------------------- requests

    def dispatch(self, request: Request) -> Match | Response:
        """Find the route that answers a request.

        A request for a WebSocket goes to a WebSocket's route, whatever is wrong with it: the
        handshake knows the right refusal. So does a plain request where there is no other route.

        Returns:
            The route; or the response, if there is none: 404, 405 with ``Allow``, or what OPTIONS
            asks.
        """
        found = self._router.match(request.raw_path)
        if not found:
            return error_response(404)
        sockets = [Match(*item) for item in found if item[0].kind is RouteKind.WEBSOCKET]
        plain = [Match(*item) for item in found if item[0].kind is not RouteKind.WEBSOCKET]
        if sockets and (not plain or is_websocket_request(request)):
            return sockets[0]
        for match in plain:
            if request.method in match.route.methods:
                return match
        return _refuse_method(request, [match.route for match in plain])

    # -------------------------------------------------------------------------------- running

    @asynccontextmanager
    async def lifespan_context(self) -> AsyncIterator[None]:
        """Run the app's start-up, and its shutdown; for adapters."""
        lifespans = list(self._lifespans)

        @asynccontextmanager
        async def enter(position: int) -> AsyncIterator[None]:
            if position == len(lifespans):
                yield
                return
            async with lifespans[position](self), enter(position + 1):
                yield

        async with enter(0):
            yield

    def run(self, host: str = "127.0.0.1", port: int = 8000, **options: Any) -> None:
        """Serve the app until Ctrl+C or SIGTERM.

        Args:
            host: Address to listen on; ``"0.0.0.0"`` for every one of IPv4.
            port: TCP port.
            options: As for ``fasterapi.aio.run``: uds, sock, ssl_certfile, ssl_keyfile, log_level,
                access_log, loop, grace.

        Raises:
            OSError: If the address can't be listened on.
        """
        from ..aio import run

        run(self, host=host, port=port, **options)


def _refuse_method(request: Request, routes: Iterable[Route]) -> Response:
    """Answer a method that no route has: 405, or OPTIONS with what there is."""
    routes = list(routes)
    allow = ", ".join(dict.fromkeys(m for route in routes for m in (*route.methods, "OPTIONS")))
    if request.method != "OPTIONS":
        return error_response(405, headers=[("Allow", allow)])
    fields = [("Allow", allow)]
    for route in routes:
        if isinstance(route.options, SSEOptions) and (cors := route.options.cors_headers(request)):
            fields += cors
            fields.append(("Access-Control-Allow-Methods", ", ".join(route.methods)))
            if asked := request.headers.get("access-control-request-headers"):
                fields.append(("Access-Control-Allow-Headers", asked))
            break
    return Response(204, fields)


def _check_style(kind: RouteKind, path: str, handler: Handler) -> None:
    generators = (Style.GENERATOR, Style.ASYNC_GENERATOR)
    if handler.style in generators and kind is not RouteKind.SSE:
        raise TypeError(f"{path}: {handler.name}() is a generator; only event streams may be")
    if kind is RouteKind.WEBSOCKET and not handler.takes_connection:
        raise TypeError(f"{path}: {handler.name}() has no parameter for the WebSocket")
    if kind is RouteKind.SSE and handler.style not in generators and not handler.takes_connection:
        raise TypeError(
            f"{path}: {handler.name}() has no parameter for the event stream, and does not yield"
        )


def _check_methods(path: str, methods: Sequence[str]) -> tuple[str, ...]:
    """Bring methods into the form that is compared; HEAD comes with GET (RFC 9110, 9.3.2)."""
    if isinstance(methods, str) or not methods or not all(map(is_token, methods)):
        raise ValueError(f"{path}: methods has to be a list such as ['GET'], not {methods!r}")
    names = [method.upper() for method in methods]
    if "GET" in names:
        names.insert(names.index("GET") + 1, "HEAD")
    return tuple(dict.fromkeys(names))


def _check_headers(path: str, headers: HeaderPairs) -> Headers:
    fields = Headers(headers)
    for name, value in fields:
        try:
            validate_field(name, value)
        except LocalProtocolError as error:
            raise ValueError(f"{path}: {error}") from None
        if name.lower() in ("content-length", "transfer-encoding", "connection"):
            raise ValueError(f"{path}: the server writes the header {name} itself")
    return fields
