"""``AsyncTestClient``: an ``App`` driven in memory, by real bytes through both halves of the core.

The server is the asyncio server, its transports are in memory, and its clock is the test's. All
waiting is bounded by real time, and what goes wrong on the server is raised in the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack
from urllib.parse import urlsplit

from ..protocol.client_handshake import ClientHandshake
from ..protocol.deflate import Compression, extension_factories
from ..protocol.extensions import ExtensionFactory
from ..protocol.headers import HeaderPairs, Headers
from ..protocol.http import Response
from .events import AsyncTestEventStream
from .host import Host
from .http import Exchange, Refused, Reply, RequestOptions, to_body
from .server import Wire
from .session import CLIENT_LIMITS, Opening
from .websocket import AsyncTestWebSocket

if TYPE_CHECKING:
    from ..app import App
    from ..limits import Limits

__all__ = [
    "AsyncTestClient", "AsyncTestClock", "ClientOptions", "HandshakeOptions", "StreamOptions",
]  # fmt: skip


class AsyncTestClock:
    """The time of the app under test: it stands still until it is turned.

    Keepalive, handshakes, close handshakes, slow clients, the comments and the late beginnings of
    event streams go by it. In a ``TestClient``, and in a ``ClockedLoop``, it wakes
    ``asyncio.sleep`` and ends ``asyncio.timeout`` too.
    """

    __test__ = False

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def now(self) -> float:
        """The time in seconds."""
        return self._host.server.time.now

    async def advance(self, seconds: float) -> None:
        """Have so much time pass, from one deadline to the next, each with its effect.

        Args:
            seconds: How much; 0 looks at what is due now.

        Raises:
            ValueError: If it is negative.
            Exception: What a handler raised meanwhile; see ``AsyncTestClient``.
        """
        await self._host.advance(seconds)


class ClientOptions(TypedDict, total=False):
    """What a client may be told beside its app; see ``AsyncTestClient``."""

    base_url: str
    headers: HeaderPairs
    client: tuple[str, int]
    timeout: float
    grace: float
    raise_server_exceptions: bool
    check_leftovers: bool


class HandshakeOptions(TypedDict, total=False):
    """What a WebSocket may be opened with; see ``AsyncTestClient.websocket``."""

    subprotocols: Sequence[str]
    origin: str | None
    headers: HeaderPairs
    compression: Compression | bool | None
    extensions: Sequence[ExtensionFactory]
    limits: Limits
    auto_pong: bool
    timeout: float | None


class StreamOptions(TypedDict, total=False):
    """What an event stream may be opened with; see ``AsyncTestClient.events``."""

    method: str
    last_event_id: str
    headers: HeaderPairs
    content: bytes | str
    json: Any


class AsyncTestClient:
    """Drives an app in memory, in the running event loop; use it with ``async with``.

    Entering runs the app's start-up, leaving its shutdown. What a handler, a callback, a stream, a
    plain route or a lifespan raises is raised in the test, with its own traceback, by whatever
    waits next; each once. Whatever waits does so for a bounded time, and then says what it waited
    for and what had come.

    Args:
        app: The application.
        base_url: Scheme and host of every request: ``https`` makes it one over TLS.
        headers: Header fields of every request.
        client: The address that handlers see.
        timeout: Seconds of real time that anything may take.
        grace: Seconds of real time that handlers have when their client has left, and at the end.
        raise_server_exceptions: Whether to; without it they are logged, and the client sees what a
            client sees: 500, 1011, the end of a stream.
        check_leftovers: Whether tasks and threads that outlive the app are an error.

    Attributes:
        clock: The app's time.
        app: As given.
    """

    def __init__(
        self,
        app: App,
        *,
        base_url: str = "http://testserver",
        headers: HeaderPairs = (),
        client: tuple[str, int] = ("127.0.0.1", 50000),
        timeout: float = 5.0,
        grace: float = 1.0,
        raise_server_exceptions: bool = True,
        check_leftovers: bool = True,
    ) -> None:
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/"):
            raise ValueError(f"base_url has a scheme and a host, as http://testserver: {base_url}")
        self.app = app
        self._scheme, self._authority = url.scheme, url.netloc
        self._headers = Headers(headers)
        extra: dict[str, Any] = {"peername": client}
        if url.scheme == "https":
            extra["sslcontext"] = True
        self._host = Host(
            app,
            extra,
            timeout=timeout,
            grace=grace,
            raises=raise_server_exceptions,
            checks=check_leftovers,
        )
        self.clock = AsyncTestClock(self._host)

    # ------------------------------------------------------------------------------- HTTP

    async def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send a request and wait for the whole response.

        Args:
            method: The method.
            path: Path and query, percent-encoded where they have to be.
            options: headers, content, json, timeout; see ``RequestOptions``.

        Raises:
            TimeoutError: If the response is not complete in time.
            ConnectionError: If the connection ended before it was.
            Exception: What the handler raised.
        """
        wire, exchange = self._begin(
            method,
            path,
            options.get("headers", ()),
            options.get("content", b""),
            options.get("json"),
        )
        await self._host.perform(wire, exchange, f"{method} {path}", options.get("timeout"))
        return exchange.reply

    async def get(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send GET; see ``request``."""
        return await self.request("GET", path, **options)

    async def head(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send HEAD; see ``request``."""
        return await self.request("HEAD", path, **options)

    async def options(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send OPTIONS; see ``request``."""
        return await self.request("OPTIONS", path, **options)

    async def post(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send POST; see ``request``."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send PUT; see ``request``."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send PATCH; see ``request``."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Unpack[RequestOptions]) -> Reply:
        """Send DELETE; see ``request``."""
        return await self.request("DELETE", path, **options)

    # ---------------------------------------------------------------- WebSockets, event streams

    def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        headers: HeaderPairs = (),
        compression: Compression | bool | None = False,
        extensions: Sequence[ExtensionFactory] = (),
        limits: Limits = CLIENT_LIMITS,
        auto_pong: bool = True,
        timeout: float | None = None,
    ) -> Opening[AsyncTestWebSocket]:
        """Open a WebSocket: ``async with c.websocket(...) as ws``, or ``ws = await ...``.

        At the end of the block it is closed with 1000, and its handler has time to end.

        Args:
            path: Path and query.
            subprotocols: To offer, the preferred one first.
            origin: The ``Origin`` header, which browsers send: the page's scheme and host.
            headers: Further header fields.
            compression: Whether to offer permessage-deflate, or how.
            extensions: Others to offer, in order of preference.
            limits: What the server may cost this client; by default nearly anything.
            auto_pong: Whether pings are answered.
            timeout: Seconds of real time until the handshake is answered.

        Raises:
            Refused: If the server refuses, with its ``response``.
            HandshakeError: If its answer is not one that RFC 6455 allows.
            TimeoutError: If it does not answer.
            Exception: What the handler raised before it accepted.
        """
        handshake = ClientHandshake(
            f"{self._scheme.replace('http', 'ws')}://{self._authority}{path}",
            subprotocols=subprotocols,
            origin=origin,
            headers=self._merged(headers),
            extensions=extension_factories(compression, extensions),
        )

        async def open_() -> AsyncTestWebSocket:
            name, wire, request = f"WebSocket {path}", self._host.connect(), handshake.request
            exchange = Exchange(request.method, request.target, request.headers)
            await self._host.perform(wire, exchange, name, timeout)
            reply = exchange.reply
            if exchange.rest is None:
                raise Refused(f"{name} is refused", reply)
            connection = handshake.connection(Response(reply.status, reply.headers), limits=limits)
            return AsyncTestWebSocket(
                self._host, wire, name, connection, reply, rest=exchange.rest, auto_pong=auto_pong
            )

        return Opening(open_)

    def events(
        self,
        path: str,
        *,
        method: str = "GET",
        last_event_id: str = "",
        headers: HeaderPairs = (),
        content: bytes | str = b"",
        json: Any = None,
    ) -> Opening[AsyncTestEventStream]:
        """Open an event stream: ``async with c.events(...) as stream``, or ``stream = await ...``.

        At the end of the block the client leaves, as a browser whose page is closed. Opening waits
        for nothing: a refusal, or an error, is raised by ``receive`` and its kin, or at the end.

        Args:
            path: Path and query.
            method: The method.
            last_event_id: What the client says it saw last.
            headers: Further header fields.
            content: A body; text goes as UTF-8.
            json: A value to be the body instead.
        """
        ours: list[tuple[str, str]] = [("Accept", "text/event-stream")]
        if last_event_id:
            value = last_event_id.encode().decode("latin-1")  # it is UTF-8 on the wire
            ours.append(("Last-Event-ID", value))

        async def open_() -> AsyncTestEventStream:
            fields = [*ours, *Headers(headers)]
            wire, exchange = self._begin(method, path, fields, content, json)
            stream = AsyncTestEventStream(self._host, wire, f"{method} {path}", exchange)
            wire.send(exchange.data)
            await self._host.settle()
            return stream

        return Opening(open_)

    def connect(self) -> Wire:
        """Open a bare connection, for bytes that no client would send.

        Its ``send``, ``received``, ``close`` and ``drop`` speak bytes; ``settle`` has them arrive.
        """
        return self._host.connect()

    # ------------------------------------------------------------------------------- waiting

    async def wait_until(
        self,
        condition: Callable[[], object],
        what: str = "such state of the app",
        *,
        timeout: float | None = None,
    ) -> None:
        """Wait until something is so that the app does and no connection shows.

        Args:
            condition: Looks; called often, in the loop.
            what: What is waited for, for the error.
            timeout: Seconds of real time; by default the client's.

        Raises:
            TimeoutError: If it did not come true in time.
            Exception: What a handler raised meanwhile.
        """
        await self._host.wait_until(condition, timeout, what)

    async def settle(self) -> None:
        """Let the loop turn until nothing is under way any more, or for 2,000 turns.

        It does not wait for threads, nor for what sleeps.
        """
        await self._host.settle()

    # ---------------------------------------------------------------------------- start, stop

    async def __aenter__(self) -> Self:
        """Run the app's start-up.

        Raises:
            Exception: What its lifespan raised.
        """
        await self._host.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every connection and run the app's shutdown.

        Raises:
            Exception: What handlers and the lifespan raised, unless the block has failed itself.
            LeftBehind: If tasks or threads of the app's are still there.
        """
        await self._host.stop(error)

    def _begin(
        self,
        method: str,
        path: str,
        headers: HeaderPairs,
        content: bytes | str,
        json: Any,
    ) -> tuple[Wire, Exchange]:
        fields = [("Host", self._authority), *self._merged(headers)]
        body = to_body(content, json, fields)
        return self._host.connect(), Exchange(method, path, fields, body)

    def _merged(self, headers: HeaderPairs) -> list[tuple[str, str]]:
        given = Headers(headers)
        names = {name.lower() for name, _ in given}
        return [*(field for field in self._headers if field[0].lower() not in names), *given]
