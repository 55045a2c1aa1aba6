"""A server that clients of other libraries talk to, and what its handlers have seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fasterapi import App, sync
from fasterapi.aio import serve
from fasterapi.app import Style

from . import application


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the sync server what it has: the handlers of the kinds ``sync`` and its like."""
    items[:] = [item for item in items if not _is_without(item)]


def _is_without(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    if params.get("address") != "sync":
        return False
    return not any(
        str(params.get(name, "")).lstrip("/").startswith("sync") for name in ("kind", "path")
    )


@pytest.fixture(scope="session", params=["aio", "sync"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Serve the app; give its host and port."""
    serving = with_threads if request.param == "sync" else in_a_loop
    with serving() as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def with_threads() -> Iterator[int]:
    """Serve the ``def`` handlers without a loop."""
    app = App(limits=application.app.limits)
    for route in application.app.routes:
        if route.handler.style in (Style.FUNCTION, Style.GENERATOR):
            app._router.add(route)
    with sync.serve(app, port=0, access_log=False, grace=1) as server:
        yield server.port


@contextmanager
def in_a_loop() -> Iterator[int]:
    """Serve the whole app in a thread with a loop."""
    started: list[int] = []
    ready = threading.Event()
    stop: list[Any] = []

    async def main() -> None:
        stopping = asyncio.Event()
        async with serve(application.app, port=0, access_log=False, grace=1) as server:
            started.append(server.port)
            stop.extend([asyncio.get_running_loop(), stopping])
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=asyncio.run, args=[main()])
    thread.start()
    assert ready.wait(10)
    yield started[0]
    loop, stopping = stop
    loop.call_soon_threadsafe(stopping.set)
    thread.join(10)


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """Have the names of one test mean nothing to the next, which may be the same elsewhere."""
    application.closes.clear()
    application.gates.clear()


@pytest.fixture
def closed() -> Callable[[str], tuple[int | None, str]]:
    """Wait until the connection with that ``name`` in its query has ended; tell its handler's view.

    It blocks: within a loop that has to go on meanwhile, call it in a thread.
    """
    return lambda name: application.closes[name].get(timeout=10)


@pytest.fixture
def gate() -> Callable[[str], threading.Event]:
    """Give what the handler with that ``name`` waits for, or tells."""
    return application.gates.__getitem__
