"""A bounded pool of daemon threads for handlers, which may run for as long as their connections.

``concurrent.futures`` would queue what does not fit, and a handler that waits behind a hundred idle
streams has starved; this pool says no instead. Its threads are daemons, so that a handler that
sleeps can't keep the process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["ThreadPool"]

_IDLE_SECONDS = 10.0

Job = tuple[Callable[..., Any], tuple[Any, ...]]


class ThreadPool:
    """Threads that are made when they are needed, reused, and ended when they are idle.

    Args:
        size: How many there may be at once.

    Attributes:
        size: As given.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._count = 0
        self._closed = False

    def submit(self, function: Callable[..., Any], *args: Any) -> bool:
        """Run a function in a thread.

        Returns:
            False, and nothing is run, if every thread is busy and there may be no more.
        """
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads >= self.size or not self._start():
                return False
        self._jobs.put((function, args))
        return True

    def close(self) -> None:
        """End the threads that are idle now, and the others when they have done their work."""
        with self._lock:
            self._closed = True
            for _ in range(self._idle):
                self._jobs.put(None)
            self._threads -= self._idle
            self._idle = 0

    def _start(self) -> bool:
        name = f"fasterapi-{self._count + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            return False  # the system allows no more of them
        self._count += 1
        self._threads += 1
        return True

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            function, args = job
            try:
                function(*args)
            except BaseException:
                with self._lock:
                    self._threads -= 1
                raise
            del job, function, args  # a thread that waits must not keep a connection alive
            with self._lock:
                if self._closed:
                    self._threads -= 1
                    return
                self._idle += 1

    def _next_job(self) -> Job | None:
        """Wait for a job; ``None`` ends the thread: it was idle for too long, or all is over."""
        while True:
            try:
                return self._jobs.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    # A submit that has counted on this thread already will bring its job.
                    if self._idle:
                        self._idle -= 1
                        self._threads -= 1
                        return None
