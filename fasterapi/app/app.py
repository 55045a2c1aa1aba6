"""``App``: which handler answers a request.

An ``App`` decides and adapters act: ``dispatch`` takes a request and gives the route that answers,
or the response if none does. Here is no socket, no loop, no thread and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
)
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeVar, Unpack

from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.deflate import Compression, check_compression
from ..protocol.extensions import ExtensionFactory
from ..protocol.headers import HeaderPairs, Headers
from ..protocol.http import Request, Response
from ..protocol.origin import SAME_ORIGIN, Origins, check_origins
from ..protocol.sse import to_json
from .dispatch import dispatch
from .handlers import Handler, Style
from .lifespan import Lifespan, Lifespans
from .options import (
    HTTPOptions,
    SSEOptions,
    WebSocketOptions,
    check_methods,
    check_subprotocols,
)
from .routing import Match, Options, Pattern, Route, RouteKind, Router, check_path
from .serving import ServingOptions, check_options

__all__ = ["App", "Match"]

Function = TypeVar("Function", bound=Callable[..., Any])


class _Unset:
    """For options whose ``None`` means something."""

    def __repr__(self) -> str:
        return "<the app's>"


_UNSET = _Unset()


class App:
    """WebSockets, event streams and the pages beside them.

    Args:
        limits: What a peer may cost; routes may have their own.
        origins: Which pages may open a WebSocket; routes may say otherwise.
        compression: How WebSocket messages are compressed where the client can; ``True``: as
            ``Compression()`` says, the default; ``False`` or ``None``: never. Routes may say
            otherwise.
        lifespan: A context manager function (``contextlib.asynccontextmanager`` or
            ``contextmanager``) that is entered at start-up and left at shutdown; it is given the
            app. The sync server needs a plain one.
        dumps: Writes JSON, from a value to ``str``.
        loads: Reads JSON, from ``str`` or bytes; raises ``ValueError`` for what is none.

    Attributes:
        state: For the application's own things.

    Raises:
        TypeError: If ``lifespan`` is a generator function and no context manager, or
            ``compression`` is something else.
        ValueError: If an entry of ``origins`` is no origin.
    """

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        origins: Origins = SAME_ORIGIN,
        compression: Compression | bool | None = True,
        lifespan: Lifespan | None = None,
        dumps: Callable[[Any], str] = to_json,
        loads: Callable[[str | bytes], Any] = json.loads,
    ) -> None:
        self.limits = limits
        self.origins = check_origins(origins)
        self.compression = check_compression(compression)
        self.dumps = dumps
        self.loads = loads
        self.state = SimpleNamespace()
        self._lifespans = Lifespans(self, lifespan)
        self._router = Router()
        self._asgi_host: Any = None  # contrib.asgi's, of the loop that an ASGI server runs

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer an ASGI server: an app is an ASGI application, to be served or mounted.

        Args:
            scope: What is asked for.
            receive: Gives the server's events.
            send: Takes ours.
        """
        from ..contrib.asgi import serve

        await serve(self, scope, receive, send)

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
        compression: Compression | bool | _Unset | None = _UNSET,
        extensions: Sequence[ExtensionFactory] = (),
        limits: Limits | None = None,
    ) -> Callable[[Function], Function]:
        """Register a WebSocket handler.

        Args:
            path: A pattern; see ``routing``.
            origins: Which pages may connect; by default as the app says.
            subprotocols: Those that the handler speaks, the preferred one first.
            ping_interval: Seconds of silence before a ping; ``None``: no pings.
            ping_timeout: Seconds that the peer has to answer it; ``None``: for ever.
            compression: How messages are compressed; see ``App``; by default as the app says.
            extensions: Extensions beside it, in the order in which they encode.
            limits: What a peer may cost; by default as the app says.

        Raises:
            TypeError: If the handler takes what nothing fills, or takes no connection.
            ValueError: If the pattern or an option makes no sense.
        """
        limits = limits or self.limits
        with _named(path):
            if not isinstance(ping_interval, _Unset):
                limits = replace(limits, ping_interval=ping_interval)
            if not isinstance(ping_timeout, _Unset):
                limits = replace(limits, ping_timeout=ping_timeout)
            options = WebSocketOptions(
                limits=limits,
                origins=self.origins if isinstance(origins, _Unset) else check_origins(origins),
                subprotocols=check_subprotocols(subprotocols),
                compression=(
                    self.compression
                    if isinstance(compression, _Unset)
                    else check_compression(compression)
                ),
                extensions=tuple(extensions),
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
            methods: HTTP methods that it answers; HEAD comes with GET.
            headers: Header fields of the response.
            keepalive: Seconds of silence after which a comment is sent; ``None``: none; by default
                ``Limits.sse_keepalive``.
            origins: Pages of other origins that may read the stream (CORS): origins, or ``"*"``.
            credentials: Whether those pages may send cookies; it needs a list of origins.
            limits: What a peer may cost; by default as the app says.

        Raises:
            TypeError: If the handler takes what nothing fills.
            ValueError: If the pattern or an option makes no sense.
        """
        limits = limits or self.limits
        with _named(path):
            options = SSEOptions(
                limits=limits,
                headers=Headers(headers),
                keepalive=limits.sse_keepalive if isinstance(keepalive, _Unset) else keepalive,
                origins=(origins,) if isinstance(origins, str) else tuple(origins or ()),
                credentials=credentials,
            )
            methods = check_methods(methods)
        return self._registrar(RouteKind.SSE, path, methods, options)

    def route(
        self, path: str, *, methods: Sequence[str] = ("GET",), limits: Limits | None = None
    ) -> Callable[[Function], Function]:
        """Register a plain handler: it returns HTML, JSON, bytes or a ``Response``.

        Args:
            path: A pattern; see ``routing``.
            methods: HTTP methods that it answers; HEAD comes with GET.
            limits: Its ``max_body_size`` counts here, where it is below the app's; by default as
                the app says.

        Raises:
            TypeError: If the handler takes what nothing fills, or is a generator.
            ValueError: If the pattern or a method makes no sense.
        """
        with _named(path):
            methods = check_methods(methods)
        return self._registrar(
            RouteKind.HTTP, path, methods, HTTPOptions(limits=limits or self.limits)
        )

    def get(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for GET; see ``route``."""
        return self.route(path, methods=("GET",))

    def post(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for POST; see ``route``."""
        return self.route(path, methods=("POST",))

    def put(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for PUT; see ``route``."""
        return self.route(path, methods=("PUT",))

    def patch(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for PATCH; see ``route``."""
        return self.route(path, methods=("PATCH",))

    def delete(self, path: str) -> Callable[[Function], Function]:
        """Register a plain handler for DELETE; see ``route``."""
        return self.route(path, methods=("DELETE",))

    def include(self, other: App, *, prefix: str = "") -> None:
        """Take over the routes that another app has now, with their options, and its lifespan.

        What is answered here already stays as it is: of the other's routes only the methods that
        are new to their path, and kind, are taken. The lifespan is given the other app.

        Args:
            other: The other app.
            prefix: Put in front of each path; it may have parameters.

        Raises:
            ValueError: If ``prefix`` ends with a slash, or does not begin with one.
        """
        if prefix.endswith("/"):
            raise ValueError(f"a prefix does not end with '/': {prefix!r}")
        for route in other.routes:
            moved = replace(route, pattern=Pattern(prefix + route.path))
            taken = self._router.rivals(moved)
            if methods := tuple(method for method in route.methods if method not in taken):
                self._router.add(replace(moved, methods=methods))
        self._lifespans.take_over(other._lifespans)

    def _registrar(
        self, kind: RouteKind, path: str, methods: Sequence[str], options: Options
    ) -> Callable[[Function], Function]:
        check_path(path, kind, methods)
        pattern = Pattern(path)

        def register(function: Function) -> Function:
            handler = Handler(function, path, pattern.params)
            _check_style(kind, path, handler)
            self._router.add(
                Route(
                    kind=kind,
                    pattern=pattern,
                    methods=tuple(methods),
                    handler=handler,
                    options=options,
                )
            )
            return function

        return register

    # ----------------------------------------------------------------------------- requests

    def dispatch(self, request: Request) -> Match | Response:
        """Find the route that answers a request.

        A request for a WebSocket goes to a WebSocket's route, whatever is wrong with it: the
        handshake knows the right refusal. So does a plain request where there is no other route.

        Returns:
            The route; or the response, if there is none: 404, 405 with ``Allow``, 413 for a body
            over the route's limit, or what OPTIONS asks.
        """
        return dispatch(self._router, request)

    # -------------------------------------------------------------------------------- running

    def lifespan_context(self) -> AbstractAsyncContextManager[None]:
        """Run the app's start-up, and its shutdown; for adapters."""
        return self._lifespans.entered()

    @property
    def lifespan_missed(self) -> bool:
        """Whether the app has a lifespan that nobody has ever entered; for adapters."""
        return self._lifespans.missed

    def check_sync_lifespan(self) -> None:
        """Refuse a lifespan that needs an event loop, as far as that can be told from outside.

        Raises:
            TypeError: If there is one.
        """
        self._lifespans.check_plain()

    def sync_lifespan_context(self) -> AbstractContextManager[None]:
        """Run the app's start-up, and its shutdown; for an adapter without an event loop.

        Raises:
            TypeError: If one of them is async.
        """
        return self._lifespans.entered_plain()

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        server: str = "aio",
        loop: str = "auto",
        log_level: str = "info",
        **options: Unpack[ServingOptions],
    ) -> None:
        """Serve the app until Ctrl+C or SIGTERM.

        Args:
            host: Address to listen on; ``"0.0.0.0"`` for every one of IPv4.
            port: TCP port.
            server: ``"aio"``, with an event loop; or ``"sync"``, with a thread for each connection
                and no event loop, which runs ``def`` handlers only.
            loop: ``"asyncio"``, ``"uvloop"``, or ``"auto"``: uvloop where it is installed.
            log_level: The least severe level that is printed, if the program has not set up
                logging.
            options: See ``ServingOptions``: ``uds``, ``sock``, ``ssl_certfile``, ``ssl_keyfile``,
                ``ssl_context``, ``http2``, ``access_log``, ``grace``, ``backlog``.

        Raises:
            OSError: If the address can't be listened on.
            ImportError: If uvloop or HTTP/2 is insisted on, and not installed.
            TypeError: If there is no such option, or the sync server finds something that needs an
                event loop.
            ValueError: If there is no such server, loop or level, or options don't fit together;
                the sync server has neither a loop nor HTTP/2.
        """
        check_options("run", options, ServingOptions)
        if server == "aio":
            from ..aio import run

            run(self, host=host, port=port, loop=loop, log_level=log_level, **options)
        elif server == "sync":
            from ..sync import run as run_threads

            if loop != "auto":
                raise ValueError(f"the sync server has no event loop; leave loop={loop!r} out")
            run_threads(self, host=host, port=port, log_level=log_level, **options)
        else:
            raise ValueError(f"server has to be 'aio' or 'sync', not {server!r}")


def _check_style(kind: RouteKind, path: str, handler: Handler) -> None:
    who = f"{path}: {handler.name}()"
    if handler.style is Style.CALLBACKS and kind is not RouteKind.WEBSOCKET:
        raise TypeError(f"{path}: {handler.name} is a class; only WebSocket handlers may be")
    if handler.style.is_generator and kind is not RouteKind.SSE:
        raise TypeError(f"{who} is a generator; only event streams may be")
    if kind is RouteKind.WEBSOCKET and not handler.takes_connection:
        raise TypeError(f"{who} has no parameter for the WebSocket")
    if kind is RouteKind.SSE and not handler.style.is_generator and not handler.takes_connection:
        raise TypeError(f"{who} has no parameter for the event stream, and does not yield")


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Let an error in a route's options say which route it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
