"""What can't be interrupted, done in a thread of its own, so that waiting for it can.

The system's look-up of a name, and libraries that wait where nobody reaches them. Whoever has no
more time goes on without the result; the thread stays until the call is over, and what it brings
then is thrown away. It keeps no process from ending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

__all__ = ["Errand"]

Result = TypeVar("Result")


class Errand(Generic[Result]):
    """A call that is on its way.

    Args:
        call: What to do.
        discard: Given what comes too late.
    """

    __slots__ = ("_answer", "_call", "_discard", "_given_up", "_lock")

    def __init__(
        self, call: Callable[[], Result], discard: Callable[[Result], object] | None = None
    ) -> None:
        self._call = call
        self._discard = discard
        self._answer: SimpleQueue[tuple[Result | None, Exception | None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._given_up = False
        threading.Thread(target=self._run, name="fasterapi-errand", daemon=True).start()

    def result(self, seconds: float | None) -> Result:
        """Wait for it, for so long at most; to be called once.

        Raises:
            TimeoutError: If it takes longer.
            Exception: What the call has raised, or what it was given up with.
        """
        try:
            result, error = self._answer.get(timeout=seconds)
        except Empty:
            self.give_up(TimeoutError("it takes too long"))
            result, error = self._answer.get()  # which may be the call's after all
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # without an error it is one

    def give_up(self, error: Exception) -> None:
        """Have ``result`` raise, if it still waits; from any thread."""
        with self._lock:
            if not self._given_up:
                self._given_up = True
                self._answer.put((None, error))

    def _run(self) -> None:
        result, error = None, None
        try:
            result = self._call()
        except Exception as fault:  # noqa: BLE001  # raised again where the result is waited for
            error = fault
        with self._lock:
            late, self._given_up = self._given_up, True
            if not late:
                self._answer.put((result, error))
        if late and error is None and self._discard is not None:
            self._discard(result)  # type: ignore[arg-type]  # without an error it is one
