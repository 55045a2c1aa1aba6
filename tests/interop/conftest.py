"""A server that clients of other libraries talk to, and what its handlers have seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fasterapi.aio import serve

from . import application


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Serve the app in a thread; give its host and port."""
    started: list[str] = []
    ready = threading.Event()
    stop: list[Any] = []

    async def main() -> None:
        stopping = asyncio.Event()
        async with serve(application.app, port=0, access_log=False, grace=1) as server:
            started.append(f"127.0.0.1:{server.port}")
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
