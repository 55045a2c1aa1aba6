"""When a client connects again, and after how long: a policy, and the delays that it leads to.

Time is data: a delay is computed, whoever owns a clock waits. What a connection is for is not known
here.
"""

from __future__ import annotations

import random as _random
import re
from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..limits import DEFAULT_LIMITS, MAX_RETRY_DELAY, MIN_RETRY_DELAY, Limits
from .headers import Headers

__all__ = ["Backoff", "Reconnect", "retry_after"]

_DELAY = 3.0
_JITTER = 0.25
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """A policy of reconnection; every part has a default, and can be replaced.

    What is ``None`` is left to the client: an event stream takes what is written here, a WebSocket
    what ``attempts.WEBSOCKET_RECONNECT`` says.

    Attributes:
        delay: Seconds from the end of a connection to the next one, until the peer asks for
            another time. 3 s, as in browsers.
        factor: What the delay is multiplied with for each failure in a row.
        jitter: The share of a delay that is added to it at random, so that the clients of a server
            that starts again do not all come at once. A quarter.
        attempts: Failures in a row after which the last one is raised; ``None``: no number.
        first: Whether a first connection that fails is tried again too. Else its failure is
            raised: it mostly means a mistake.
        statuses: HTTP statuses that are failures, and not the end. None, as the WHATWG has it;
            ``{429, 502, 503, 504}`` suits servers behind a proxy. ``Retry-After`` is honoured.
        retries: Judges errors instead of ``is_transient``, whose answer it gets as well.
    """

    delay: float | None = None
    factor: float = 2.0
    jitter: float | None = None
    attempts: int | None = None
    first: bool = False
    statuses: frozenset[int] | set[int] | None = None
    retries: Callable[[Exception, bool], bool] | None = None

    def is_transient(self, error: Exception, *, begun: bool = False) -> bool:
        """Tell whether an error may be gone at the next attempt.

        These may: what the system says of a connection or a name, a timeout, and an answer with
        one of ``statuses``. A certificate that can't be trusted, a permission that is missing and
        an answer that makes no sense stay as they are.

        Args:
            error: What has happened.
            begun: Whether it has ended what had begun well. Then it may be gone, whatever it is: to
                the WHATWG, all that can happen to an open event stream is a network error.
        """
        # A certificate's error is a ValueError too, whatever else it is.
        passing = isinstance(error, OSError) and not isinstance(error, ValueError | PermissionError)
        passing = passing or begun or getattr(error, "status", None) in (self.statuses or ())
        return passing if self.retries is None else self.retries(error, passing)

    def over(self, default: Reconnect) -> Reconnect:
        """Give the same policy, with another one's parts where this one's are ``None``."""
        return replace(
            self,
            delay=default.delay if self.delay is None else self.delay,
            jitter=default.jitter if self.jitter is None else self.jitter,
            statuses=default.statuses if self.statuses is None else self.statuses,
        )


class Backoff:
    """The delays between one connection and the next.

    Args:
        policy: The delays and how they grow.
        limits: ``max_reconnect_delay`` is how far they grow.
        random: Gives a number of 0 or more and below 1.

    Attributes:
        failures: How many attempts have failed in a row.
    """

    __slots__ = ("_delay", "_jitter", "_most", "_policy", "_random", "failures")

    def __init__(
        self,
        policy: Reconnect,
        *,
        limits: Limits = DEFAULT_LIMITS,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._policy = policy
        self._delay = _DELAY if policy.delay is None else policy.delay
        self._jitter = _JITTER if policy.jitter is None else policy.jitter
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
        delay = min(self._delay if asked is None else asked, MAX_RETRY_DELAY)
        if failed:
            # A peer that asks for no delay at all, and fails, must not be asked in a tight loop.
            grown = max(delay, MIN_RETRY_DELAY) * self._policy.factor ** min(self.failures, 64)
            delay = max(delay, min(grown, self._most))
            self.failures += 1
        return delay * (1 + self._jitter * self._random())


def retry_after(error: Exception | None) -> float:
    """Give the seconds of a refusal's ``Retry-After``, 0 if it has none (RFC 9110, 10.2.3)."""
    headers = Headers(getattr(error, "headers", ()))
    value = headers.get("retry-after") or ""
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_DELAY)
    # A date: the server's own clock tells how far away it is.
    try:
        seconds = _seconds(value) - _seconds(headers.get("date") or "")
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_DELAY)


def _seconds(date: str) -> float:
    """Read a date, of the one form that is sent today; raises ``ValueError`` if it is none."""
    match = _DATE.match(date)
    if match is None:
        raise ValueError(f"not a date: {date!r}")
    day, month, *rest = match.groups()
    year, hour, minute, second = map(int, rest)
    return timegm((year, _MONTHS.index(month) + 1, int(day), hour, minute, second))
