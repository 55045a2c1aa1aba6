"""The life of an HTTP/1.1 connection as one table: state and trigger to state (server side).

Rules
    1. One exchange at a time: the next request is read when the answer to this one is complete.
    2. The last answer of a connection leads back to ``READING``, and from there at once to
       ``CLOSED``: whether it is the last depends on both heads, not on the state.
    3. ``CLOSED`` and ``UPGRADED`` are terminal. Whatever arrives in ``CLOSED`` is discarded; what
       arrives in ``UPGRADED`` belongs to another protocol.

Theory
    A trigger that a state does not list is refused, and changes nothing. Everything but
    ``REQUEST`` and ``CLOSE`` is pulled by our own caller: refused, it is a ``LocalProtocolError``.
"""

from __future__ import annotations

from enum import Enum

from ..errors import LocalProtocolError

__all__ = ["TRANSITIONS", "State", "Trigger", "next_state"]


class State(Enum):
    """Where the connection stands."""

    __hash__ = object.__hash__  # a member is one object; Enum's own is Python, and slow

    READING = "no whole request has come"
    ACTIVE = "a request waits for its answer"
    STREAMING = "a streamed body has begun"
    UPGRADED = "the connection speaks another protocol"
    CLOSED = "the connection is over"


class Trigger(Enum):
    """What moves it."""

    __hash__ = object.__hash__  # a member is one object; Enum's own is Python, and slow

    REQUEST = "take a request"
    RESPOND = "respond"
    START_STREAM = "start a stream"
    SEND_DATA = "send data"
    END = "end a stream"
    UPGRADE = "upgrade"
    REFUSE = "refuse"
    CLOSE = "close"


TRANSITIONS: dict[State, dict[Trigger, State]] = {
    State.READING: {
        Trigger.REQUEST: State.ACTIVE,
        Trigger.REFUSE: State.CLOSED,
        Trigger.CLOSE: State.CLOSED,
    },
    State.ACTIVE: {
        Trigger.RESPOND: State.READING,
        Trigger.START_STREAM: State.STREAMING,
        Trigger.UPGRADE: State.UPGRADED,
    },
    State.STREAMING: {
        Trigger.SEND_DATA: State.STREAMING,
        Trigger.END: State.READING,
    },
    State.UPGRADED: {},
    State.CLOSED: {},
}


def next_state(state: State, trigger: Trigger) -> State:
    """Look a transition up.

    Raises:
        LocalProtocolError: If ``state`` refuses ``trigger``.
    """
    after = TRANSITIONS[state].get(trigger)
    if after is None:
        raise LocalProtocolError(f"cannot {trigger.value}: {state.value}")
    return after
