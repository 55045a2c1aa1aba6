"""Deadlines in buckets: whose time has come, and when to look next. Here is no clock.

An owner is looked at no later than one bucket after its deadline. A deadline that moves away (every
byte received moves the keepalive's) costs nothing: the bucket comes, the owner says when it wants
to be looked at again, and is put there.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["RESOLUTION", "Deadlines", "Timed"]

RESOLUTION = 0.05
"""Seconds that a bucket spans."""


class Timed(Protocol):
    """Something with deadlines."""

    bucket: int | None

    def on_timer(self, now: float) -> float | None:
        """Do what is due at ``now``; answer with the next deadline, if there is one."""


class Deadlines:
    """The deadlines of everything that one loop, or one thread, serves."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Timed]] = {}

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
        self._added(bucket)

    def cancel(self, owner: Timed) -> None:
        """Forget ``owner``."""
        if owner.bucket is not None:
            owners = self._buckets.get(owner.bucket)
            if owners is not None:
                owners.discard(owner)
                if not owners:
                    del self._buckets[owner.bucket]
            owner.bucket = None

    def next(self) -> float | None:
        """Tell when to call ``walk``, in seconds; ``None`` if nobody has a deadline."""
        return min(self._buckets) * RESOLUTION if self._buckets else None

    def walk(self, now: float) -> None:
        """Look at every owner whose bucket has passed."""
        for bucket in [b for b in self._buckets if b * RESOLUTION <= now]:
            for owner in self._buckets.pop(bucket, ()):
                owner.bucket = None
                self._look_at(owner, now)

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()

    def _look_at(self, owner: Timed, now: float) -> None:
        try:
            deadline = owner.on_timer(now)
        except Exception as error:  # noqa: BLE001  # reported; others still have their time
            self._failed(owner, error)
            return
        if deadline is not None:
            # One that has passed already waits for the next bucket, so that a walk ends.
            self.schedule(owner, max(deadline, now))

    def _added(self, bucket: int) -> None:
        """A bucket has an owner; for a deriving class that has to be woken for it."""

    def _failed(self, owner: Timed, error: Exception) -> None:
        """An owner could not be looked at; for a deriving class to report."""
        raise NotImplementedError
