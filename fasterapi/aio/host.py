"""``Host``: what the connections of one event loop share, whoever listens for them.

A ``Host`` has the loop, the time, one timer and the writes at the end of a turn; an ``AppHost``
also runs an app's handlers. The asyncio server is one, and so is what serves inside of another
server (``fasterapi.contrib``). Here is no socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..app.log import log_crash, log_fault
from ..limits import Limits
from ..protocol.http import Request, Response
from ..sync.listening import DateField
from ..sync.threads import ThreadPool
from .handlers import start_call
from .timers import Timers

if TYPE_CHECKING:
    from ..app import App
    from .channel import Channel
    from .handlers import Call
    from .http import HTTPProtocol

__all__ = ["AppHost", "Host"]


class Host:
    """The surroundings of connections; derive from it to answer requests.

    Args:
        limits: What a peer may cost, as long as no route says otherwise.
        access_log: Whether requests are logged.
        clock: The time in seconds.

    Attributes:
        limits, access_log, clock: As given.
        connections: Open connections.
        done: An awaitable that is over already: to await it takes no turn of the loop.
        gathers: Whether ``writelines`` of the loop's transports is to be used for long payloads.
        stopping: Whether the server is shutting down.
    """

    loop: asyncio.AbstractEventLoop
    timers: Timers
    create_future: Callable[[], asyncio.Future[Any]]
    done: asyncio.Future[None]
    gathers: bool

    def __init__(
        self, limits: Limits, *, access_log: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits
        self.access_log = access_log
        self.clock = clock
        self.stopping = False
        self.connections: set[Channel] = set()
        self._corked: list[Channel] = []
        self._date = DateField()

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the loop that everything runs in."""
        self.loop = loop
        self.timers = Timers(loop, self.clock)
        self.create_future = loop.create_future
        self.done = loop.create_future()
        self.done.set_result(None)
        # asyncio's own joins them itself, or forgets to pause us (CVE-2024-12254).
        self.gathers = not isinstance(loop, asyncio.BaseEventLoop)

    @cached_property
    def context(self) -> Context:
        """What runs at a handler's end runs in it: one for all, made when the first one starts."""
        return copy_context()

    # -------------------------------------------------------------------- for a deriving class

    def serve(self, http: HTTPProtocol, request: Request) -> None:
        """Have a request answered, by ``http.respond`` and its like, now or later."""
        raise NotImplementedError

    def fault(self, client: str, fault: str) -> None:
        """Take note of what a peer did wrong, or which limit it met."""
        log_fault(client, fault)

    def crashed(self, request: Request, handler: str, error: BaseException) -> None:
        """Take note of what a handler raised that it should not; called from threads too."""
        log_crash(request, handler, error)

    def default_headers(self) -> list[tuple[str, str]]:
        """Give the header fields of every response."""
        return self._date()

    # ------------------------------------------------------------------------- for connections

    def admit(self, channel: Channel) -> bool:
        """Take a new connection in, unless there are too many."""
        if self.stopping or len(self.connections) >= self.limits.max_connections:
            return False
        self.connections.add(channel)
        return True

    def flush_soon(self, channel: Channel) -> None:
        """Have a connection's writes made at the end of this turn of the loop."""
        if not self._corked:
            self.loop.call_soon(self._flush)
        self._corked.append(channel)

    def _flush(self) -> None:
        corked, self._corked = self._corked, []
        for channel in corked:
            try:
                channel.uncork()
            except Exception as error:  # noqa: BLE001  # one connection's fault is not its neighbours'
                text = "a connection failed while it was written to"
                self.loop.call_exception_handler({"message": text, "exception": error})
                channel.transport.abort()

    def replace(self, old: Channel, new: Channel) -> None:
        """Note that a connection has become a WebSocket."""
        self.connections.discard(old)
        self.connections.add(new)
        if self.stopping:
            self.loop.call_soon(new.stop)  # when it is complete

    def forget(self, channel: Channel) -> None:
        """Note that a connection is gone."""
        self.connections.discard(channel)


class AppHost(Host):
    """The surroundings of connections that an ``App`` answers.

    Args:
        app: The application.
        access_log, clock: As for ``Host``.

    Attributes:
        app: As given.
        calls: Handlers at work.
        pool: The threads of ``def`` handlers.
    """

    def __init__(
        self, app: App, *, access_log: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(app.limits, access_log=access_log, clock=clock)
        self.app = app
        self.calls: set[Call] = set()
        self.pool = ThreadPool(app.limits.max_threads)

    def serve(self, http: HTTPProtocol, request: Request) -> None:
        """Find out who answers, and have it answer."""
        answer = self.app.dispatch(request)
        if isinstance(answer, Response):
            http.respond(answer)
        else:
            start_call(http, answer, request)

    def finished(self, call: Call) -> None:
        """Note that a handler has ended."""
        self.calls.discard(call)
