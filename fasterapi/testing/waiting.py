"""Waiting for what a server does, under a timeout, and saying what was waited for in vain."""

from __future__ import annotations

import asyncio
import gc
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from types import AsyncGeneratorType, CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..aio.handlers import Call

__all__ = ["Watch", "describe_call", "describe_task"]

_PACKAGE = str(Path(__file__).parents[1])
_STANDARD = sysconfig.get_path("stdlib")
_INSTALLED = ("site-packages", "dist-packages")
_POLL = 0.001
"""Seconds between two looks at what announces no change."""


class Watch:
    """Waits until something is so, looking whenever something has changed.

    The timeouts are of real time, whatever a test's clock says: they are what ends a test that
    would hang.

    Args:
        timeout: Seconds, where a caller gives none.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._waiters: set[asyncio.Future[None]] = set()

    def changed(self) -> None:
        """Have everybody look."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(
        self,
        done: Callable[[], object],
        timeout: float | None,
        what: str,
        so_far: Callable[[], str],
        *,
        check: Callable[[], None] | None = None,
        poll: bool = False,
    ) -> None:
        """Wait until ``done`` gives something true.

        Args:
            done: Looks.
            timeout: Seconds; ``None``: as many as usual.
            what: What is waited for, for the error.
            so_far: What there is instead, for the error.
            check: Raises if waiting makes no sense any more.
            poll: Look every millisecond, too.

        Raises:
            TimeoutError: If it did not come true in time.
        """
        seconds = self.timeout if timeout is None else timeout
        loop = asyncio.get_running_loop()
        end = time.monotonic() + seconds
        while not done():
            if check is not None:
                check()
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {what} within {seconds:g} s; so far: {so_far()}")
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            timer = loop.call_later(min(left, _POLL) if poll else left, self._wake, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiters.discard(waiter)

    @staticmethod
    def _wake(waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)


def describe_call(call: Call | None) -> str:
    """Say whether a handler is at work, and where in its code it stands."""
    if call is None:
        return "no handler is at work"
    frame = _frame_of_task(call.task) if call.task is not None else _frame_of_thread(call)
    name = call.route.handler.name.rpartition(".")[2]
    return f"the handler {name}() is at work{_place(frame)}"


def describe_task(task: asyncio.Task[Any]) -> str:
    """Say where a task stands, in the code of an app."""
    return f"{task.get_name()} is at work{_place(_frame_of_task(task))}"


def _place(frame: FrameType | None) -> str:
    return "" if frame is None else f", at {frame.f_code.co_filename}:{frame.f_lineno}"


def _is_theirs(code: CodeType) -> bool:
    name = code.co_filename
    standard = name.startswith((_STANDARD, "<frozen")) and not any(d in name for d in _INSTALLED)
    return not standard and not name.startswith(_PACKAGE)


def _frame_of_task(task: asyncio.Task[Any]) -> FrameType | None:
    """Find the innermost frame of a suspended task that is no library's."""
    found: FrameType | None = None
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None and _is_theirs(frame.f_code):
            found = frame
        awaited = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
        coroutine = _generator_of(awaited) or awaited
    return found


def _generator_of(awaited: object) -> AsyncGeneratorType[Any, Any] | None:
    """Find the generator whose next item is awaited; what stands for the item does not tell."""
    if type(awaited).__name__ not in ("async_generator_asend", "async_generator_athrow"):
        return None
    referred = gc.get_referents(awaited)
    return next((one for one in referred if isinstance(one, AsyncGeneratorType)), None)


def _frame_of_thread(call: Call) -> FrameType | None:
    """Find the innermost frame of a handler in a thread that is no library's."""
    for top in sys._current_frames().values():
        found: FrameType | None = None
        frame: FrameType | None = top
        while frame is not None:
            if found is None and _is_theirs(frame.f_code):
                found = frame
            if frame.f_locals.get("self") is call:
                return found
            frame = frame.f_back
    return None
