"""What most tests of a blocking session begin with."""

from __future__ import annotations

import pytest

from .memory import Session


@pytest.fixture
def session() -> Session:
    return Session()
