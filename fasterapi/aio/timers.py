"""One timer for all the connections of a server: the loop's end of ``app.deadlines``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..app.deadlines import RESOLUTION, Deadlines, Timed

__all__ = ["RESOLUTION", "TURNS", "Timed", "Timers"]

TURNS = 2
"""Turns that a loop takes to read what arrived while it was busy: of its timers and what is called
soon, some loops see to the one before they read, some to the other."""


class Timers(Deadlines):
    """The deadlines of everything that one event loop serves.

    Args:
        loop: The loop whose one timer handle is used.
        clock: The time in seconds, the same clock that the deadlines are on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        super().__init__()
        self._loop = loop
        self._clock = clock
        self._handle: asyncio.Handle | None = None
        self._next: int | None = None

    def close(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.clear()

    def _added(self, bucket: int) -> None:
        if self._next is None or bucket < self._next:
            self._arm(bucket)

    def _arm(self, bucket: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._next = bucket
        delay = bucket * RESOLUTION - self._clock()
        self._handle = self._loop.call_later(max(0.0, delay), self._due, bucket, TURNS)

    def _due(self, bucket: int, turns: int) -> None:
        """Look at those whose time has come; what a busy loop has not read yet is read before."""
        if turns and self._clock() - bucket * RESOLUTION > RESOLUTION:
            self._handle = self._loop.call_soon(self._due, bucket, turns - 1)
        else:
            self._walk()

    def _walk(self) -> None:
        self._handle = self._next = None
        self.walk(self._clock())
        if self._buckets:
            self._arm(min(self._buckets))

    def _failed(self, owner: Timed, error: Exception) -> None:
        context = {"message": f"a deadline of {owner!r} failed", "exception": error}
        self._loop.call_exception_handler(context)
