"""``connect``: a WebSocket to a server, in the running event loop.

What is asked and what answers mean is ``http.websocket_request``'s; ``dial`` connects. The
``WebSocket`` that comes of it is the one that handlers get.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Unpack

from ..app.entries import Entries
from ..app.keeping import Keeper
from ..app.outcome import Cancelled
from ..http.h1_client import ResponseReader
from ..http.websocket_request import ConnectOptions, WebSocketRequest
from ..limits import DEFAULT_LIMITS
from ..sync.dial import Supplies
from .carrier import WebSocketProtocol
from .channel import Channel
from .dial import Dialler
from .host import Host
from .link import Link
from .websocket import WebSocket

__all__ = ["ClientHost", "Connecting", "begin", "connect"]


class ClientHost(Host):
    """What the connections of clients in one event loop share: its timer, and writes.

    Args:
        clock: The time in seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(DEFAULT_LIMITS, access_log=False, clock=clock)

    def forget(self, channel: Channel) -> None:
        """Note that a connection is gone, and wake whoever closed it."""
        super().forget(channel)
        if isinstance(channel, WebSocketProtocol):
            channel.websocket._release()


_latest: weakref.ref[ClientHost] | None = None


def _host() -> ClientHost:
    """Give the host of the running loop; the connections keep it alive."""
    global _latest  # noqa: PLW0603  # most processes have one loop, and it is found again
    loop = asyncio.get_running_loop()
    host = _latest() if _latest is not None else None
    if host is None or host.loop is not loop:
        host = ClientHost()
        host.use(loop)
        _latest = weakref.ref(host)
    return host


class Connecting:
    """A WebSocket to be opened: await it, enter it with ``async with``, or loop over it.

    Leaving the block closes with 1000; if an error leaves it, as it does for a handler of a server:
    with 1011 for one that nobody expected. Leaving waits for the server's agreement, and for the
    end of the transport, at most ``Limits.close_timeout`` each.

    It may be used again, meanwhile and by other tasks, too: each use opens a WebSocket of its own.

    See ``connect``.
    """

    def __init__(self, url: str, options: ConnectOptions) -> None:
        self._request = WebSocketRequest(url, options)
        self._supplies = Supplies(self._request.route)
        self._entries: Entries[WebSocket] = Entries()

    def __await__(self) -> Generator[Any, None, WebSocket]:
        """Open it; whoever does so closes it: one that is forgotten is open as long as its loop."""
        return self._open().__await__()

    async def __aenter__(self) -> WebSocket:
        """Open it."""
        return self._entries.push(asyncio.current_task(), await self._open())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        websocket = self._entries.pop(asyncio.current_task())
        await _leave(websocket, Cancelled() if isinstance(error, asyncio.CancelledError) else error)

    async def __aiter__(self) -> AsyncGenerator[WebSocket]:
        """Give one open WebSocket after the other; each is closed when the next is asked for.

        Leaving the loop closes with 1000, also for an error: a generator is not told of it.

        Raises:
            Exception: What an attempt fails with, if ``Reconnect`` says that no other follows.
        """
        request = self._request
        keeper = Keeper(request.url, request.reconnect, request.limits, time.monotonic)
        while keeper.delay is not None:
            await asyncio.sleep(keeper.delay)
            with keeper:
                websocket = await self._open()
                keeper.opened()
                try:
                    yield websocket
                finally:
                    await _leave(websocket, None)
                keeper.ended(websocket._closed_error())

    async def _open(self) -> WebSocket:
        request = self._request
        attempt = request.attempt()
        dialler = Dialler(request.route, limits=request.limits, supplies=self._supplies)
        link, reader = await dialler.open(attempt.opening)
        try:
            response = reader.response
            assert response is not None
            refused = response.status != 101
            body = await dialler.excerpt(link, reader) if refused else b""
            session = attempt.session(response, body)
        except BaseException:
            link.transport.abort()
            raise
        return begin(_host(), link, reader, session)


def begin(
    host: ClientHost, link: Link, reader: ResponseReader, session: dict[str, Any]
) -> WebSocket:
    """Begin a WebSocket on a link whose handshake is done.

    Args:
        host: What it shares with others.
        link: Its transport, until now.
        reader: What has read the answer, and has the first bytes behind it.
        session: Arguments of the session; see ``Attempt.session``.
    """
    rest = reader.take_rest() + link.take()
    channel = Channel(host, session["limits"])
    channel.transport = link.transport
    channel.client = session["request"].client
    channel.peer_ended = link.ended
    channel._reading = not link.paused
    websocket = WebSocket(http=channel, **session)
    websocket._attach(rest)
    if link.lost:  # with all that it wanted to say
        assert websocket._channel is not None
        websocket._channel.connection_lost(None)
    return websocket


async def _leave(websocket: WebSocket, error: BaseException | None) -> None:
    websocket._conclude(error)
    try:
        await websocket._closing()
    except BaseException:  # cancelled once more, as at the end of a program: nobody waits for it
        if websocket._channel is not None:
            websocket._channel.transport.abort()
        raise


def connect(url: str, **options: Unpack[ConnectOptions]) -> Connecting:
    """Open a WebSocket to a server.

        async with connect("wss://example.com/ws") as ws:      # closed at the end of the block
            await ws.send("hello")
            print(await ws.receive())

        ws = await connect("wss://example.com/ws")             # closed by whoever opened it

        async for ws in connect("wss://example.com/ws"):       # opened again when it is lost
            async for message in ws:
                print(message)

    Args:
        url: ``ws://`` or ``wss://``; a user and password in it become an ``Authorization`` header.
        options: See ``ConnectOptions``: ``subprotocols``, ``origin``, ``headers``, ``user_agent``,
            ``compression``, ``extensions``, ``ssl``, ``server_hostname``, ``uds``, ``sock``,
            ``proxy``, ``open_timeout``, ``ping_interval``, ``ping_timeout``, ``max_redirects``,
            ``limits``, ``reconnect``, ``dumps``, ``loads``, ``masking_key``.

    Returns:
        What to await, to enter or to loop over; each opens a ``WebSocket``.

    Raises:
        TypeError, ValueError, LocalProtocolError: At once, if the URL or an option makes no sense.
        HandshakeError: When it is opened, if the server refuses, with status, headers and the
            beginning of the body; or agrees to what was not asked.
        OSError: If the server or the proxy can't be reached, or its certificate does not do.
        TimeoutError: If it takes longer than ``open_timeout``; it says what was waited for.
        InvalidResponse: If what answers speaks no HTTP.
        RedirectError: For one redirect too many, or one to where it must not lead.
        ProxyError: If a proxy refuses, or is SOCKS and python-socks is not installed.
    """
    return Connecting(url, options)
