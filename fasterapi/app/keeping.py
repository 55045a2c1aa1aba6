"""A client that keeps a WebSocket, for both adapters: its attempts, on a clock, told to the log."""

from __future__ import annotations

from collections.abc import Callable

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

    Args:
        url: Where to, for the log.
        policy: What is tried again, and after how long; ``None``: nothing.
        limits: ``max_reconnect_delay`` counts here.
        clock: The time in seconds.
    """

    def __init__(
        self, url: str, policy: Reconnect | None, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._url = url
        self._attempts = Attempts(policy, limits=limits)
        self._clock = clock

    def opened(self) -> None:
        """Take note of a connection."""
        self._attempts.opened(self._clock())

    def failed(self, error: Exception) -> float:
        """Give the seconds to wait; raises ``error`` if there is no further attempt."""
        delay = self._attempts.failed(error)
        log_retry(self._url, error, delay, failed=True)
        return delay

    def ended(self, closed: ConnectionClosed) -> float | None:
        """Give the seconds to wait; ``None`` if there is no further attempt.

        Raises:
            ConnectionClosed: ``closed``, if ``Reconnect.attempts`` is used up.
        """
        delay = self._attempts.ended(closed, self._clock())
        if delay is not None:
            failed = closed.code not in _ORDERLY
            log_retry(self._url, closed, delay, failed=failed)
        return delay
