"""How long a connection lives: keepalive, deadlines, and the ways in which it ends.

RFC 6455, section 7. Time is told, never looked up. A deadline that a method without ``now`` begins
(``close``) is armed by the next call that has one. What arrives in frames is not known here.
"""

from __future__ import annotations

import secrets

from .codes import CloseCode
from .events import Closed, Event
from .frames import MAX_REASON, build_close
from .keepalive import Keepalive, KeepaliveTimer
from .outgoing import Role
from .sending import Sending
from .state import State, Trigger

__all__ = ["Lifetime"]


class Lifetime(Sending):
    """The time and the end of a ``WebSocketConnection``."""

    __slots__ = ("_close_reported", "_deadline", "_eof", "_reading", "_timer", "failed")

    def _begin(self, keepalive: Keepalive | None) -> None:
        self.failed = False
        self._timer = KeepaliveTimer(keepalive) if keepalive is not None else None
        self._reading = True
        self._unarmed = keepalive is not None
        self._deadline: float | None = None
        self._close_reported = False
        self._eof = False

    def receive_eof(self, now: float = 0.0) -> list[Event]:
        """Take the end of what the peer sends, which without a Close is code 1006."""
        self._now = now
        self._eof = True
        if self.state is not State.CLOSED:
            self._move(Trigger.LOSE)
        return self._report(Closed(CloseCode.ABNORMAL_CLOSURE))

    def tick(self, now: float) -> list[Event]:
        """Do what is due: ping, give a silent peer up, end a close handshake that drags on."""
        self._now = now
        if self._unarmed:
            self._arm(now)
        events: list[Event] = []
        if self._deadline is not None and now >= self._deadline:
            self._expire(events)
        elif (
            self.state is State.OPEN
            and self._timer is not None
            and self._timer.tick(now, self._keepalive_ping)
        ):
            self._fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout", events)
        return events

    def next_deadline(self) -> float | None:
        """Tell when to call ``tick``, in seconds; ``None``: no need to. A past time means soon."""
        if self._unarmed:
            return self._now
        if self.state is State.OPEN and self._timer is not None:
            return self._timer.deadline()
        return self._deadline

    @property
    def reading(self) -> bool:
        """Whether anybody reads the transport; set it to False while nobody does.

        The silence of that time is not held against the peer: keepalive begins anew when reading
        goes on. It is pinged meanwhile, so that the transport may find that it is gone.
        """
        return self._reading

    @reading.setter
    def reading(self, value: bool) -> None:
        if self._timer is not None:
            self._timer.deaf = not value
            if value and not self._reading and self.state is State.OPEN:
                self._unarmed = True
        self._reading = value

    # ------------------------------------------------------------------------------- the end

    @property
    def write_finished(self) -> bool:
        """Whether to shut our half of the transport down, everything queued being written.

        A server does so at the end of the close handshake, a client leaves it to the server
        (RFC 6455, section 7.1.1).
        """
        return self.state is State.CLOSED and self.role is Role.SERVER and not self._waiting

    @property
    def finished(self) -> bool:
        """Whether to close the transport.

        The peer ended its half and all that is queued is written; or it took too long, and what is
        still queued is lost.
        """
        over = self._overdue or (self._eof and not self._waiting)
        return self.state is State.CLOSED and over

    def _fail(self, code: int, reason: str, events: list[Event]) -> None:
        """Fail the connection (RFC 6455, section 7.1.7)."""
        self.failed = True
        self._owe(Trigger.FAIL, build_close(code, _shorten(reason)))
        events += self._report(Closed(code, reason))

    def _owe(self, trigger: Trigger, payload: bytes) -> None:
        """Stop receiving; owe a Close, unless ours is on its way already."""
        self._move(trigger)
        if self.state is State.REMOTE_CLOSING:
            self._owed = payload
            self._deadline = self._now + self.limits.answer_timeout
        else:
            self._start_close_timer()

    def _report(self, closed: Closed) -> list[Event]:
        """Give the one ``Closed`` that a connection reports, or nothing the second time."""
        if self._close_reported:
            return []
        self._close_reported = True
        return [closed]

    # --------------------------------------------------------------------------------- time

    def _keepalive_ping(self) -> None:
        self.ping(secrets.token_bytes(4), now=self._now)

    def _arm(self, now: float) -> None:
        """Begin the deadline that waited to be told the time."""
        self._unarmed = False
        if self._timer is not None and self.state is State.OPEN:
            self._timer.heard = now
        else:
            self._start_close_timer()

    def _start_close_timer(self) -> None:
        self._deadline = self._now + self.limits.close_timeout

    def _expire(self, events: list[Event]) -> None:
        """The close handshake has taken too long: send what is owed, or stop waiting."""
        self._deadline = None
        self._overdue = True
        if self.state is State.LOCAL_CLOSING:
            self._move(Trigger.LOSE)
            events += self._report(Closed(CloseCode.ABNORMAL_CLOSURE))


def _shorten(reason: str) -> str:
    """Cut a reason to the 123 bytes that fit."""
    return reason.encode()[:MAX_REASON].decode("utf-8", "ignore")
