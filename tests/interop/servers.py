"""Servers of other projects, each at work in a thread or a process, with the same two paths.

``/`` echoes and picks the subprotocol ``chat`` where it is offered; ``/close`` says its last words
and closes with 4001.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NODE_MODULES = HERE.parents[1] / "build" / "node" / "node_modules"
LARGEST = 4 << 20

Serving = Callable[[], AbstractContextManager[int]]


@contextmanager
def in_a_loop(serving: Callable[[], Any]) -> Iterator[int]:
    """Run an asynchronous context manager that gives a port, in a thread."""
    ports: list[int] = []
    started, loops = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def main() -> None:
        stop = asyncio.Event()
        async with serving() as port:
            ports.append(port)
            loops.append((asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert started.wait(10)
    try:
        yield ports[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@asynccontextmanager
async def _websockets() -> AsyncIterator[int]:
    from websockets.asyncio.server import ServerConnection, serve

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        if socket.request.path == "/close":
            await socket.send("last words")
            await socket.close(4001, "enough")
            return
        async for message in socket:
            await socket.send(message)

    async with serve(
        handle, "127.0.0.1", 0, subprotocols=["chat"], max_size=LARGEST,  # type: ignore[list-item]
        select_subprotocol=lambda _, offered: "chat" if "chat" in offered else None,  # type: ignore[arg-type, return-value]
    ) as server:  # fmt: skip
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def _aiohttp() -> AsyncIterator[int]:
    from aiohttp import WSMsgType, web

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["chat"], max_msg_size=LARGEST)
        await socket.prepare(request)
        if request.path == "/close":
            await socket.send_str("last words")
            await socket.close(code=4001, message=b"enough")
            return socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    await receive()
    chosen = "chat" if "chat" in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    if scope["path"] == "/close":
        await send({"type": "websocket.send", "text": "last words"})
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        return
    while (event := await receive())["type"] == "websocket.receive":
        kind = "text" if event.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: event[kind]})


def _uvicorn(ws: str) -> Serving:
    @asynccontextmanager
    async def serving() -> AsyncIterator[int]:
        import uvicorn

        config = uvicorn.Config(
            _asgi, host="127.0.0.1", port=0, ws=ws, lifespan="off", log_level="error"  # type: ignore[arg-type]
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            await task

    return lambda: in_a_loop(serving)


@contextmanager
def _node() -> Iterator[int]:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "ws").is_dir():
        pytest.skip(
            "node's ws is not installed here; with node and npm: make build/node/.installed"
        )
    with subprocess.Popen(
        [node, str(HERE / "node" / "server.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        yield int(process.stdout.readline())
        process.stdin.close()
        process.wait(10)


SERVERS: dict[str, Serving] = {
    "websockets": lambda: in_a_loop(_websockets),
    "aiohttp": lambda: in_a_loop(_aiohttp),
    "uvicorn": _uvicorn("websockets-sansio"),
    "uvicorn on wsproto": _uvicorn("wsproto"),
    "ws on node": _node,
}
