"""Resuming a task at once when what it waits for has come.

Setting a future's result has the loop resume the task in its next turn: a handle is made, queued
and run. Where no task is running, which is so when a transport has just received data, the task can
be resumed on the spot instead, by calling what it left with the future. The future stays an
ordinary one, so cancellation, timeouts, task groups and debug mode know nothing of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any

__all__ = ["Resumption", "resume"]

if sys.version_info >= (3, 12):
    current_task = asyncio.current_task
else:
    # What it does, without the Python around it; later it is C.
    current_task = asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]

Resumption = tuple[Callable[[Any], object], Context]
"""What a task leaves with the future that it awaits: how to resume it, and in which context."""


def resume(
    future: asyncio.Future[Any],
    value: Any,
    loop: asyncio.AbstractEventLoop,
    last: Resumption | None,
) -> Resumption | None:
    """Set the future's result, and resume its task now instead of in the loop's next turn.

    Args:
        future: What a task awaits.
        value: The result.
        loop: The task's loop.
        last: What this returned the last time. What a task leaves with one future equals what it
            leaves with the next, so it need not be looked up as long as the same task waits.

    Returns:
        How the task was resumed; ``None``, with nothing done, if it can't be: a task is running,
        the future is done (its task was cancelled in this very turn), or it is not a single task
        that waits.
    """
    if current_task(loop) is not None:
        return None
    if last is None or not future.remove_done_callback(last[0]):
        callbacks: list[Resumption] | None = future._callbacks
        if future.done() or not callbacks or len(callbacks) > 1:
            return None
        last = callbacks[0]
        future.remove_done_callback(last[0])
    future.set_result(value)
    last[1].run(last[0], future)
    return last
