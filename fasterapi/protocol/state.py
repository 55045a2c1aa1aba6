"""The life of a WebSocket as one table: state and trigger to state (RFC 6455, sections 4 and 7).

Rules
    1. Whoever sends the first Close gives the closing state its name.
    2. A peer's Close, and a fault of the peer, leave our own Close *owed*: it goes out behind
       the answers to what came before, so ``REMOTE_CLOSING`` still sends messages.
    3. Each side sends one Close at most.
    4. ``CLOSED`` is terminal: nothing is sent and whatever arrives is discarded. The transport
       may outlive it for a moment (section 7.1.1); that is no state of the WebSocket.

Theory
    A trigger that a state does not list is refused, and changes nothing: a refused trigger of our
    own caller is a ``LocalProtocolError``.
"""

from __future__ import annotations

from enum import Enum

from ..errors import LocalProtocolError

__all__ = ["TRANSITIONS", "State", "Trigger", "next_state"]


class State(Enum):
    """Where a WebSocket stands."""

    __hash__ = object.__hash__  # a member is one object; Enum's own is Python, and slow

    CONNECTING = "connecting"
    OPEN = "open"
    LOCAL_CLOSING = "local closing"
    REMOTE_CLOSING = "remote closing"
    CLOSED = "closed"


OPEN = State.OPEN  # for hot paths: a member of an Enum is looked up slowly


class Trigger(Enum):
    """What moves it."""

    __hash__ = object.__hash__  # a member is one object; Enum's own is Python, and slow

    ACCEPT = "the opening handshake succeeds"
    REJECT = "the opening handshake fails"
    SEND = "we send a message or a ping"
    SEND_CLOSE = "we send Close"
    RECEIVE_CLOSE = "the peer's Close arrives"
    FAIL = "we fail the connection"
    LOSE = "the transport ends"


TRANSITIONS: dict[State, dict[Trigger, State]] = {
    State.CONNECTING: {
        Trigger.ACCEPT: State.OPEN,
        Trigger.REJECT: State.CLOSED,
        Trigger.LOSE: State.CLOSED,
    },
    State.OPEN: {
        Trigger.SEND: State.OPEN,
        Trigger.SEND_CLOSE: State.LOCAL_CLOSING,
        Trigger.RECEIVE_CLOSE: State.REMOTE_CLOSING,
        Trigger.FAIL: State.REMOTE_CLOSING,
        Trigger.LOSE: State.CLOSED,
    },
    State.LOCAL_CLOSING: {
        Trigger.RECEIVE_CLOSE: State.CLOSED,
        Trigger.FAIL: State.CLOSED,
        Trigger.LOSE: State.CLOSED,
    },
    State.REMOTE_CLOSING: {
        Trigger.SEND: State.REMOTE_CLOSING,
        Trigger.SEND_CLOSE: State.CLOSED,
        # The peer may shut its half down behind its Close and still wait for ours.
        Trigger.LOSE: State.REMOTE_CLOSING,
    },
    State.CLOSED: {},
}


def next_state(state: State, trigger: Trigger) -> State:
    """Look a transition up.

    Raises:
        LocalProtocolError: If ``state`` refuses ``trigger``.
    """
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise LocalProtocolError(
            f"a WebSocket that is {state.value} takes no: {trigger.value}"
        ) from None
