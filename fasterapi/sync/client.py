"""``connect``: a WebSocket to a server, blocking.

What is asked and what answers mean is ``http.websocket_request``'s; ``dial`` connects. The
``SyncWebSocket`` that comes of it is the one that handlers get; one thread for all clients of the
process watches those whose own threads are busy elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from types import TracebackType
from typing import Unpack

from ..app.entries import Entries
from ..app.keeping import Keeper
from ..http.websocket_request import ConnectOptions, WebSocketRequest
from .carrier import WebSocketCarrier
from .dial import Dialler, Supplies
from .watcher import shared_watcher
from .websocket import SyncWebSocket

__all__ = ["Connecting", "connect"]

_MARGIN = 1.0
"""Seconds after ``close_timeout`` in which the watcher has noticed it."""


class Connecting:
    """A WebSocket to be opened: enter it with ``with``, loop over it, or ``open`` it.

    Leaving closes it, with 1000 or the code that fits the error that leaves the block, and waits
    for the server's agreement and the socket's end, at most ``Limits.close_timeout`` each.

    It may be used again, meanwhile and by other threads, too: each use opens a WebSocket of its
    own.

    See ``connect``.

    Attributes:
        kind: The class of what is opened.
    """

    kind: type[SyncWebSocket] = SyncWebSocket

    def __init__(self, url: str, options: ConnectOptions) -> None:
        self._request = WebSocketRequest(url, options)
        self._supplies = Supplies(self._request.route)
        self._entries: Entries[tuple[SyncWebSocket, threading.Event]] = Entries()

    def open(self) -> SyncWebSocket:
        """Open it; whoever does so closes it: the watcher keeps one that is forgotten open."""
        return self._open(threading.Event())

    def __enter__(self) -> SyncWebSocket:
        """Open it."""
        over = threading.Event()
        websocket = self._open(over)
        self._entries.push(threading.current_thread(), (websocket, over))
        return websocket

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self._leave(*self._entries.pop(threading.current_thread()), error)

    def __iter__(self) -> Generator[SyncWebSocket]:
        """Give one open WebSocket after the other; each is closed when the next is asked for.

        Leaving the loop closes with 1000, also for an error: a generator is not told of it.

        Raises:
            Exception: What an attempt fails with, if ``Reconnect`` says that no other follows.
        """
        request = self._request
        keeper = Keeper(request.url, request.reconnect, request.limits, time.monotonic)
        while keeper.delay is not None:
            time.sleep(keeper.delay)
            over = threading.Event()
            with keeper:
                websocket = self._open(over)
                keeper.opened()
                try:
                    yield websocket
                finally:
                    self._leave(websocket, over, None)
                keeper.ended(websocket._closed_error())

    def _open(self, over: threading.Event) -> SyncWebSocket:
        request = self._request
        attempt = request.attempt()
        dialler = Dialler(request.route, limits=request.limits, supplies=self._supplies)
        link, reader = dialler.open(attempt.opening)
        try:
            response = reader.response
            assert response is not None
            body = dialler.excerpt(link, reader) if response.status != 101 else b""
            session = attempt.session(response, body)
        except BaseException:
            link.close()
            raise
        stream, watcher = link.stream, shared_watcher()

        def watch(websocket: SyncWebSocket) -> None:
            WebSocketCarrier(websocket, stream, watcher, clock=time.monotonic, on_end=over.set)

        websocket = self.kind(stream=stream, attach=watch, clock=time.monotonic, **session)
        websocket._attach(reader.take_rest())
        websocket.write_out()  # the answer to what came behind the response
        return websocket

    def _leave(
        self, websocket: SyncWebSocket, over: threading.Event, error: BaseException | None
    ) -> None:
        websocket._conclude(error)
        websocket.wait_closed(self._request.limits.close_timeout + _MARGIN)
        over.wait(self._request.limits.close_timeout + _MARGIN)


def connect(url: str, **options: Unpack[ConnectOptions]) -> Connecting:
    """Open a WebSocket to a server.

        with connect("wss://example.com/ws") as ws:      # closed at the end of the block
            ws.send("hello")
            print(ws.receive())

        ws = connect("wss://example.com/ws").open()      # closed by whoever opened it

        for ws in connect("wss://example.com/ws"):       # opened again when it is lost
            for message in ws:
                print(message)

    Args:
        url: ``ws://`` or ``wss://``; a user and password in it become an ``Authorization`` header.
        options: See ``ConnectOptions``; they are those of the asyncio client's ``connect``.

    Returns:
        What to enter, to loop over or to ``open``; each opens a ``SyncWebSocket``.

    Raises:
        TypeError, ValueError, LocalProtocolError: At once, if the URL or an option makes no sense.
        HandshakeError, OSError, TimeoutError, InvalidResponse, RedirectError, ProxyError: When it
            is opened, as for the asyncio client's ``connect``.
    """
    return Connecting(url, options)
