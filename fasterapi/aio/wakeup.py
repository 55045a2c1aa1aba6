"""Resuming a task at once when what it waits for has come.

Setting a future's result has the loop resume the task in its next turn: a handle is made, queued
and run. Where no task is running, which is so when a transport has just received data, the task can
be resumed on the spot instead, by calling what it left with the future. The future stays an
ordinary one, so cancellation, timeouts, task groups and debug mode know nothing of it.
"""

from __future__ import annotations

import asyncio

__all__ = ["wake"]


def wake(future: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
    """Resume the one task that awaits ``future``: now if no task runs, else in the next turn.

    A future that is done already, because its task was cancelled in this very turn, is left alone.
    """
    if future.done():
        return
    callbacks = future._callbacks
    if len(callbacks) == 1 and asyncio.current_task(loop) is None:
        callback, context = callbacks[0]
        future.remove_done_callback(callback)
        future.set_result(None)
        context.run(callback, future)
    else:
        future.set_result(None)
