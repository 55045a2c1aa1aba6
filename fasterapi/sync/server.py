"""``Server``: sockets to connections, an ``App`` to answer, a thread for each, and an orderly end.

It accepts connections in its watcher's thread and gives each to a thread of a bounded pool; at the
end it says goodbye to each: an event stream ends, a WebSocket gets Close 1001, whoever takes longer
than the grace is cut off.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from ..app.calls import refuse
from ..app.log import server as log
from ..app.responses import busy_response
from ..app.serving import ServerOptions, check_options
from ..limits import MAX_REFUSED
from ..protocol.http import Response
from .attended import Attended
from .connection import Connection
from .listener import Listener
from .listening import DateField, ServerBase, client_name, set_tcp_options
from .styles import check_app
from .threads import ThreadPool
from .watcher import Watcher

if TYPE_CHECKING:
    from ..app import App

__all__ = ["Server", "serve"]

_LAST_MOMENT = 1.0
"""Seconds in which handlers whose connections were cut may notice it."""


class Server(ServerBase):
    """Serves an ``App`` with threads; use it with ``with``.

    Args:
        app: The application. Its routes and its lifespan are plain functions.
        host, port, uds, sock, ssl_certfile, ssl_keyfile, ssl_context, http2, access_log, grace,
            backlog, clock: See ``ServerBase``.

    Attributes:
        app, access_log, clock: As given.
        connections: Open connections.
        context: Context variables as they were at the start; handlers get a copy.
        default_headers: Gives the header fields of every response.
        pool: The threads.
        stopping: Whether the server is shutting down.
        watcher: Looks after connections, from the start on.
        working: Connections whose threads are at work.

    Raises:
        TypeError: If a route needs an event loop.
        ValueError: If there is a key without a certificate, or ``http2`` is true.
    """

    watcher: Watcher

    def _choose_http(self, http2: bool | None, *, given: bool) -> None:
        if http2:
            raise ValueError(
                "the blocking server speaks HTTP/1.1 only; leave http2 out, or run the app with "
                "the asyncio server"
            )

    def _set_up(self, app: App, access_log: bool, clock: Callable[[], float]) -> None:
        check_app(app)
        self.app = app
        self.access_log = access_log
        self.clock = clock
        self.stopping = False
        self.default_headers = DateField()
        self.pool = ThreadPool(app.limits.max_threads)
        self.context = copy_context()
        self.connections: set[Attended] = set()
        self.working: set[Connection] = set()
        self._refused: set[Attended] = set()  # and are being told so
        self._changed = threading.Condition()
        self._listeners: list[Listener] = []
        self._lifespan = contextlib.ExitStack()

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context for TLS, if that is spoken."""
        return self._ssl

    # --------------------------------------------------------------------------- start, stop

    def start(self) -> None:
        """Run the app's start-up and begin to listen; returns at once.

        Raises:
            OSError: If the address can't be listened on.
            TypeError: If the app's lifespan, or a route, needs an event loop.
        """
        self.watcher = Watcher(self.clock)
        try:
            check_app(self.app)
            self._lifespan.enter_context(self.app.sync_lifespan_context())
            sockets = self._bind()
        except BaseException:
            self._lifespan.close()
            self.watcher.close()
            raise
        self._listeners = [
            Listener(sock, self.watcher, self.clock, self._accept) for sock in sockets
        ]
        self._note_file()

    def stop(self, grace: float | None = None) -> None:
        """Stop listening, end every connection, and run the app's shutdown.

        Args:
            grace: Seconds until connections are cut; by default the server's.
        """
        if self.stopping or not self._listeners:
            return
        self.stopping = True
        for listener in self._listeners:
            listener.close(_LAST_MOMENT)
        self._remove_file()
        try:
            for connection in self._snapshot():
                try:
                    connection.stop()
                except Exception as error:  # noqa: BLE001  # the others are told all the same
                    log.error("%s was not told of the end", connection.client, exc_info=error)
            self._wait_idle(self._grace if grace is None else grace)
            self._cut()
        finally:
            self.watcher.close()
            for connection in [*self._snapshot(), *self._refused]:
                connection.release()
            self.pool.close()
            self._lifespan.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def sockets(self) -> list[Any]:
        """The listening sockets."""
        return [listener.sock for listener in self._listeners]

    # ------------------------------------------------------------------------ for connections

    def forget(self, connection: Attended) -> None:
        """Note that a connection is gone."""
        with self._changed:
            self.connections.discard(connection)
            self._refused.discard(connection)
            self._changed.notify_all()

    def finished(self, connection: Connection) -> None:
        """Note that a connection's thread has done its work."""
        with self._changed:
            self.working.discard(connection)
            self._changed.notify_all()

    # ------------------------------------------------------------------------------ the rest

    def _bind(self) -> list[socket.socket]:
        """Give sockets that listen."""
        if self._sock is not None:
            sockets = [self._sock]
        elif self._uds is not None:
            sockets = [_bind_unix(self._uds)]
        else:
            sockets = _bind_tcp(self._host, self._port)
        try:
            for sock in sockets:
                set_tcp_options(sock, self.app.limits.write_timeout)
                sock.listen(self._backlog)
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return sockets

    def _accept(self, sock: socket.socket) -> None:
        """Give a connection to a thread, or refuse it; in the watcher's thread."""
        try:
            client = client_name(sock.getpeername())
            connection = Connection(self, sock, client)
        except OSError:  # it is gone already
            sock.close()
            return
        limits = self.app.limits
        if self.stopping:
            self._refuse(connection, busy_response("shutting down"))
            return
        if len(self.connections) >= limits.max_connections:
            limit = limits.max_connections
            response = refuse(client, "too many connections", "max_connections", limit)
            self._refuse(connection, response)
            return
        with self._changed:
            self.connections.add(connection)
            self.working.add(connection)
        if not self.pool.submit(connection.serve):
            self.forget(connection)
            self.finished(connection)
            size = self.pool.size
            self._refuse(connection, refuse(client, "all threads are busy", "max_threads", size))

    def _refuse(self, connection: Connection, response: Response) -> None:
        """Say why there is no service, unless too many are being told; in the watcher's thread."""
        if len(self._refused) >= MAX_REFUSED:
            connection.release()
            return
        self._refused.add(connection)
        connection.refuse(response)

    def _snapshot(self) -> list[Attended]:
        with self._changed:
            return list(self.connections)

    def _wait_idle(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self.connections and not self.working, seconds)

    def _cut(self) -> None:
        """Cut connections that have outstayed the grace; their handlers can't be ended."""
        with self._changed:
            left, handlers = len(self.connections), len(self.working)
        if left or handlers:
            log.warning("grace over: cutting %d connections, %d handlers at work", left, handlers)
            for connection in self._snapshot():
                connection.cut()
            self._wait_idle(_LAST_MOMENT)


def serve(app: App, **options: Unpack[ServerOptions]) -> Server:
    """Make a server of threads, to be used with ``with``.

    Args:
        app: The application.
        options: See ``ServerOptions``: ``host``, ``port``, ``uds``, ``sock``, ``ssl_certfile``,
            ``ssl_keyfile``, ``ssl_context``, ``http2``, ``access_log``, ``grace``, ``backlog``,
            ``clock``.

    Raises:
        TypeError: If there is no such option, or a route needs an event loop.
        ValueError: If there is a key without a certificate, or ``http2`` is true.
    """
    check_options("serve", options, ServerOptions)
    return Server(app, **options)


def _bind_unix(path: str) -> socket.socket:
    """Bind a unix socket; the file of one that was there before gives way, as in ``asyncio``."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        if Path(path).is_socket():
            Path(path).unlink()
        sock.bind(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_tcp(host: str | None, port: int) -> list[socket.socket]:
    """Bind every address of a name; to one port for all, if the system chooses it.

    An address that this machine does not have is passed over, if there is another: where IPv6 is
    switched off, ``localhost`` is ``::1`` all the same.
    """
    flags = socket.AI_PASSIVE
    found = list(
        dict.fromkeys(socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags))
    )
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                sock.bind((address[0], port, *address[2:]))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or len(found) == 1:
                    raise
                sockets.pop().close()
                continue
            port = sock.getsockname()[1]
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL), None)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets
