"""Our own server in a thread of its own, for clients that block, with an app for clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fasterapi import App, Limits, Server, WebSocket, serve
from fasterapi.limits import DEFAULT_LIMITS


def client_app(seen: list[Any], limits: Limits = DEFAULT_LIMITS) -> App:
    """Make an app with what clients have to deal with.

    Args:
        seen: Gets the close code and reason of each connection to ``/``.
        limits: The app's.
    """
    app = App(limits=limits)

    @app.websocket("/")
    async def echo(ws: WebSocket) -> None:
        try:
            async for message in ws:
                await ws.send(message)
        finally:
            seen.append((ws.close_code, ws.close_reason))

    @app.websocket("/request", subprotocols=["chat"])
    async def request(ws: WebSocket) -> None:
        await ws.send_json([ws.request.query_string, *map(list, ws.request.headers)])

    @app.websocket("/close")
    async def close(ws: WebSocket) -> None:
        await ws.send("last words")
        await ws.close(4001, "enough")

    @app.websocket("/reject")
    async def reject(ws: WebSocket) -> None:
        await ws.reject(403, body="members only", headers=[("X-Why", "because")])

    @app.websocket("/push")
    async def push(ws: WebSocket) -> None:
        for number in range(1000):
            await ws.send(f"{number}" * 100)

    return app


class Running:
    """A server in a thread.

    Attributes:
        url: Where clients find it; empty for a unix socket.
        seen: See ``client_app``.
    """

    def __init__(self, server_url: str, seen: list[Any]) -> None:
        self.url = server_url.replace("http", "ws", 1)
        self.seen = seen


@contextmanager
def in_a_thread(app: App | None = None, **options: Any) -> Iterator[Running]:
    """Run a server in a thread as long as the block takes."""
    seen: list[Any] = []
    started, servers = threading.Event(), list[Server]()
    stop: list[asyncio.Event] = []

    async def main() -> None:
        stop.append(asyncio.Event())
        async with serve(app or client_app(seen), port=0, access_log=False, **options) as server:
            servers.append(server)
            started.set()
            await stop[0].wait()

    def run() -> None:
        try:
            asyncio.run(main())
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    try:
        yield Running("" if "uds" in options else servers[0].url, seen)
    finally:
        servers[0].loop.call_soon_threadsafe(stop[0].set)
        thread.join(10)
        assert not thread.is_alive()
