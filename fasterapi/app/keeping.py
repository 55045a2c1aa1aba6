"""A client that keeps a WebSocket, for both adapters: its attempts, on a clock, told to the log.

while keeper.delay is not None:
...                              # wait for so long
with keeper:
...                          # open it; what that fails with is judged here
keeper.opened()
...                          # use it, and leave it
keeper.ended(...)
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from ..errors import ConnectionClosed
from ..limits import Limits
from ..protocol.attempts import Attempts
from ..protocol.codes import CloseCode
from ..protocol.reconnect import Reconnect
from .log import log_retry

__all__ = ["Keeper"]

_ORDERLY = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART)


class Keeper:
    """What follows when an attempt fails or a connection ends; see ``Attempts``.

    Entered, it is an attempt: what is raised before ``opened`` is its failure, and is raised to the
    outside only if no other attempt follows.

    Args:
        url: Where to, for the log.
        policy: What is tried again, and after how long; ``None``: nothing.
        limits: ``max_reconnect_delay`` counts here.
        clock: The time in seconds.

    Attributes:
        delay: Seconds to wait before the next attempt, 0 before the first; ``None``: there is none.
    """

    def __init__(
        self, url: str, policy: Reconnect | None, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._url = url
        self._attempts = Attempts(policy, limits=limits)
        self._clock = clock
        self._open = False
        self.delay: float | None = 0.0

    def __enter__(self) -> None:
        """Begin an attempt."""
        self._open = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Judge the failure of an attempt; tell whether another one follows."""
        if self._open or not isinstance(error, Exception):
            return False
        try:
            self.delay = delay = self._attempts.failed(error)
        except Exception:  # noqa: BLE001  # the same error, which leaves by itself
            return False
        log_retry(self._url, error, delay, failed=True)
        return True

    def opened(self) -> None:
        """Take note of a connection."""
        self._open = True
        self._attempts.opened(self._clock())

    def ended(self, closed: ConnectionClosed) -> None:
        """Take the end of a connection.

        Raises:
            ConnectionClosed: ``closed``, if ``Reconnect.attempts`` is used up.
        """
        self.delay = delay = self._attempts.ended(closed, self._clock())
        if delay is not None:
            failed = closed.code not in _ORDERLY
            log_retry(self._url, closed, delay, failed=failed)
