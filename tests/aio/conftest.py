"""Runs coroutines in each kind of event loop: asyncio's, the same in debug mode, and uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

Runner = Callable[[Coroutine[Any, Any, None]], None]


def _debug_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _runner(factory: Callable[[], asyncio.AbstractEventLoop]) -> Runner:
    def run(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(coroutine, 20))

    return run


@pytest.fixture
def run() -> Runner:
    """Run a coroutine in asyncio's loop."""
    return _runner(asyncio.new_event_loop)


@pytest.fixture(
    params=[asyncio.new_event_loop, _debug_loop, _uvloop], ids=["asyncio", "debug", "uvloop"]
)
def run_everywhere(request: pytest.FixtureRequest) -> Runner:
    """Run a coroutine in each kind of loop."""
    return _runner(request.param)
