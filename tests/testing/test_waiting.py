"""Waiting under a timeout of real time, whatever the clock of a loop says."""

from __future__ import annotations

import asyncio

import pytest

from fasterapi.testing import ClockedLoop
from fasterapi.testing.waiting import Watch, describe_call


def test_it_looks_when_something_has_changed() -> None:
    async def scenario() -> None:
        watch, looks = Watch(5), list[int]()
        waiting = asyncio.create_task(
            watch.wait(lambda: looks.append(1) or len(looks) > 2, None, "three", str)
        )
        for expected in (1, 2, 3):
            await asyncio.sleep(0)
            assert len(looks) == expected
            watch.changed()
            watch.changed()
            await asyncio.sleep(0)
        await waiting
        watch.changed()

    asyncio.run(scenario())


def test_it_gives_up_and_says_why() -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError, match=r"^no luck within 0.001 s; so far: two of three$"):
            await Watch(0.001).wait(lambda: False, None, "luck", lambda: "two of three")
        with pytest.raises(TimeoutError, match=r"within 0 s"):
            await Watch(9).wait(lambda: False, 0, "luck", str)

    asyncio.run(scenario())


def test_a_loop_that_is_turned_on_does_not_end_it() -> None:
    async def scenario() -> None:
        loop, done = asyncio.get_running_loop(), list[int]()
        assert isinstance(loop, ClockedLoop)
        waiting = asyncio.create_task(Watch(60).wait(lambda: done, None, "it", str, poll=True))
        await asyncio.sleep(0)
        loop.skip(3600)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        done.append(1)
        await waiting

    with asyncio.Runner(loop_factory=ClockedLoop) as runner:
        runner.run(scenario())


def test_a_check_may_end_it() -> None:
    def check() -> None:
        raise KeyError("no use")

    async def scenario() -> None:
        await Watch(60).wait(lambda: True, None, "it", str, check=check)
        with pytest.raises(KeyError):
            await Watch(60).wait(lambda: False, None, "it", str, check=check)

    asyncio.run(scenario())


def test_nothing_is_at_work() -> None:
    assert describe_call(None) == "no handler is at work"
