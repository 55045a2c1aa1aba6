"""One timer for all the connections of a server: deadlines in buckets, walked when they are due.

A connection is looked at no later than one bucket after its deadline. A deadline that moves away
(every byte received moves the keepalive's) costs nothing: the bucket comes, the connection says
when it wants to be looked at again, and is put there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["RESOLUTION", "Timed", "Timers"]

RESOLUTION = 0.05
"""Seconds that a bucket spans."""


class Timed(Protocol):
    """Something with deadlines."""

    bucket: int | None

    def on_timer(self, now: float) -> float | None:
        """Do what is due at ``now``; answer with the next deadline, if there is one."""


class Timers:
    """The deadlines of everything that one event loop serves.

    Args:
        loop: The loop whose one timer handle is used.
        clock: The time in seconds, the same clock that the deadlines are on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._buckets: dict[int, set[Timed]] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._next: int | None = None

    def schedule(self, owner: Timed, deadline: float | None) -> None:
        """Have ``owner`` looked at when ``deadline`` has passed, or earlier."""
        if deadline is None:
            return
        bucket = int(deadline / RESOLUTION) + 1
        if owner.bucket is not None:
            if owner.bucket <= bucket:
                return
            self.cancel(owner)
        owner.bucket = bucket
        self._buckets.setdefault(bucket, set()).add(owner)
        if self._next is None or bucket < self._next:
            self._arm(bucket)

    def cancel(self, owner: Timed) -> None:
        """Forget ``owner``."""
        if owner.bucket is not None:
            owners = self._buckets.get(owner.bucket)
            if owners is not None:
                owners.discard(owner)
                if not owners:
                    del self._buckets[owner.bucket]
            owner.bucket = None

    def close(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._buckets.clear()

    def _arm(self, bucket: int) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._next = bucket
        delay = bucket * RESOLUTION - self._clock()
        self._handle = self._loop.call_later(max(0.0, delay), self._walk)

    def _walk(self) -> None:
        self._handle = self._next = None
        now = self._clock()
        for bucket in [b for b in self._buckets if b * RESOLUTION <= now]:
            for owner in self._buckets.pop(bucket, ()):
                owner.bucket = None
                self._look_at(owner, now)
        if self._buckets:
            self._arm(min(self._buckets))

    def _look_at(self, owner: Timed, now: float) -> None:
        try:
            deadline = owner.on_timer(now)
        except Exception as error:  # noqa: BLE001  # reported; all others still have their time
            context = {"message": f"a deadline of {owner!r} failed", "exception": error}
            self._loop.call_exception_handler(context)
            return
        if deadline is not None:
            # One that has passed already waits for the next bucket, so that a walk ends.
            self.schedule(owner, max(deadline, now))
