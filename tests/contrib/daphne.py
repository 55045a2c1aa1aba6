"""daphne in a thread: its reactor can be run once in a process, so one server serves each app."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["run_daphne"]

_started = threading.Event()
_server: Any = None
_app: Any = None


@asynccontextmanager
async def run_daphne(app: Any) -> AsyncIterator[int]:
    """Serve an app; give the port."""
    global _app  # noqa: PLW0603  # what the one server serves
    _app = app
    if _server is None:
        threading.Thread(target=_run, name="daphne", daemon=True).start()
    await asyncio.to_thread(_started.wait, 20)
    async with asyncio.timeout(20):
        while not _server.listening_addresses:
            await asyncio.sleep(0.002)
    yield _server.listening_addresses[0][1]
    async with asyncio.timeout(20):
        while any("disconnected" not in found for found in list(_server.connections.values())):
            await asyncio.sleep(0.002)


async def _serve(scope: Any, receive: Any, send: Any) -> None:
    await _app(scope, receive, send)


def _run() -> None:
    global _server  # noqa: PLW0603
    from daphne.server import Server

    _server = Server(
        _serve,
        endpoints=["tcp:0:interface=127.0.0.1"],
        signal_handlers=False,
        ready_callable=_started.set,
        verbosity=0,
    )
    _server.run()
