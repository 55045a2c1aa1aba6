"""``Host``: an app at work in memory, as all connections of a test client share it.

It starts and stops the app, carries exchanges, waits, and keeps what has gone wrong on the server
until somebody raises it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .clock import turn
from .http import Exchange
from .server import MemoryServer, Wire
from .waiting import Watch, describe_call, describe_task

if TYPE_CHECKING:
    from ..app import App

__all__ = ["Host", "LeftBehind"]

_QUIET_TURNS = 12
"""Turns of the loop without a byte or a handler's end, after which nothing is under way."""
_MOST_TURNS = 2000
_CUT = 2.0
"""Seconds that a shutdown may take beyond the grace, for handlers that are being cancelled."""
_POOLS = ("fasterapi-", "asyncio_", "ThreadPoolExecutor-")
"""How the threads are called that wait for the next job of a pool, and end by themselves."""


class LeftBehind(AssertionError):
    """Tasks, threads or handlers of the app are still there after its shutdown."""


class Host:
    """The app, its server, and its connections.

    Args:
        app: The application.
        extra: What the server knows of each connection; see ``Wire``.
        timeout: Seconds of real time that anything may take.
        grace: Seconds of real time that handlers have when their client has left, and at the end.
        raises: Whether what handlers raise is raised here.
        checks: Whether to report what the app leaves behind.

    Attributes:
        server: The server.
        watch: Waits.
        grace: As given.
    """

    def __init__(
        self,
        app: App,
        extra: dict[str, Any],
        *,
        timeout: float,
        grace: float,
        raises: bool,
        checks: bool,
    ) -> None:
        self.grace = grace
        self.watch = Watch(timeout)
        self.server = MemoryServer(app, self._changed, grace=grace)
        self._extra = extra
        self._raises, self._checks = raises, checks
        self._activity = 0
        self._wires: list[Wire] = []
        self._life: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    # ---------------------------------------------------------------------------- start, stop

    async def start(self) -> None:
        """Run the app's start-up.

        Raises:
            RuntimeError: If it has been started before.
            TimeoutError: If it takes too long.
            Exception: What its lifespan raised.
        """
        if self._life is not None:
            raise RuntimeError("a test client is entered once; make another")
        loop = asyncio.get_running_loop()
        self._tasks = asyncio.all_tasks()
        self._threads = set(threading.enumerate())
        self._handler = loop.get_exception_handler()
        loop.set_exception_handler(self._take_exception)
        started: asyncio.Future[None] = loop.create_future()
        # In a task of its own: a lifespan may hold what is to be left in the task that entered it.
        self._life = loop.create_task(self._live(started), name="the app's lifespan")
        self._life.add_done_callback(lambda _: self._changed())
        started.add_done_callback(lambda _: self._changed())
        try:
            await self._wait_life(started.done, "start-up", self.watch.timeout)
            if not started.done():
                await self._life  # for what it has raised
        finally:
            if not started.done():
                loop.set_exception_handler(self._handler)

    async def stop(self, error: BaseException | None) -> None:
        """End every connection and run the app's shutdown.

        Args:
            error: What the test has failed with; it goes first, and nothing else is raised.

        Raises:
            Exception: What handlers and the lifespan raised.
            LeftBehind: If tasks or threads of the app's are still there.
        """
        assert self._life is not None
        for wire in self._wires:
            wire.drop()
        self._leave.set()
        failure: BaseException | None = None
        try:
            seconds = self.watch.timeout + self.grace + _CUT
            await self._wait_life(self._life.done, "shutdown", seconds)
            failure = self._life.exception()
        except TimeoutError as late:
            failure = late
        left = await self._left_behind() if self._checks else []
        asyncio.get_running_loop().set_exception_handler(self._handler)
        crashes = list(self.server.crashes) if self._raises else []
        crashes += [failure] if failure is not None else []
        if error is not None:
            for crash in crashes:
                error.add_note(f"and on the server: {crash!r}")
        elif len(crashes) == 1:
            raise crashes[0]
        elif crashes:
            raise BaseExceptionGroup("raised on the server", crashes)
        elif left:
            raise LeftBehind("the app has left behind: " + "; ".join(left))

    async def _live(self, started: asyncio.Future[None]) -> None:
        async with self.server:
            started.set_result(None)
            await self._leave.wait()

    async def _wait_life(self, done: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for the start-up or the shutdown; end what takes too long."""
        life = self._life
        assert life is not None
        try:
            await self.watch.wait(
                lambda: done() or life.done(),
                seconds,
                f"end of the app's {what}",
                lambda: describe_task(life),
            )
        except TimeoutError:
            life.cancel()
            await self.settle()
            raise

    async def _left_behind(self) -> list[str]:
        """Name what is still there after the shutdown."""
        with suppress(TimeoutError):  # of those that are reported
            await self.watch.wait(lambda: not self.server.calls, None, "end", str)
        await self.settle()
        calls = [describe_call(call) for call in self.server.calls]
        tasks = [
            f"the task {task.get_name()!r} of {_name_of(task)}"
            for task in asyncio.all_tasks() - self._tasks
            if task is not asyncio.current_task()
        ]
        threads = [
            f"the thread {thread.name!r}"
            for thread in set(threading.enumerate()) - self._threads
            if not thread.name.startswith(_POOLS)
        ]
        return [*calls, *tasks, *threads]

    # ----------------------------------------------------------------------------- connections

    def connect(self) -> Wire:
        """Open a connection.

        Raises:
            RuntimeError: If the app is not at work.
        """
        if self._life is None or self._life.done():
            raise RuntimeError("the app is not at work: use the client in its 'with' block")
        wire = Wire(self.server, **self._extra)
        self._wires = [other for other in self._wires if not other.lost]
        self._wires.append(wire)
        return wire

    async def perform(
        self, wire: Wire, exchange: Exchange, name: str, timeout: float | None
    ) -> None:
        """Carry an exchange to its end: the whole response is there, or the WebSocket begins.

        Raises:
            TimeoutError: If it is not, in time.
            ConnectionError: If the connection ended before.
            Exception: What the handler raised.
        """
        faults: list[BaseException] = []
        over = asyncio.Event()

        def take(data: bytes) -> None:
            try:
                exchange.feed(data)
            except Exception as error:  # noqa: BLE001  # raised below
                faults.append(error)

        def so_far() -> str:
            return f"{exchange.head or 'nothing'}; {describe_call(wire.call)}"

        wire.on_data, wire.on_end = take, over.set
        wire.send(exchange.data)
        await self.watch.wait(
            lambda: exchange.complete or faults or over.is_set(),
            timeout,
            f"response to {name}",
            so_far,
            check=lambda: self.raise_crash(wire),
        )
        if exchange.rest is not None:
            # From then on its deadlines count: they begin when a thread has said that it accepts.
            await self.watch.wait(lambda: not wire.is_http, timeout, f"start of {name}", so_far)
        else:
            with suppress(TimeoutError):  # it may go on, behind its answer or without its client
                seconds = self.grace if timeout is None else min(timeout, self.grace)
                await self.watch.wait(lambda: wire.call is None, seconds, f"end of {name}", so_far)
            self.raise_crash()
            wire.close()
            await self.settle()
        if faults:
            raise faults[0]
        if not exchange.complete:
            raise ConnectionError(f"the connection ended in the middle of the answer to {name}")

    # --------------------------------------------------------------------------------- waiting

    async def wait_until(
        self, condition: Callable[[], object], timeout: float | None, what: str
    ) -> None:
        """Wait for what no connection shows; see ``AsyncTestClient.wait_until``."""
        await self.watch.wait(
            condition,
            timeout,
            what,
            lambda: "; ".join(map(describe_call, self.server.calls)) or "no handler is at work",
            check=self.raise_crash,
            poll=True,
        )

    async def settle(self) -> None:
        """Let the loop turn until nothing is under way any more, or for 2,000 turns.

        A handler that is on its way from one ``await`` to the next counts, where the loop tells:
        asyncio's own keeps a list of what it is about to call.
        """
        quiet = 0
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_TURNS):
            before = self._activity
            await asyncio.sleep(0)
            busy = before != self._activity or bool(getattr(loop, "_ready", ()))
            quiet = 0 if busy else quiet + 1
            if quiet == _QUIET_TURNS:
                break

    async def advance(self, seconds: float) -> None:
        """Turn the clock; see ``AsyncTestClock.advance``."""
        await self.settle()
        await turn(self.server.time, self.server.timers, seconds, self.settle)
        self.raise_crash()

    def next_deadline(self) -> str:
        """Word when the clock has something to do, for an error."""
        deadline = self.server.timers.next()
        if deadline is None:
            return ""
        seconds = max(0.0, deadline - self.server.time.now)
        return f"; the server's next deadline is {seconds:g} s away on the clock"

    def raise_crash(self, wire: Wire | None = None) -> None:
        """Raise what a handler raised, each once; what is under way on ``wire`` goes first."""
        if self._raises and self.server.crashes and not (wire and wire.busy):
            raise self.server.crashes.popleft()

    def _changed(self) -> None:
        self._activity += 1
        self.watch.changed()

    def _take_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what a callback or a forgotten task raised, which no handler did."""
        error = context.get("exception")
        if error is not None and not isinstance(error, asyncio.CancelledError):
            error.add_note(f"reported to the event loop: {context['message']}")
            self.server.crashes.append(error)
            self._changed()
        if self._handler is not None:
            self._handler(loop, context)
        else:
            loop.default_exception_handler(context)


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{getattr(coroutine, '__qualname__', coroutine)}()"
