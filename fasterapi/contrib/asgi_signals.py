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


_Handler = Callable[[int, FrameType | None], Any]
_previous: dict[int, _Handler] = {}  # whom ours stands in front of: one for all, or they chain
_listening: list[StopSignals] = []


def _take(number: int, frame: FrameType | None) -> None:
    for signals in tuple(_listening):
        signals.tell()
    _previous[number](number, frame)


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

    def __enter__(self) -> None:
        """Listen, as long as one of those who asked for it is inside."""
        self._users += 1
        if self._users == 1 and threading.current_thread() is threading.main_thread():
            _listening.append(self)
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler) and number not in _previous:
                    _previous[number] = handler
                    signal.signal(number, _take)

    def __exit__(self, *exc_info: object) -> None:
        """Listen no more; behind a handler that somebody has put in front, ours passes on."""
        self._users -= 1
        if not self._users and self in _listening:
            _listening.remove(self)
            if not _listening:
                for number in [n for n in _previous if signal.getsignal(n) is _take]:
                    signal.signal(number, _previous.pop(number))

    def tell(self) -> None:
        """Call back, in the loop."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)
