"""When a client connects again, and after how long: a policy, and the delays that it leads to.

Time is data: a delay is computed, whoever owns a clock waits. What a connection is for is not known
here.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from dataclasses import dataclass

from ..limits import DEFAULT_LIMITS, MAX_RETRY_DELAY, MIN_RETRY_DELAY, Limits

__all__ = ["Backoff", "Reconnect", "retry_after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """A policy of reconnection; every part has a default, and can be replaced.

    Attributes:
        delay: Seconds from the end of a connection to the next one, until the peer asks for
            another time. 3 s, as in browsers.
        factor: What the delay is multiplied with for each failure in a row.
        jitter: The share of a delay that is added to it at random, so that the clients of a server
            that starts again do not all come at once.
        attempts: Failures in a row after which the last one is raised; ``None``: no number.
        first: Whether a first connection that fails is tried again too. Else its failure is
            raised: it mostly means a mistake.
        statuses: HTTP statuses that are failures, and not the end. None, as the WHATWG has it;
            ``{429, 502, 503, 504}`` suits servers behind a proxy. ``Retry-After`` is honoured.
        retries: Judges errors instead of ``is_transient``, whose answer it gets as well.
    """

    delay: float = 3.0
    factor: float = 2.0
    jitter: float = 0.25
    attempts: int | None = None
    first: bool = False
    statuses: frozenset[int] | set[int] = frozenset()
    retries: Callable[[Exception, bool], bool] | None = None

    def is_transient(self, error: Exception) -> bool:
        """Tell whether an error may be gone at the next attempt.

        These may: what the system says of a connection or a name, a timeout, and an answer with
        one of ``statuses``. A certificate that can't be trusted, a permission that is missing and
        an answer that makes no sense stay as they are.
        """
        # A certificate's error is a ValueError too, whatever else it is.
        passing = isinstance(error, OSError) and not isinstance(error, ValueError | PermissionError)
        passing = passing or getattr(error, "status", None) in self.statuses
        return passing if self.retries is None else self.retries(error, passing)


class Backoff:
    """The delays between one connection and the next.

    Args:
        policy: The delays and how they grow.
        limits: ``max_reconnect_delay`` is how far they grow.
        random: Gives a number of 0 or more and below 1.

    Attributes:
        failures: How many attempts have failed in a row.
    """

    __slots__ = ("_most", "_policy", "_random", "failures")

    def __init__(
        self,
        policy: Reconnect,
        *,
        limits: Limits = DEFAULT_LIMITS,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._policy = policy
        self._most = limits.max_reconnect_delay
        self._random = random
        self.failures = 0

    @property
    def exhausted(self) -> bool:
        """Whether as many attempts have failed as the policy allows."""
        attempts = self._policy.attempts
        return attempts is not None and self.failures >= attempts

    def succeeded(self) -> None:
        """Note that a connection has been of use."""
        self.failures = 0

    def delay(self, asked: float | None = None, *, failed: bool) -> float:
        """Give the seconds to wait before the next attempt.

        Args:
            asked: The time that the peer has asked for, instead of the policy's.
            failed: Whether the attempt behind us has failed: the delay grows with each.
        """
        delay = min(self._policy.delay if asked is None else asked, MAX_RETRY_DELAY)
        if failed:
            # A peer that asks for no delay at all, and fails, must not be asked in a tight loop.
            grown = max(delay, MIN_RETRY_DELAY) * self._policy.factor ** min(self.failures, 64)
            delay = max(delay, min(grown, self._most))
            self.failures += 1
        return delay * (1 + self._policy.jitter * self._random())


def retry_after(error: Exception | None) -> float:
    """Give the seconds of a refusal's ``Retry-After``, 0 if it has none (RFC 9110, 10.2.3)."""
    for name, value in getattr(error, "headers", ()):
        if name.lower() == "retry-after" and value.isascii() and value.isdigit():
            return min(float(value), MAX_RETRY_DELAY)
    return 0.0
