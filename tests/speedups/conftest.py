"""The one fixture through which every test of a kernel runs on both backends."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest

BACKENDS = {"python": "pure", "c": "native"}


def load(backend: str) -> ModuleType:
    """Load a backend; the test is skipped where it has not been built."""
    try:
        return import_module(f"fasterapi._speedups.{BACKENDS[backend]}")
    except ImportError as reason:
        pytest.skip(f"the {backend} backend is not installed here: {reason}")


@pytest.fixture(scope="session", params=list(BACKENDS))
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    """One backend after the other."""
    return load(request.param)


@pytest.fixture(scope="session")
def both() -> tuple[ModuleType, ModuleType]:
    """The specification, and what has to agree with it."""
    return load("python"), load("c")
