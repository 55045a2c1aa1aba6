"""``Server``: sockets to connections, an ``App`` to answer, and an orderly end.

It listens, admits connections up to a limit, and at the end says goodbye to each: an event stream
ends, a WebSocket gets Close 1001, a handler that takes longer than the grace is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from ..app.log import log_fault
from ..app.log import server as log
from ..app.serving import ServerOptions, check_options
from ..sync.listening import ServerBase, client_name, set_tcp_options
from .acceptor import Acceptor
from .channel import Channel
from .host import AppHost
from .http import HTTPProtocol

if TYPE_CHECKING:
    from ..app import App
    from .h2 import NegotiatingProtocol
    from .handlers import Call

__all__ = ["Server", "serve"]


class Server(ServerBase, AppHost):
    """Serves an ``App`` in the running event loop; use it with ``async with``.

    Args:
        app: The application.
        host, port, uds, sock, ssl_certfile, ssl_keyfile, ssl_context, http2, access_log, grace,
            backlog, clock: See ``ServerBase``.

    Raises:
        ImportError: If ``http2`` is true and h2 is not installed.
        ValueError: If there is a key without a certificate.

    Attributes:
        calls: Handlers at work.
        connections: Open connections.
        done: An awaitable that is over already: to await it takes no turn of the loop.
        gathers: Whether ``writelines`` of the loop's transports is to be used for long payloads.
    """

    def _choose_http(self, http2: bool | None, *, given: bool) -> None:
        tls = self._ssl
        self._negotiating = _negotiating(http2, tls is not None)
        if tls is not None and (http2 or (self._negotiating and not given)):
            tls.set_alpn_protocols(["h2", "http/1.1"])

    def _set_up(self, app: App, access_log: bool, clock: Callable[[], float]) -> None:
        AppHost.__init__(self, app, access_log=access_log, clock=clock)
        self._listener: asyncio.Server | None = None
        self._acceptor: Acceptor | None = None
        self._lifespan = contextlib.AsyncExitStack()
        self._idle: asyncio.Event | None = None

    # --------------------------------------------------------------------------- start, stop

    async def start(self) -> None:
        """Run the app's start-up and begin to listen.

        Raises:
            OSError: If the address can't be listened on.
        """
        self.use(asyncio.get_running_loop())
        await self._lifespan.enter_async_context(self.app.lifespan_context())
        try:
            self._listener = await self._listen()
        except BaseException:
            await self._lifespan.aclose()
            raise

    async def stop(self, grace: float | None = None) -> None:
        """Stop listening, end every connection, and run the app's shutdown.

        Args:
            grace: Seconds until handlers are cancelled and connections cut; by default the
                server's.
        """
        if self.stopping:
            return
        self.stopping = True
        self._idle = asyncio.Event()
        self._close_listener()
        try:
            for channel in list(self.connections):
                channel.stop()
            await self._wait_idle(self._grace if grace is None else grace)
            await self._cut()
        finally:
            self.timers.close()
            self.pool.close()
            await self._lifespan.aclose()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    @property
    def sockets(self) -> list[Any]:
        """The listening sockets."""
        return list(self._listener.sockets) if self._listener is not None else []

    # ------------------------------------------------------------------------ for connections

    def forget(self, channel: Channel) -> None:
        """Note that a connection is gone."""
        super().forget(channel)
        self._check_idle()

    def finished(self, call: Call) -> None:
        """Note that a handler has ended."""
        super().finished(call)
        self._check_idle()

    # ------------------------------------------------------------------------------ the rest

    async def _listen(self) -> asyncio.Server:
        own = isinstance(self.loop, asyncio.SelectorEventLoop)
        options = {**self._connection_options(), "backlog": self._backlog, "start_serving": not own}
        unix = self._uds is not None or (
            self._sock is not None and self._sock.family == socket.AF_UNIX
        )
        if unix:
            listener = await self.loop.create_unix_server(
                self._protocol, self._uds, sock=self._sock, **options
            )
        elif self._sock is not None:
            listener = await self.loop.create_server(self._protocol, sock=self._sock, **options)
        else:
            listener = await self.loop.create_server(
                self._protocol, self._host, self._port, **options
            )
        for sock in listener.sockets:
            set_tcp_options(sock, self.app.limits.write_timeout)
        if own:
            sockets = [sock.dup() for sock in listener.sockets]
            for sock in sockets:
                sock.listen(self._backlog)
            self._acceptor = Acceptor(self.loop, sockets, self._connect)
        self._note_file()
        return listener

    def _close_listener(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
        if self._listener is not None:
            self._listener.close()
        self._remove_file()  # not every version of asyncio does

    def _protocol(self) -> HTTPProtocol:
        return (self._negotiating or HTTPProtocol)(self)

    def _connection_options(self) -> dict[str, Any]:
        if self._ssl is None:
            return {}
        return {
            "ssl": self._ssl,
            "ssl_handshake_timeout": self.app.limits.handshake_timeout,
            "ssl_shutdown_timeout": self.app.limits.close_timeout,
        }

    async def _connect(self, sock: socket.socket) -> None:
        """Serve a connection that was accepted; with TLS, when its handshake is done."""
        client = ""
        try:
            client = client_name(sock.getpeername())
            await self.loop.connect_accepted_socket(
                self._protocol, sock, **self._connection_options()
            )
        except OSError as error:  # ssl.SSLError and every timeout are of this kind
            sock.close()
            what = "TLS handshake" if self._ssl is not None else "connection"
            log_fault(client, f"{what} failed: {error}")

    def _check_idle(self) -> None:
        if self._idle is not None and not self.connections and not self.calls:
            self._idle.set()

    async def _wait_idle(self, seconds: float) -> None:
        assert self._idle is not None
        self._check_idle()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    async def _cut(self) -> None:
        """Cancel handlers and cut connections that have outstayed the grace."""
        if self.calls or self.connections:
            log.warning(
                "grace over: cutting %d connections, cancelling %d handlers",
                len(self.connections),
                len(self.calls),
            )
        tasks = [call.task for call in self.calls if call.task is not None]
        for call in list(self.calls):
            call.cancel()
        for channel in list(self.connections):
            channel.transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        await asyncio.sleep(0)  # aborted transports report their end in the next turn


def serve(app: App, **options: Unpack[ServerOptions]) -> Server:
    """Make a server for the running event loop, to be used with ``async with``.

    Args:
        app: The application.
        options: See ``ServerOptions``: ``host``, ``port``, ``uds``, ``sock``, ``ssl_certfile``,
            ``ssl_keyfile``, ``ssl_context``, ``http2``, ``access_log``, ``grace``, ``backlog``,
            ``clock``.

    Raises:
        ImportError: If ``http2`` is true and h2 is not installed.
        TypeError: If there is no such option.
        ValueError: If there is a key without a certificate.
    """
    check_options("serve", options, ServerOptions)
    return Server(app, **options)


def _negotiating(wish: bool | None, tls: bool) -> type[NegotiatingProtocol] | None:
    """Give the protocol that finds out whether a client speaks HTTP/2; ``None`` if none may.

    Raises:
        ImportError: If HTTP/2 is insisted on, and h2 is not installed.
    """
    if not (tls if wish is None else wish):
        return None
    try:
        from .h2 import NegotiatingProtocol
    except ModuleNotFoundError as error:
        if error.name != "h2":
            raise
        if not wish:
            return None
        text = "HTTP/2 needs h2, which is not installed: pip install 'fasterapi[http2]'"
        raise ImportError(text) from None
    return NegotiatingProtocol
