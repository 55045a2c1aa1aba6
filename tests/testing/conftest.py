"""An app for each test, in a test client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fasterapi import App
from fasterapi.testing import TestClient

from .application import make


@pytest.fixture
def app() -> App:
    """Give an app with each style of handler."""
    return make()


@pytest.fixture
def c(app: App) -> Iterator[TestClient]:
    """Give a client of it."""
    with TestClient(app) as client:
        yield client
