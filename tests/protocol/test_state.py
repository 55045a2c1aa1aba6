"""The state table: its whole product, what its rules promise, and its picture."""

from __future__ import annotations

import importlib.util
from itertools import product
from pathlib import Path

import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import TRANSITIONS, State, Trigger, next_state

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("state", "trigger"), list(product(State, Trigger)), ids=lambda x: x.name)
def test_every_trigger_is_in_the_table_or_refused(state: State, trigger: Trigger) -> None:
    if trigger in TRANSITIONS[state]:
        assert next_state(state, trigger) is TRANSITIONS[state][trigger]
    else:
        with pytest.raises(LocalProtocolError) as refusal:
            next_state(state, trigger)
        assert str(refusal.value) == f"a WebSocket that is {state.value} takes no: {trigger.value}"


def test_every_state_is_a_row_and_every_trigger_stands_in_one() -> None:
    assert list(TRANSITIONS) == list(State)
    assert {trigger for row in TRANSITIONS.values() for trigger in row} == set(Trigger)


def test_only_closed_is_terminal_and_every_state_leads_to_it() -> None:
    assert [state for state, row in TRANSITIONS.items() if not row] == [State.CLOSED]
    for state in State:
        assert State.CLOSED in reachable(state)
    assert reachable(State.CONNECTING) == set(State)


def test_each_side_sends_one_close_at_most() -> None:
    for row in TRANSITIONS.values():
        if after := row.get(Trigger.SEND_CLOSE):
            assert all(Trigger.SEND_CLOSE not in TRANSITIONS[state] for state in reachable(after))
            assert all(Trigger.SEND not in TRANSITIONS[state] for state in reachable(after))


def test_nothing_is_received_behind_a_close_or_a_fault() -> None:
    for row in TRANSITIONS.values():
        for trigger in (Trigger.RECEIVE_CLOSE, Trigger.FAIL):
            if after := row.get(trigger):
                assert all(
                    trigger not in TRANSITIONS[state]
                    for state in reachable(after)
                    for trigger in (Trigger.RECEIVE_CLOSE, Trigger.FAIL)
                )


def test_the_picture_in_the_docs_is_not_stale() -> None:
    spec = importlib.util.spec_from_file_location("draw_state", DOCS / "draw_state.py")
    assert spec is not None
    assert spec.loader is not None
    draw_state = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw_state)
    assert (DOCS / "state.md").read_text(encoding="utf-8") == draw_state.render(), (
        "docs/state.md is stale; run: python docs/draw_state.py"
    )


def reachable(state: State) -> set[State]:
    """Give every state that ``state`` can come to, itself included."""
    found: set[State] = set()
    waiting = {state}
    while waiting:
        current = waiting.pop()
        found.add(current)
        waiting |= set(TRANSITIONS[current].values()) - found
    return found
