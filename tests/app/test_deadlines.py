"""Deadlines in buckets, without a clock."""

from __future__ import annotations

import pytest

from fasterapi.app.deadlines import RESOLUTION, Deadlines, Timed


class Owner:
    """Notes when it is looked at, and answers with ``answer``."""

    def __init__(self, answer: float | None = None) -> None:
        self.bucket: int | None = None
        self.answer = answer
        self.seen: list[float] = []

    def on_timer(self, now: float) -> float | None:
        self.seen.append(now)
        answer, self.answer = self.answer, None
        return answer


class Noted(Deadlines):
    """Notes the owners that fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Timed] = []

    def _failed(self, owner: Timed, error: Exception) -> None:
        self.failures.append(owner)


def test_an_owner_is_looked_at_once_and_not_early() -> None:
    deadlines, owner = Noted(), Owner()
    deadlines.schedule(owner, 10.0)
    due = deadlines.next()
    assert due is not None
    assert 10.0 <= due <= 10.0 + RESOLUTION + 1e-9
    deadlines.walk(9.99)
    assert owner.seen == []
    deadlines.walk(due)
    deadlines.walk(99.0)
    assert owner.seen == [due]
    assert deadlines.next() is None


def test_the_earlier_deadline_counts() -> None:
    deadlines, owner = Noted(), Owner()
    for deadline in 20.0, 10.0, 30.0, None:
        deadlines.schedule(owner, deadline)
    deadlines.walk(11.0)
    assert owner.seen == [11.0]
    assert deadlines.next() is None


def test_the_answer_is_the_next_deadline_and_never_in_the_same_walk() -> None:
    deadlines, owner = Noted(), Owner(answer=5.0)
    deadlines.schedule(owner, 10.0)
    deadlines.walk(11.0)
    assert owner.seen == [11.0]
    deadlines.walk(11.0 + RESOLUTION)
    assert len(owner.seen) == 2


def test_whoever_is_forgotten_is_not_looked_at() -> None:
    deadlines, owner, other = Noted(), Owner(), Owner()
    deadlines.schedule(owner, 10.0)
    deadlines.schedule(other, 10.0)
    deadlines.cancel(owner)
    deadlines.cancel(owner)
    deadlines.walk(11.0)
    assert (owner.seen, other.seen) == ([], [11.0])
    deadlines.schedule(other, 20.0)
    deadlines.clear()
    deadlines.walk(21.0)
    assert other.seen == [11.0]


def test_one_that_fails_takes_nobody_with_it() -> None:
    class Broken(Owner):
        def on_timer(self, now: float) -> float | None:
            raise RuntimeError("meant to")

    deadlines, broken, owner = Noted(), Broken(), Owner()
    deadlines.schedule(broken, 10.0)
    deadlines.schedule(owner, 10.0)
    deadlines.walk(11.0)
    assert deadlines.failures == [broken]
    assert owner.seen == [11.0]


def test_failures_have_to_be_reported_by_somebody() -> None:
    class Broken(Owner):
        def on_timer(self, now: float) -> float | None:
            raise RuntimeError("meant to")

    deadlines = Deadlines()
    deadlines.schedule(Broken(), 10.0)
    with pytest.raises(NotImplementedError):
        deadlines.walk(11.0)
