"""The server under test, and where in it a case looks.

``server`` is a process that a worker starts once for each kind of server. ``site`` is the same,
held to ``undisturbed`` during a case; ``echo`` is one of its echoing WebSockets, of either kind of
handler.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .peer import Peer
from .server import ServerProcess

SERVERS = ("asyncio", "uvloop", "sync")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what a server without an event loop has not, and what would be the same twice."""
    items[:] = [item for item in items if not _is_without(item)]


def _is_without(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    if "sync" not in (params.get("server"), params.get("own"), params.get("server_name")):
        return False
    return params.get("echo") == "" or item.get_closest_marker("event_loop") is not None


class Echo(NamedTuple):
    """A kind of handler, on a server."""

    site: ServerProcess
    prefix: str

    def open(self, path: str = "/ws", rest: bytes = b"", **options: Any) -> Peer:
        """Open a WebSocket to a handler of this kind."""
        return self.site.websocket(self.prefix + path, rest, **options)


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what a process costs is read off /proc, which is not here")
    if request.param == "uvloop":
        pytest.importorskip(request.param)
    with ServerProcess(request.param) as process:
        yield process


@pytest.fixture
def site(server: ServerProcess) -> Iterator[ServerProcess]:
    with server.undisturbed():
        yield server


@pytest.fixture(params=["", "/def"], ids=["async", "def"])
def echo(site: ServerProcess, request: pytest.FixtureRequest) -> Echo:
    return Echo(site, request.param)
