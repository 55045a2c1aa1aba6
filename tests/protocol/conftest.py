"""Fixtures of the protocol's tests: both roles, one after the other."""

from __future__ import annotations

import pytest

from fasterapi.protocol import Role

from .wire import Peer


@pytest.fixture(params=list(Role), ids=lambda role: f"as-{role.value}")
def role(request: pytest.FixtureRequest) -> Role:
    """Our role."""
    return request.param


@pytest.fixture
def peer(role: Role) -> Peer:
    """The other end of a connection in our role."""
    return Peer(role)
