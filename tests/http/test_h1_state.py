"""The table of an HTTP/1.1 connection's life, over the whole product of states and triggers."""

from __future__ import annotations

import itertools

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.http.h1_state import TRANSITIONS, State, Trigger, next_state


def test_every_state_is_listed() -> None:
    assert list(TRANSITIONS) == list(State)


def test_the_terminal_states_list_nothing() -> None:
    assert [state for state in State if not TRANSITIONS[state]] == [State.UPGRADED, State.CLOSED]


def test_every_state_but_the_first_is_reached() -> None:
    reached = {after for row in TRANSITIONS.values() for after in row.values()}
    assert reached == set(State)


def test_every_trigger_moves_something() -> None:
    assert {trigger for row in TRANSITIONS.values() for trigger in row} == set(Trigger)


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(State, Trigger)))
def test_a_trigger_moves_as_listed_or_is_refused_by_name(state: State, trigger: Trigger) -> None:
    if trigger in TRANSITIONS[state]:
        assert next_state(state, trigger) is TRANSITIONS[state][trigger]
    else:
        with pytest.raises(LocalProtocolError, match=f"cannot {trigger.value}: {state.value}"):
            next_state(state, trigger)
