"""Pings as a sign of life, and the time their pongs take (RFC 6455, sections 5.5.2 and 5.5.3).

Time comes in as ``now`` and goes out as a deadline; nothing here reads a clock or sends a byte. Any
byte from the peer is a sign of life, so a busy connection is never pinged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..limits import DEFAULT_LIMITS, MAX_OPEN_PINGS, Limits

__all__ = ["Keepalive", "KeepaliveTimer", "PingBook"]


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When to ping, and how long to wait.

    Attributes:
        interval: Seconds of silence after which a ping goes out; ``None``: never.
        timeout: Seconds from that ping to any byte at all, before the connection fails with close
            code 1011; ``None``: wait for ever.
    """

    interval: float | None = DEFAULT_LIMITS.ping_interval
    timeout: float | None = DEFAULT_LIMITS.ping_timeout

    @classmethod
    def from_limits(cls, limits: Limits) -> Keepalive:
        """Take both from ``Limits.ping_interval`` and ``Limits.ping_timeout``."""
        return cls(limits.ping_interval, limits.ping_timeout)


class KeepaliveTimer:
    """Decides when to ping and when to give up.

    Args:
        keepalive: The two times.
        now: When the connection began, in seconds.

    Attributes:
        deaf: Whether nobody reads what the peer sends. It is pinged all the same, which may bring
            to light that it is gone; that there is no answer means nothing.
        heard: When the peer last gave a sign of life, in seconds, to be set by whoever hears it;
            ``None``: not at all yet, or not since our ping.
    """

    __slots__ = ("_pinged", "deaf", "heard", "keepalive")

    def __init__(self, keepalive: Keepalive, now: float | None = None) -> None:
        self.keepalive = keepalive
        self.deaf = False
        self.heard = now
        self._pinged: float | None = None

    def deadline(self) -> float | None:
        """Tell when ``tick`` has something to do, in seconds; ``None`` if it never has."""
        interval, timeout = self.keepalive.interval, self.keepalive.timeout
        since, patience = self.heard, interval
        if since is None:
            since = self._pinged
            if not self.deaf:
                patience = timeout
        return None if since is None or patience is None else since + patience

    def tick(self, now: float, ping: Callable[[], None]) -> bool:
        """Do what is due.

        Args:
            now: The time, in seconds.
            ping: Called if a ping is due.

        Returns:
            Whether the peer has been silent for too long.
        """
        if self.heard is None and self._pinged is None:
            self.heard = now
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return False
        if self.heard is None and not self.deaf:
            return True
        self.heard, self._pinged = None, now
        ping()
        return False


class PingBook:
    """Pairs pongs with the pings that they answer.

    A pong answers its own ping and every earlier one, for a peer need answer only the most recent
    ping (section 5.5.3). At most 64 pings stay open; older ones are forgotten.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: deque[tuple[bytes, float]] = deque(maxlen=MAX_OPEN_PINGS)

    def sent(self, payload: bytes, now: float) -> None:
        """Note a ping of ours."""
        self._open.append((payload, now))

    def answered(self, payload: bytes, now: float) -> tuple[float | None, tuple[bytes, ...]]:
        """Give the latency in seconds and the payloads answered; ``(None, ())`` if unsolicited."""
        for position, (expected, sent_at) in enumerate(self._open):
            if expected == payload:
                answers = tuple(self._open.popleft()[0] for _ in range(position + 1))
                return max(0.0, now - sent_at), answers
        return None, ()
