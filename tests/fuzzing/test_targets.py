"""The corpus of the inflate target, and mutants of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing.inflate import CORPUS, check

SEEDS = sorted(CORPUS.iterdir())


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_the_corpus_holds(seed: Path) -> None:
    check(seed.read_bytes())


@settings(deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=4),
)
def test_mutants_hold(seed: Path, changes: list[tuple[int, bytes]]) -> None:
    data = bytearray(seed.read_bytes())
    for place, piece in changes:
        data[place : place + len(piece)] = piece
    check(bytes(data))
