"""The programs of docs/servers.md, under uvicorn and under werkzeug's server."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import connect
from werkzeug.test import Client

from ..contrib.servers import serving
from ..contrib.uvicorns import Uvicorn
from .snippets import SNIPPETS, load


def test_servers_mounted() -> None:
    async def main() -> None:
        module = load(SNIPPETS / "servers_mounted.py")
        async with (
            serving("uvicorn-ours", module.api) as port,
            connect(f"ws://127.0.0.1:{port}/rt/rooms/lobby") as ws,
        ):
            await ws.send("hello")
            assert await ws.recv() == "lobby: hello"

    asyncio.run(main())


def test_servers_sse() -> None:
    async def main() -> None:
        module = load(SNIPPETS / "servers_sse.py")
        async with (
            serving("uvicorn", module.api) as port,
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/answers?question=why+not") as answer,
        ):
            assert await answer.text() == (
                "event: word\nid: 0\ndata: why\n\nevent: word\nid: 1\ndata: not\n\n"
                'data: {"done":true}\n\n'
            )

    asyncio.run(main())


def test_servers_uvicorn() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    async def main() -> None:
        strict = load(SNIPPETS / "servers_uvicorn.py").Strict
        async with Uvicorn(app, ws=strict) as server:
            with pytest.raises(websockets.InvalidStatus, match="403"):
                await connect(server.url, origin="http://evil.example")  # type: ignore[arg-type]

    asyncio.run(main())


def test_servers_flask() -> None:
    """Its WebSocket takes a server that hands out its socket: see tests/contrib/test_flask.py."""
    app = load(SNIPPETS / "servers_flask.py").app
    answer = Client(app).get("/events")
    assert answer.data == b'data: {"count":0}\n\ndata: {"count":1}\n\ndata: {"count":2}\n\n'
    assert any(rule.websocket for rule in app.url_map.iter_rules())
