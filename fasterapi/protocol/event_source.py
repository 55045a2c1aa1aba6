"""An event stream as its client follows it, over one connection after the other.

After the WHATWG's HTML, "Server-sent events". Responses and the bytes of their bodies become
events, and what ends a connection becomes the time of the next attempt, or an error. Time comes in
as ``now`` and goes out as a deadline. Requests, sockets and waiting are not known here.

Rules
    1. Status 200 with ``text/event-stream`` opens the stream. 204 ends it, and any other answer
       ends it with an error, unless the policy counts its status as a failure.
    2. The end of a body, one that is malformed, a connection that is lost or silent for too long,
       and an attempt that fails lead to the next attempt, if there is a policy for that.
    3. The reconnection time is what the stream has asked for last. It grows with each attempt that
       fails, and with each connection that ends at once without an event.
    4. The last event ID and the reconnection time outlive a connection.

Theory
    A trigger that a state does not list is refused, and changes nothing.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from enum import Enum

from ..errors import EventStreamError, HandshakeError, InvalidArgument, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from .headers import validate_field
from .http import Response
from .reconnect import Backoff, Reconnect, retry_after
from .sse import ServerSentEvent
from .sse_parser import EventStreamParser

__all__ = ["SOURCE_TRANSITIONS", "EventSource", "SourceState", "SourceTrigger", "is_event_stream"]

_TYPE = "text/event-stream"
_ID = "Last-Event-ID"
_SHOWN = 200  # characters of a refusal's body in a message


class SourceState(Enum):
    """Where the client of an event stream stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting to reconnect"
    CLOSED = "closed"


class SourceTrigger(Enum):
    """What moves it."""

    ACCEPT = "an event stream begins"
    LOSE = "the connection ends, or the attempt fails"
    RETRY = "the reconnection time is over"
    END = "there will be no further attempt"


SOURCE_TRANSITIONS: dict[SourceState, dict[SourceTrigger, SourceState]] = {
    SourceState.CONNECTING: {
        SourceTrigger.ACCEPT: SourceState.OPEN,
        SourceTrigger.LOSE: SourceState.WAITING,
        SourceTrigger.END: SourceState.CLOSED,
    },
    SourceState.OPEN: {
        SourceTrigger.LOSE: SourceState.WAITING,
        SourceTrigger.END: SourceState.CLOSED,
    },
    SourceState.WAITING: {
        SourceTrigger.RETRY: SourceState.CONNECTING,
        SourceTrigger.END: SourceState.CLOSED,
    },
    SourceState.CLOSED: {},
}


class EventSource:
    """The client's side of one event stream.

    Args:
        reconnect: When to connect again; ``None``: never.
        last_event_id: What has been seen last, in an earlier life.
        idle_timeout: Seconds without a byte after which a connection counts as lost; ``None``:
            never.
        limits: ``max_event_size`` and ``max_reconnect_delay`` count.
        random: Gives the jitter, 0 or more and below 1.

    Attributes:
        state: Where it stands.
        connections: How many event streams have begun.
        delay: Seconds from the last loss to the next attempt.
        fault: What has been lost last, and why; ``None`` if a body has ended as it should.

    Raises:
        InvalidArgument: If ``last_event_id`` can't be sent.
    """

    __slots__ = (
        "_backoff", "_due", "_heard", "_idle_timeout", "_opened", "_parser", "_policy", "_settled",
        "_useful", "connections", "delay", "fault", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        reconnect: Reconnect | None = None,
        last_event_id: str = "",
        idle_timeout: float | None = None,
        limits: Limits = DEFAULT_LIMITS,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.state = SourceState.CONNECTING
        self.connections = 0
        self.delay = 0.0
        self.fault: Exception | None = None
        self._policy = reconnect
        self._backoff = Backoff(reconnect or Reconnect(), limits=limits, random=random)
        self._settled = limits.max_reconnect_delay
        self._idle_timeout = idle_timeout
        self._parser = EventStreamParser(limits=limits)
        _id_value(last_event_id)
        self._parser.last_event_id = last_event_id
        self._parser.eof()
        self._useful = False
        self._opened = self._heard = self._due = 0.0

    @property
    def last_event_id(self) -> str:
        """The ID of the last event that has come; ``""`` if there is none."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream has asked for, in milliseconds."""
        return self._parser.retry

    def header_fields(self) -> list[tuple[str, str]]:
        """Give the header fields of the next request.

        Raises:
            EventStreamError: If the last event's ID can't be sent back.
        """
        fields = [("Accept", _TYPE), ("Cache-Control", "no-store"), ("Accept-Encoding", "identity")]
        if id := self.last_event_id:
            try:
                fields.append((_ID, _id_value(id)))
            except InvalidArgument:  # and the server's, not our caller's
                message = f"the last event ID can't be sent back: {id[:80]!r}"
                raise EventStreamError(message) from None
        return fields

    def answered(self, response: Response, now: float) -> None:
        """Take the answer to an attempt, with the beginning of its body if it is no event stream.

        ``state`` tells what follows.

        Raises:
            HandshakeError: If it is neither an event stream nor 204, and that is final.
        """
        if is_event_stream(response):
            self._move(SourceTrigger.ACCEPT)
            self.connections += 1
            self._useful = False
            self._opened = self._heard = now
        elif response.status == 204:
            self.close()
        else:
            self.lost(_refusal(response), now)

    def receive_data(self, data: bytes, now: float) -> list[ServerSentEvent]:
        """Take bytes of the body; give the events that they complete.

        Raises:
            EventStreamError: If one is over a limit. The stream is over: it would come again.
        """
        self._heard = now
        try:
            events = self._parser.feed(data)
        except EventStreamError:
            self.close()
            raise
        if events:
            self._useful = True
        return events

    def lost(self, error: Exception | None, now: float) -> None:
        """Take the end of a connection or of an attempt; ``state`` tells what follows.

        Args:
            error: Why; ``None`` if a body has ended as it should.
            now: The time, in seconds.

        Raises:
            Exception: ``error``, if there is no further attempt.
        """
        was_open = self.state is SourceState.OPEN
        self._parser.eof()
        self.fault = error
        failed = not (was_open and (self._useful or now - self._opened >= self._settled))
        if not failed:
            self._backoff.succeeded()
        if not self._may_retry(error, was_open):
            self.close()
            if error is not None:
                raise error
            return
        if self._backoff.exhausted:
            self.close()
            raise error or ConnectionResetError("the stream ends without an event, each time")
        self._move(SourceTrigger.LOSE)
        asked = None if self.retry is None else self.retry / 1000
        self.delay = max(self._backoff.delay(asked, failed=failed), retry_after(error))
        self._due = now + self.delay

    def deadline(self) -> float | None:
        """Tell when ``tick`` has something to do, in seconds; ``None`` if it never has."""
        if self.state is SourceState.WAITING:
            return self._due
        if self.state is SourceState.OPEN and self._idle_timeout is not None:
            return self._heard + self._idle_timeout
        return None

    def tick(self, now: float) -> None:
        """Do what is due: the next attempt, or the end of a connection that is silent.

        Raises:
            TimeoutError: If it was silent for too long, and there is no further attempt.
        """
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        if self.state is SourceState.WAITING:
            self._move(SourceTrigger.RETRY)
        else:
            self.lost(TimeoutError(f"no byte for {self._idle_timeout:g} s (idle_timeout)"), now)

    def close(self) -> None:
        """End it; it is no error if it has ended already."""
        if self.state is not SourceState.CLOSED:
            self._move(SourceTrigger.END)

    def _may_retry(self, error: Exception | None, was_open: bool) -> bool:
        policy = self._policy
        if policy is None or not (self.connections or policy.first):
            return False
        return error is None or policy.is_transient(error, begun=was_open)

    def _move(self, trigger: SourceTrigger) -> None:
        try:
            self.state = SOURCE_TRANSITIONS[self.state][trigger]
        except KeyError:
            raise LocalProtocolError(
                f"an event source that is {self.state.value} takes no: {trigger.value}"
            ) from None


def is_event_stream(response: Response) -> bool:
    """Tell whether a response is an event stream that can be read.

    Its status is 200 and its type ``text/event-stream``, with any parameters; it is not compressed,
    for that was not asked for.
    """
    types = response.headers.get_all("content-type")
    return (
        response.status == 200
        and bool(types)
        and types[-1].partition(";")[0].strip(" \t").lower() == _TYPE
        and response.headers.get("content-encoding", "identity") == "identity"
    )


def _id_value(id: str) -> str:
    """Give the header field's value for a last event ID.

    Raises:
        InvalidArgument: If it can't be sent.
    """
    try:
        value = id.encode().decode("latin-1")  # a header's text stands for bytes, here of UTF-8
        validate_field(_ID, value)
    except (UnicodeEncodeError, InvalidArgument):
        raise InvalidArgument(f"a last event ID that can't be sent: {id[:80]!r}") from None
    return value


def _refusal(response: Response) -> HandshakeError:
    if response.status != 200:
        what = f"{response.status} {response.reason}".strip()
    elif (coding := response.headers.get("content-encoding", "identity")) != "identity":
        what = f"200, in the content coding {coding!r} that was not asked for"
    else:
        found = response.headers.get("content-type")
        what = f"200, of the type {found!r}" if found else "200, without a Content-Type"
    beginning = response.body[:_SHOWN].decode("utf-8", "replace")
    shown = f": {beginning!r}" if beginning else ""
    message = f"no event stream but {what}{shown}"
    return HandshakeError(response.status, message, headers=response.headers, body=response.body)
