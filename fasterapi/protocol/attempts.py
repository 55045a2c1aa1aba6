"""A client that keeps a WebSocket: what ends one connection becomes the time of the next attempt.

Time comes in as ``now`` and goes out as seconds to wait. Connections, and waiting itself, are not
known here.

Rules
    1. An attempt that fails is followed by another one if ``Reconnect.is_transient`` says so of its
       error; else the error is raised. The very first attempt has to succeed, unless
       ``Reconnect.first`` is set.
    2. A connection that ends, however it does, is followed by another one, unless
       ``Reconnect.retries`` is set and says no to its ``ConnectionClosed``.
    3. Delays grow with each attempt that fails and with each connection that does not last for
       ``STEADY_TIME``; one that does has them begin anew.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable

from ..errors import ConnectionClosed
from ..limits import DEFAULT_LIMITS, STEADY_TIME, Limits
from .reconnect import Backoff, Reconnect, retry_after

__all__ = ["WEBSOCKET_RECONNECT", "Attempts"]

WEBSOCKET_RECONNECT = Reconnect(
    delay=1.0, jitter=1.0, statuses=frozenset({408, 425, 429, 500, 502, 503, 504})
)
"""When a WebSocket is opened again, if nobody says otherwise: after one to two seconds, and after
twice as many with each failure, up to ``Limits.max_reconnect_delay``. The statuses are those of
servers that start, stop or have too much to do."""

_ONCE = Reconnect(retries=lambda error, transient: False)


class Attempts:
    """The attempts of one client.

    Args:
        policy: What is tried again, and after how long; where it leaves that open, as in
            ``WEBSOCKET_RECONNECT``. ``None``: there is one attempt.
        limits: ``max_reconnect_delay`` counts here.
        random: Gives a number of 0 or more and below 1.
    """

    __slots__ = ("_backoff", "_opened", "_policy")

    def __init__(
        self,
        policy: Reconnect | None = WEBSOCKET_RECONNECT,
        *,
        limits: Limits = DEFAULT_LIMITS,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._policy = (policy or _ONCE).over(WEBSOCKET_RECONNECT)
        self._backoff = Backoff(self._policy, limits=limits, random=random)
        self._opened: float | None = None

    def opened(self, now: float) -> None:
        """Take note of a connection."""
        self._opened = now

    def failed(self, error: Exception) -> float:
        """Take the failure of an attempt.

        Returns:
            Seconds to wait before the next one.

        Raises:
            Exception: ``error``, if there is none.
        """
        hopeless = self._opened is None and not self._policy.first
        if hopeless or self._backoff.exhausted or not self._policy.is_transient(error):
            raise error
        return max(self._backoff.delay(failed=True), retry_after(error))

    def ended(self, closed: ConnectionClosed, now: float) -> float | None:
        """Take the end of a connection.

        Returns:
            Seconds to wait before the next one; ``None`` if the policy wants none.

        Raises:
            ConnectionClosed: ``closed``, if it is one of too many in a row that did not last.
        """
        retries = self._policy.retries
        if retries is not None and not retries(closed, True):
            return None
        assert self._opened is not None
        steady = now - self._opened >= STEADY_TIME
        if steady:
            self._backoff.succeeded()
        elif self._backoff.exhausted:
            raise closed
        return self._backoff.delay(failed=not steady)
