"""Events: frozen, small, made for ``match``; what counts when two are compared."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from fasterapi.protocol import Closed, Event, Fragment, Ping, Pong

EVENTS = [Ping(b"p"), Pong(b"p"), Fragment("text", True), Closed(1000, "bye")]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_frozen_and_has_no_dict(event: Event) -> None:
    assert not hasattr(event, "__dict__")
    name = type(event).__slots__[0]  # type: ignore[union-attr]
    with pytest.raises(FrozenInstanceError):
        setattr(event, name, None)


def test_events_match_by_position() -> None:
    def describe(event: Event) -> str:
        match event:
            case str() | bytes():
                return f"message {event!r}"
            case Ping(payload) | Pong(payload):
                return f"control {payload!r}"
            case Fragment(data, fin):
                return f"fragment {data!r} {fin}"
            case Closed(code, reason):
                return f"closed {code} {reason}"

    assert [describe(event) for event in ["hi", b"hi", *EVENTS]] == [
        "message 'hi'",
        "message b'hi'",
        "control b'p'",
        "control b'p'",
        "fragment 'text' True",
        "closed 1000 bye",
    ]


def test_who_closed_and_how_long_a_pong_took_do_not_count_in_a_comparison() -> None:
    assert Closed(1000, "x", remote=True) == Closed(1000, "x")
    assert Pong(b"x", latency=1.0, answers=(b"x",)) == Pong(b"x")
    assert Closed(1000) != Closed(1001)
    assert Fragment(b"", True) != Fragment(b"", False)


def test_every_kind_of_event_is_in_the_union() -> None:
    assert set(Event.__args__) == {str, bytes, *map(type, EVENTS)}  # type: ignore[attr-defined]


def test_a_fragment_is_as_long_as_its_data_and_true_even_if_empty() -> None:
    assert [len(Fragment(data, False)) for data in ("", "µ€", b"abc")] == [0, 2, 3]
    assert Fragment("", True)
