"""Resuming a task at once when what it waits for has come.

Setting a future's result has the loop resume the task in its next turn: a handle is made, queued
and run. Where no task is running, which is so when a transport has just received data, the task can
be resumed on the spot instead, by calling what it left with the future. The future stays an
ordinary one, so cancellation, timeouts, task groups and debug mode know nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

__all__ = ["Resumption", "resume", "resumption"]

Resumption = tuple[Callable[[Any], object], Context]
"""What a task leaves with the future that it awaits: how to resume it, and in which context."""


def resumption(future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> Resumption | None:
    """Tell how to resume the task that awaits ``future`` at once.

    Returns:
        ``None`` if it can't be: a task is running, the future is done (its task was cancelled in
        this very turn), or it is not a single task that waits.
    """
    if future.done() or asyncio.current_task(loop) is not None:
        return None
    callbacks: list[Resumption] = future._callbacks
    return callbacks[0] if len(callbacks) == 1 else None


def resume(future: asyncio.Future[Any], value: Any, resumption: Resumption) -> None:
    """Set the future's result, and resume its task now instead of in the loop's next turn."""
    callback, context = resumption
    future.remove_done_callback(callback)
    future.set_result(value)
    context.run(callback, future)
