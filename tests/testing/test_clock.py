"""A clock that is turned, deadlines that are kept exactly, and a loop that goes with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fasterapi.testing.clock import Clock, ClockedLoop, ManualTimers, turn


class Alarm:
    """Something with deadlines, which notes when it is looked at."""

    bucket: int | None = None

    def __init__(self, clock: Clock, *deadlines: float | None) -> None:
        self.clock = clock
        self.deadlines = list(deadlines)
        self.looks: list[float] = []

    def on_timer(self, now: float) -> float | None:
        self.looks.append(now)
        return self.deadlines.pop(0) if self.deadlines else None


async def nothing() -> None:
    """Settle at once."""


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=ClockedLoop) as runner:
        runner.run(scenario())


def test_deadlines_are_met_exactly_and_in_order() -> None:
    async def scenario() -> None:
        clock = Clock()
        timers = ManualTimers(asyncio.get_running_loop(), clock)
        first, second = Alarm(clock, 1003.25), Alarm(clock)
        timers.schedule(first, 1001.0)
        timers.schedule(second, 1002.0)
        timers.schedule(second, 1004.0)  # it is looked at no later than it wanted first
        timers.schedule(second, None)
        assert timers.next() == 1001.0
        await turn(clock, timers, 0.5, nothing)
        assert (clock(), first.looks) == (1000.5, [])
        await turn(clock, timers, 2.75, nothing)
        assert (clock(), first.looks, second.looks) == (1003.25, [1001.0, 1003.25], [1002.0])
        assert timers.next() is None

    asyncio.run(scenario())


def test_who_is_cancelled_is_not_looked_at() -> None:
    async def scenario() -> None:
        clock = Clock()
        timers = ManualTimers(asyncio.get_running_loop(), clock)
        alarms = [Alarm(clock) for _ in range(3)]
        for alarm in alarms:
            timers.schedule(alarm, 1001.0)
        alarms[0].on_timer = lambda now: timers.cancel(alarms[1])  # type: ignore[method-assign]
        timers.cancel(alarms[2])
        timers.cancel(alarms[2])
        await turn(clock, timers, 1, nothing)
        assert [alarm.looks for alarm in alarms] == [[], [], []]
        timers.schedule(alarms[0], 1002.0)
        timers.close()
        assert timers.next() is None

    asyncio.run(scenario())


def test_a_deadline_that_stays_in_the_past_ends_nothing() -> None:
    async def scenario() -> None:
        clock = Clock()
        timers = ManualTimers(asyncio.get_running_loop(), clock)
        alarm = Alarm(clock, *[999.0] * 1000)
        timers.schedule(alarm, 999.0)
        await turn(clock, timers, 1, nothing)
        assert 15 < len(alarm.looks) < 25  # as often as a real server's timer would
        assert clock() == 1001.0

    asyncio.run(scenario())


def test_time_does_not_go_back() -> None:
    async def scenario() -> None:
        clock = Clock()
        timers = ManualTimers(asyncio.get_running_loop(), clock)
        for seconds in (-1, float("nan")):
            with pytest.raises(ValueError, match="time goes forward only"):
                await turn(clock, timers, seconds, nothing)

    asyncio.run(scenario())


def test_what_sleeps_wakes_up_in_order() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        clock, woken = Clock(), list[str]()
        timers = ManualTimers(loop, clock)

        async def settle() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        async def every(seconds: float, name: str) -> None:
            while True:
                await asyncio.sleep(seconds)
                woken.append(name)

        tasks = [asyncio.create_task(every(20, "a")), asyncio.create_task(every(33, "b"))]
        cancelled = loop.call_later(10, woken.append, "never")
        await asyncio.sleep(0)
        cancelled.cancel()
        await turn(clock, timers, 70, settle)
        assert woken == ["a", "b", "a", "a", "b"]
        assert clock() == 1070.0
        for task in tasks:
            task.cancel()
        await settle()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                waiting = asyncio.create_task(turn(clock, timers, 60, settle))
                await asyncio.Event().wait()
        await waiting

    run(scenario)


def test_a_loop_says_when_its_next_timer_is_due() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ClockedLoop)
        handle = loop.call_later(1000, list)
        loop.call_later(2000, list)
        before = loop.next_timer()
        assert before is not None
        assert 900 < before <= 1000
        handle.cancel()
        loop.skip(5000)
        await asyncio.sleep(0)
        assert loop.next_timer() is None

    with asyncio.Runner(loop_factory=ClockedLoop) as runner:
        runner.run(scenario())


def test_one_that_fails_does_not_cost_the_others_their_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        clock = Clock()
        timers = ManualTimers(asyncio.get_running_loop(), clock)
        bad, good = Alarm(clock), Alarm(clock)

        def fail(now: float) -> None:
            raise KeyError("bad")

        bad.on_timer = fail  # type: ignore[method-assign]
        timers.schedule(bad, 1001.0)
        timers.schedule(good, 1001.0)
        await turn(clock, timers, 1, nothing)
        assert good.looks == [1001.0]

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "a deadline of" in caplog.text
