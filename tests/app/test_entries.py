"""What blocks have open: of one task in one another, of several beside each other."""

from __future__ import annotations

from fasterapi.app.entries import Entries


def test_blocks_lie_in_one_another() -> None:
    entries: Entries[str] = Entries()
    assert [entries.push("a task", item) for item in ("outer", "inner")] == ["outer", "inner"]
    assert [entries.pop("a task") for _ in range(2)] == ["inner", "outer"]
    entries.push("a task", "next")
    assert entries.pop("a task") == "next"


def test_each_has_its_own() -> None:
    entries: Entries[str] = Entries()
    for owner in ("first", "second", "third"):
        entries.push(owner, owner)
    assert [entries.pop(owner) for owner in ("second", "first", "third")] == [
        "second",
        "first",
        "third",
    ]


def test_a_block_that_another_leaves_is_the_last_one() -> None:
    entries: Entries[str] = Entries()
    entries.push("first", "1")
    entries.push("second", "2")
    assert [entries.pop("finaliser") for _ in range(2)] == ["2", "1"]
