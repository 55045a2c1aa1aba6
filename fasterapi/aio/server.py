"""``Server``: sockets to connections, an ``App`` to answer, and an orderly end.

It listens, admits connections up to a limit, and at the end says goodbye to each: an event stream
ends, a WebSocket gets Close 1001, a handler that takes longer than the grace is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..app.log import log_fault
from ..app.log import server as log
from .acceptor import Acceptor
from .channel import Channel
from .host import AppHost
from .http import HTTPProtocol, client_name

if TYPE_CHECKING:
    from ..app import App
    from .handlers import Call

__all__ = ["Server", "serve"]

_KEEPALIVE_OPTIONS = {
    # Without pings, TCP itself has to notice that the client of an event stream has vanished.
    "TCP_KEEPIDLE": 15,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 2,
}


class Server(AppHost):
    """Serves an ``App`` in the running event loop; use it with ``async with``.

    Args:
        app: The application.
        host: Address or name to listen on; ``None``: all addresses.
        port: TCP port; 0 lets the system choose.
        uds: Path of a unix socket to listen on, instead of host and port.
        sock: A bound socket to listen on, instead of either.
        ssl_certfile, ssl_keyfile: Certificate chain and key in PEM files, for TLS.
        ssl_context: A ready context instead.
        access_log: Whether requests are logged.
        grace: Seconds that handlers have when the server stops.
        backlog: Connections that may wait to be accepted.
        clock: The time in seconds; for tests.

    Attributes:
        app: As given.
        calls: Handlers at work.
        connections: Open connections.
        done: An awaitable that is over already: to await it takes no turn of the loop.
        gathers: Whether ``writelines`` of the loop's transports is to be used for long payloads.
        stopping: Whether the server is shutting down.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str | None = "127.0.0.1",
        port: int = 8000,
        uds: str | None = None,
        sock: socket.socket | None = None,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        access_log: bool = True,
        grace: float = 5.0,
        backlog: int = 2048,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(app, access_log=access_log, clock=clock)
        self._host, self._port, self._uds, self._sock = host, port, uds, sock
        self._ssl = ssl_context or _ssl_context(ssl_certfile, ssl_keyfile)
        self._grace = grace
        self._backlog = backlog
        self._uds_file: tuple[int, int] | None = None
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

    @property
    def port(self) -> int:
        """The TCP port listened on."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where a browser finds the server; ``unix:`` and the path for a unix socket."""
        address = self.sockets[0].getsockname()
        if not isinstance(address, tuple):
            return f"unix:{address}"
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{'https' if self._ssl else 'http'}://{host}:{address[1]}"

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
            _set_tcp_options(sock, self.app.limits.write_timeout)
        if own:
            sockets = [sock.dup() for sock in listener.sockets]
            for sock in sockets:
                sock.listen(self._backlog)
            self._acceptor = Acceptor(self.loop, sockets, self._connect)
        self._uds_file = _file_id(self._uds)
        return listener

    def _close_listener(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
        if self._listener is not None:
            self._listener.close()
        # Not every version of asyncio removes the file; another server may have put its own there.
        if self._uds is not None and self._uds_file == _file_id(self._uds) is not None:
            Path(self._uds).unlink(missing_ok=True)

    def _protocol(self) -> HTTPProtocol:
        return HTTPProtocol(self)

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


def serve(app: App, **options: Any) -> Server:
    """Make a server for the running event loop, to be used with ``async with``.

    Args:
        app: The application.
        options: As for ``Server``.
    """
    return Server(app, **options)


def _file_id(path: str | None) -> tuple[int, int] | None:
    """Tell one file from another of the same name; ``None`` if there is none."""
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _ssl_context(certfile: str | None, keyfile: str | None) -> ssl.SSLContext | None:
    if certfile is None:
        if keyfile is not None:
            raise ValueError("ssl_keyfile needs ssl_certfile beside it")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certfile, keyfile)
    return context


def _set_tcp_options(listener: Any, write_timeout: float) -> None:
    """Set options on a listening socket; every connection that it accepts inherits them."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    options = dict(_KEEPALIVE_OPTIONS, TCP_USER_TIMEOUT=int(write_timeout * 1000))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in options.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
