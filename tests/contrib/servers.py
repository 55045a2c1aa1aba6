"""Each server in the running loop, with one app: ours, and those that take ASGI applications."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fasterapi.aio import serve

from .daphne import run_daphne

__all__ = ["SERVERS", "serving"]


def serving(name: str, app: Any) -> AbstractAsyncContextManager[int]:
    """Serve an app; give the port."""
    return SERVERS[name](app)


@asynccontextmanager
async def _own(app: Any) -> AsyncIterator[int]:
    async with serve(app, port=0, access_log=False) as server:
        yield server.port


def _uvicorn(ws: str) -> Callable[[Any], AbstractAsyncContextManager[int]]:
    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[int]:
        import uvicorn

        with _listening() as sock:
            config = uvicorn.Config(app, ws=ws, log_config=None, lifespan="on")  # type: ignore[arg-type]
            server = uvicorn.Server(config)
            task = asyncio.create_task(server._serve([sock]))
            await _until(lambda: server.started or task.done())
            yield sock.getsockname()[1]
            server.should_exit = True
            await task

    return run


@asynccontextmanager
async def _hypercorn(app: Any) -> AsyncIterator[int]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    with _listening() as sock:
        stop = asyncio.Event()
        config = Config()
        port = sock.getsockname()[1]
        config.bind = [f"fd://{sock.detach()}"]  # it is the server's to close now
        config.graceful_timeout = 5
        task = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
        await _until(lambda: _accepts(port) or task.done())  # later than the app's start-up
        yield port
        stop.set()
        await task


@asynccontextmanager
async def _granian(app: Any) -> AsyncIterator[int]:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    with _listening() as sock:
        port = sock.getsockname()[1]
    server = Server(app, port=port, interface=Interfaces.ASGI, log_enabled=False)
    task = asyncio.create_task(server.serve())
    await _until(lambda: _accepts(port) or task.done())
    yield port
    server.stop()
    await task


SERVERS: dict[str, Callable[[Any], AbstractAsyncContextManager[int]]] = {
    "fasterapi": _own,
    "uvicorn": _uvicorn("websockets-sansio"),
    "uvicorn-ours": _uvicorn("fasterapi.contrib.uvicorn:WebSocketProtocol"),
    "hypercorn": _hypercorn,
    "granian": _granian,
    "daphne": run_daphne,
}


def _listening() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)
