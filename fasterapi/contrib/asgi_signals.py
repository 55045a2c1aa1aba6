"""Knowing that an ASGI server is about to stop.

Servers wait for what is open to end, and tell an application of their stop only afterwards: an
event stream that is open would have them wait for ever. The one sign that comes in time is the
signal, so it is listened to, in front of whoever handles it, as long as something is open.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["StopSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Calls back, in a loop, when the process is asked to stop; the server's own handler follows.

    It does so in the main thread only, where signals arrive, and only where somebody else handles
    them: it never decides what becomes of the process.

    Args:
        loop: The loop.
        stop: Called in it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        self._loop = loop
        self._stop = stop
        self._users = 0
        self._previous: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> None:
        """Listen, as long as one of those who asked for it is inside."""
        self._users += 1
        if self._users == 1 and threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._previous[number] = handler
                    signal.signal(number, self._take)

    def __exit__(self, *exc_info: object) -> None:
        """Listen no more, unless somebody has put another handler in front."""
        self._users -= 1
        if not self._users:
            previous, self._previous = self._previous, {}
            for number, handler in previous.items():
                if signal.getsignal(number) == self._take:
                    signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)
        self._previous[number](number, frame)
