"""One thread that looks after the connections whose own threads are busy elsewhere.

It reads what arrives for them, writes what they have left behind, and sees to their deadlines. A
connection whose thread waits for a message is left to it: that thread reads the socket itself.

Rules
    1. Whoever stops reading a connection says so (``touch``), which costs a look at a flag: the
       connection is on the list of those to be looked at already, or is put there.
    2. The list is gone through every ``TICK``. What each connection wants then is its own to say:
       to be looked at again, because its thread has read meanwhile and is likely to do so again; to
       be watched for bytes, or for room; or nothing, since a thread waits on it.
    3. So a connection at work costs neither a system call nor a wake-up for each message, and one
       that is idle costs nothing at all.
    4. Nothing here waits, except for all connections together.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..app.deadlines import Deadlines, Timed
from ..app.log import server as log

__all__ = ["AGAIN", "READ", "TICK", "WRITE", "Watched", "Watcher", "shared_watcher"]

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
AGAIN = 4
"""What ``Watched.look`` may ask for, added up: bytes, room, and to be looked at again soon."""

TICK = 0.01
"""Seconds between two looks at a connection: so long may a ping wait for its pong while a handler
is busy, and what a handler has left in the queue may wait there."""


class Watched(Timed, Protocol):
    """A connection, for its watcher; all calls come from the watcher's thread.

    Attributes:
        listed: Whether it is on the list; the watcher's own.
    """

    listed: bool

    def fileno(self) -> int:
        """Give the descriptor to watch; -1 if it is gone."""

    def look(self) -> int:
        """Do what can be done now; tell what to watch for."""

    def ready(self, events: int) -> int:
        """Take that there are bytes, or room; tell what to watch for from now on."""

    def next_deadline(self) -> float | None:
        """Tell when to call ``on_timer``, in seconds."""


class Watcher(Deadlines):
    """A thread for the connections of a server, or for all clients of a process.

    Args:
        clock: The time in seconds, the same that deadlines are on.
        name: Of the thread, for debuggers.
        threaded: Whether there is one, from the first ``touch`` on; if not, whoever made it calls
            ``look``, ``attend`` and ``walk``.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        name: str = "fasterapi-watcher",
        *,
        threaded: bool = True,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._threaded = threaded
        self._name = name
        self._list: deque[Watched] = deque()
        self._watched: dict[Watched, tuple[int, int]] = {}  # descriptor and events
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._closing = False
        self._wakeup, self._alarm = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(self._alarm, False)
        self._selector.register(self._wakeup, READ)

    # ----------------------------------------------------------------------- from any thread

    def touch(self, owner: Watched) -> None:
        """Have a connection looked at soon; the first call begins to watch it."""
        if not owner.listed:
            owner.listed = True
            self._list.append(owner)
            if self._asleep:
                self._wake()
            if self._thread is None and self._threaded:
                self._start()

    def close(self) -> None:
        """End the thread; connections are left as they are."""
        self._closing = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
        self._selector.close()
        os.close(self._wakeup)
        os.close(self._alarm)
        self._watched.clear()
        self._list.clear()
        self.clear()

    def disown(self) -> None:
        """Leave it to the parent, in a child that was forked: the thread is not here.

        The descriptors are closed, and nothing is taken off the selector: it is the parent's too.
        """
        self._closing = True
        self._asleep = False
        self._lock = threading.Lock()  # the one of before may have been held
        self._selector.close()
        os.close(self._wakeup)
        os.close(self._alarm)

    def is_current(self) -> bool:
        """Tell whether the watcher's own thread is calling, which never waits."""
        return threading.current_thread() is self._thread

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self.run, name=self._name, daemon=True)
                self._thread.start()

    def _wake(self) -> None:
        self._asleep = False
        with suppress(BlockingIOError):  # it has been rung often enough
            os.write(self._alarm, b"!")

    # ---------------------------------------------------------------------- the thread's own

    def run(self) -> None:
        """Look after connections until ``close``."""
        next_look = self._clock()
        while not self._closing:
            self.attend(self._patience(next_look))
            now = self._clock()
            self.walk(now)
            if self._list and now >= next_look:
                self.look()
                next_look = now + TICK

    def attend(self, seconds: float | None) -> None:
        """Wait for bytes, room or a call, for so long at most, and see to them."""
        try:
            ready = self._selector.select(seconds)
        finally:
            self._asleep = False
        for key, events in ready:
            if key.data is not None:
                self._attend(key.data, events)
            else:
                os.read(self._wakeup, 4096)

    def look(self) -> None:
        """Go through the list once."""
        for _ in range(len(self._list)):
            owner = self._list.popleft()
            owner.listed = False  # before the look: what changes after it is on the list again
            self._attend(owner, 0)

    def _patience(self, next_look: float) -> float | None:
        """Tell how many seconds it is to the next look or deadline; ``None``: until a call."""
        deadline = self.next()
        self._asleep = True
        if self._list:  # looked at behind the flag, since others look at the flag behind the list
            self._asleep = False
            deadline = next_look if deadline is None else min(deadline, next_look)
        return None if deadline is None else max(0.0, deadline - self._clock())

    def _attend(self, owner: Watched, events: int) -> None:
        try:
            wanted = owner.ready(events) if events else owner.look()
            self._watch(owner, wanted)
            self.schedule(owner, owner.next_deadline())
        except Exception as error:  # noqa: BLE001  # reported; all others still have their time
            self._failed(owner, error)
            self._watch(owner, 0)  # or it would be ready for ever
            return
        if wanted & AGAIN and not owner.listed:
            owner.listed = True
            self._list.append(owner)

    def _watch(self, owner: Watched, wanted: int) -> None:
        """Have the selector watch for what is wanted, and for nothing else."""
        descriptor, events = self._watched.get(owner, (-1, 0))
        now = owner.fileno()
        wanted &= READ | WRITE
        if descriptor == now and events == wanted:
            return
        if events:
            self._forget(owner, descriptor)
        elif wanted and now >= 0 and (key := self._selector.get_map().get(now)) is not None:
            self._forget(key.data, now)  # it has taken the socket over
        if wanted and now >= 0:
            self._selector.register(now, wanted, owner)
            self._watched[owner] = now, wanted

    def _forget(self, owner: Watched, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        del self._watched[owner]

    def _failed(self, owner: Timed, error: Exception) -> None:
        log.error("%r could not be looked after", owner, exc_info=error)


_shared: list[Watcher] = []
_making = threading.Lock()


def shared_watcher() -> Watcher:
    """Give the watcher of all the clients of this process; its thread starts with the first."""
    with _making:
        if not _shared:
            _shared.append(Watcher())
        return _shared[0]


def _begin_anew() -> None:
    """Have a forked child make a watcher of its own: it has the parent's, but not its thread."""
    global _making  # noqa: PLW0603  # another thread of the parent may have held it
    _making = threading.Lock()
    while _shared:
        _shared.pop().disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
