"""One timer for all: when owners are looked at, and what happens if one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fasterapi.aio.timers import RESOLUTION, TURNS, Timers


class Loop:
    """Keeps the calls that it is asked to make later."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.handles: list[Handle] = []
        self.problems: list[dict[str, Any]] = []

    def call_later(self, delay: float, call: Callable[..., None], *args: Any) -> Handle:
        assert delay >= 0
        handle = Handle(self.clock() + delay, partial(call, *args))
        self.handles.append(handle)
        return handle

    def call_soon(self, call: Callable[..., None], *args: Any) -> Handle:
        return self.call_later(0.0, call, *args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)


class Handle:
    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when, self.call = when, call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Owner:
    """Notes when it is looked at, and answers with ``answer``."""

    def __init__(self, world: World, answer: float | None = None) -> None:
        self.bucket: int | None = None
        self.world = world
        self.answer = answer
        self.seen: list[float] = []

    def on_timer(self, now: float) -> float | None:
        self.seen.append(now)
        return self.answer


class World:
    """Time, a loop and the timers."""

    def __init__(self) -> None:
        self.now = 100.0
        self.loop = Loop(lambda: self.now)
        self.timers = Timers(self.loop, lambda: self.now)  # type: ignore[arg-type]

    def go_to(self, when: float) -> None:
        """Let time pass, and make the calls that fall due."""
        while due := [h for h in self.loop.handles if not h.cancelled and h.when <= when + 1e-9]:
            handle = min(due, key=lambda h: h.when)
            self.loop.handles.remove(handle)
            self.now = max(self.now, handle.when)
            handle.call()
        self.now = when

    @property
    def armed(self) -> list[float]:
        return [handle.when for handle in self.loop.handles if not handle.cancelled]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("delay", [0.0, 0.001, RESOLUTION, 0.33, 5.0, 20.0])
def test_an_owner_is_looked_at_after_its_deadline_and_within_a_bucket(
    world: World, delay: float
) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 100.0 + delay)
    world.go_to(130.0)
    (seen,) = owner.seen
    assert 100.0 + delay <= seen + 1e-9 <= 100.0 + delay + RESOLUTION + 2e-9


def test_no_deadline_is_no_look(world: World) -> None:
    world.timers.schedule(Owner(world), None)
    assert world.armed == []


def test_a_deadline_that_moves_away_costs_nothing_until_the_first_is_due(world: World) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 101.0)
    for later in range(1000):
        world.timers.schedule(owner, 101.0 + later)
    assert len(world.loop.handles) == 1
    owner.answer = 110.0
    world.go_to(105.0)
    assert len(owner.seen) == 1
    owner.answer = None
    world.go_to(111.0)
    assert len(owner.seen) == 2


def test_a_deadline_that_comes_closer_is_kept(world: World) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 120.0)
    world.timers.schedule(owner, 101.0)
    world.go_to(102.0)
    assert len(owner.seen) == 1
    world.go_to(130.0)
    assert len(owner.seen) == 1


def test_one_timer_serves_all(world: World) -> None:
    owners = [Owner(world) for _ in range(100)]
    for number, owner in enumerate(owners):
        world.timers.schedule(owner, 101.0 + number % 7)
    assert len(world.armed) == 1
    world.go_to(104.5)
    assert [len(owner.seen) for owner in owners] == [number % 7 < 4 for number in range(100)]
    assert len(world.armed) == 1


def test_a_cancelled_owner_is_left_alone(world: World) -> None:
    owner, other = Owner(world), Owner(world)
    for one in (owner, other):
        world.timers.schedule(one, 101.0)
    world.timers.cancel(owner)
    world.timers.cancel(owner)
    world.go_to(102.0)
    assert (owner.seen, len(other.seen)) == ([], 1)


def test_an_owner_may_be_scheduled_again_after_it_was_cancelled(world: World) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 101.0)
    world.timers.cancel(owner)
    world.timers.schedule(owner, 103.0)
    world.go_to(110.0)
    (seen,) = owner.seen
    assert seen >= 103.0


def test_a_deadline_in_the_past_waits_for_the_next_bucket(world: World) -> None:
    owner = Owner(world, answer=50.0)
    world.timers.schedule(owner, 60.0)
    world.go_to(100.0 + 10 * RESOLUTION)
    assert 5 <= len(owner.seen) <= 11


def test_a_loop_that_was_busy_reads_before_anybody_is_looked_at(world: World) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 101.0)
    world.now = 105.0
    for _ in range(TURNS + 1):
        assert owner.seen == []
        (handle,) = world.loop.handles
        world.loop.handles.clear()
        handle.call()
    assert owner.seen == [105.0]


def test_timers_that_are_closed_while_a_busy_loop_reads(world: World) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 101.0)
    world.now = 105.0
    world.loop.handles.pop().call()
    world.timers.close()
    world.go_to(110.0)
    assert owner.seen == []


def test_one_that_fails_does_not_stop_the_others(world: World) -> None:
    class Failing(Owner):
        def on_timer(self, now: float) -> float | None:
            raise RuntimeError("meant to")

    owners = [Owner(world, answer=105.0), Failing(world), Owner(world, answer=105.0)]
    for owner in owners:
        world.timers.schedule(owner, 101.0)
    world.go_to(102.0)
    assert [len(owner.seen) for owner in owners] == [1, 0, 1]
    (problem,) = world.loop.problems
    assert str(problem["exception"]) == "meant to"
    world.timers.schedule(owners[1], 105.0)  # it has not been lost either
    owners[0].answer = owners[2].answer = None
    world.go_to(106.0)
    assert [len(owner.seen) for owner in owners] == [2, 0, 2]
    assert len(world.loop.problems) == 2


def test_one_may_cancel_another_while_all_are_looked_at(world: World) -> None:
    owners = [Owner(world) for _ in range(4)]

    def cancel_all(now: float) -> None:
        for owner in owners:
            world.timers.cancel(owner)

    for owner in owners:
        owner.on_timer = cancel_all  # type: ignore[assignment]
        world.timers.schedule(owner, 101.0)
    world.go_to(110.0)
    assert world.armed == []


def test_nothing_happens_when_they_are_closed(world: World) -> None:
    owner = Owner(world)
    world.timers.schedule(owner, 101.0)
    world.timers.close()
    world.timers.close()
    world.go_to(110.0)
    assert owner.seen == []


def test_in_a_real_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        timers = Timers(loop, loop.time)
        seen = loop.create_future()

        class Real(Owner):
            def on_timer(self, now: float) -> None:
                seen.set_result(now)

        deadline = loop.time() + 0.02
        timers.schedule(Real(World()), deadline)
        assert await asyncio.wait_for(seen, 5) >= deadline

    asyncio.run(main())
