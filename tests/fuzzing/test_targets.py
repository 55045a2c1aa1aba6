"""The corpus of each target, and mutants of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import event_stream, frames, http2, inflate

TARGETS = (event_stream, frames, http2, inflate)
SEEDS = [(target, seed) for target in TARGETS for seed in sorted(target.CORPUS.iterdir())]


@pytest.mark.parametrize(
    ("target", "seed"), SEEDS, ids=[f"{target.CORPUS.name}-{seed.name}" for target, seed in SEEDS]
)
def test_the_corpus_holds(target: ModuleType, seed: Path) -> None:
    target.check(seed.read_bytes())


@settings(deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=4),
)
def test_mutants_hold(seed: tuple[ModuleType, Path], changes: list[tuple[int, bytes]]) -> None:
    target, path = seed
    data = bytearray(path.read_bytes())
    for place, piece in changes:
        data[place : place + len(piece)] = piece
    target.check(bytes(data))
