"""Time that stands still until a test turns it, for a server and for an event loop.

A ``Clock`` is what a server in memory takes for the time. ``ManualTimers`` keeps the deadlines of
its connections to the microsecond, and looks at one when the clock is there. A ``ClockedLoop`` goes
with the clock: what sleeps in it wakes up when the clock is turned, in the right order.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, TypeVarTuple

from ..aio.timers import RESOLUTION, Timed, Timers

__all__ = ["Clock", "ClockedLoop", "ManualTimers", "turn"]

Args = TypeVarTuple("Args")

if TYPE_CHECKING or sys.platform != "win32":
    _EventLoop = asyncio.SelectorEventLoop
else:
    _EventLoop = asyncio.ProactorEventLoop


class Clock:
    """Seconds that pass when they are told to.

    Call it for the time. It begins at 1,000, so that nothing takes it for a date.
    """

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time, in seconds."""
        return self.now


class ManualTimers(Timers):
    """The deadlines of a server's connections, on a clock that a test turns; see ``Timers``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        super().__init__(loop, clock)
        self._exact: dict[Timed, float] = {}

    def schedule(self, owner: Timed, deadline: float | None) -> None:
        """Have ``owner`` looked at when ``deadline`` has come, or earlier."""
        if deadline is not None:
            self._exact[owner] = min(deadline, self._exact.get(owner, deadline))

    def cancel(self, owner: Timed) -> None:
        """Forget ``owner``."""
        self._exact.pop(owner, None)

    def clear(self) -> None:
        """Forget everything."""
        self._exact.clear()

    def next(self) -> float | None:
        """Tell when somebody is to be looked at, in seconds of the clock."""
        return min(self._exact.values(), default=None)

    def walk(self, now: float) -> None:
        """Look at everybody whose time has come."""
        for owner in [owner for owner, due in self._exact.items() if due <= now]:
            if self._exact.pop(owner, None) is not None:
                self._look_at(owner, now)


class ClockedLoop(_EventLoop):
    """asyncio's own event loop, whose time can be turned on.

    Time passes as in any loop, and ``skip`` adds to it. Use it as a ``loop_factory`` to have the
    clock of an ``AsyncTestClient`` wake what sleeps.
    """

    _skipped = 0.0

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()

    def time(self) -> float:
        """Give the time, in seconds."""
        return super().time() + self._skipped

    def skip(self, seconds: float) -> None:
        """Have so many seconds passed."""
        self._skipped += seconds

    def next_timer(self) -> float | None:
        """Give the seconds until the next timer is due; ``None`` if there is none."""
        now, timers = self.time(), self._timers
        while timers and (timers[0][2].cancelled() or timers[0][0] <= now):
            heappop(timers)
        return timers[0][0] - now if timers else None

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a time; see ``asyncio.loop.call_at``."""
        handle = super().call_at(when, callback, *args, context=context)
        self.next_timer()  # which forgets those that are over
        heappush(self._timers, (when, next(self._numbers), handle))
        return handle


async def turn(
    clock: Clock,
    timers: ManualTimers,
    seconds: float,
    settle: Callable[[], Awaitable[None]],
) -> None:
    """Turn a clock on, from one deadline to the next, and let each have its effect.

    Args:
        clock: The server's.
        timers: The server's.
        seconds: How far.
        settle: Lets the loop turn until nothing happens any more.

    Raises:
        ValueError: If time would go back.
    """
    if not seconds >= 0:
        raise ValueError(f"time goes forward only, not by {seconds!r} seconds")
    loop = asyncio.get_running_loop()
    clocked = loop if isinstance(loop, ClockedLoop) else None

    def move(to: float) -> None:
        if clocked is not None:
            clocked.skip(to - clock.now)
        clock.now = to

    end = clock.now + seconds
    least = clock.now
    while True:
        pause = clocked.next_timer() if clocked is not None else None
        due = [timers.next(), None if pause is None else clock.now + pause]
        stop = max(least, min((time for time in due if time is not None), default=end))
        if stop >= end:
            break
        # A deadline that stays in the past is looked at as often as a real server would.
        least = stop + (RESOLUTION if stop == least else 0.0)
        move(stop)
        timers.walk(clock.now)
        await settle()
    move(end)
    timers.walk(clock.now)
    await settle()
