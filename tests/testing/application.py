"""An app with each style of handler, for tests of the test client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fasterapi import (
    App,
    HTTPError,
    Request,
    Response,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)

ECHOES = ["/async", "/def", "/callbacks"]
STREAMS = ["/async-stream", "/def-stream", "/async-items", "/items"]
CRASHES = ["/async-crash", "/def-crash", "/callbacks-crash"]
STREAM_CRASHES = ["/stream-crash", "/def-stream-crash", "/items-crash"]


class Crash(Exception):
    """What a handler is not meant to raise."""


def make() -> App:
    """Make the app; what its handlers saw is in ``app.state``."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        app.state.log.append("start-up")
        yield
        app.state.log.append("shutdown")

    app = App(lifespan=lifespan)
    app.state.log = []
    app.state.ends = []
    app.state.cancelled = []
    _add_echoes(app)
    _add_closes(app)
    _add_crashes(app)
    _add_streams(app)
    _add_long_streams(app)
    _add_refusals(app)
    _add_pages(app)
    return app


def _add_echoes(app: App) -> None:
    ends: list[tuple[int | None, str]] = app.state.ends

    @app.websocket("/async", subprotocols=["chat", "mail"])
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)
        ends.append((ws.close_code, ws.close_reason))

    @app.websocket("/def", subprotocols=["chat", "mail"])
    def echo_def(ws: SyncWebSocket) -> None:
        for message in ws:
            ws.send(message)
        ends.append((ws.close_code, ws.close_reason))

    @app.websocket("/callbacks", subprotocols=["chat", "mail"])
    class Echo:
        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            ws.send(message)

        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            ends.append((code, reason))


def _add_closes(app: App) -> None:
    @app.websocket("/close/{code:int}")
    async def close(ws: WebSocket, code: int) -> None:
        await ws.send("bye")
        await ws.close(code, "because")

    @app.websocket("/flood")
    async def flood(ws: WebSocket) -> None:
        app.state.log.append("flooding")
        for _ in range(100):
            await ws.send(bytes(10_000))
        app.state.log.append("flooded")

    @app.websocket("/deaf")
    async def deaf(ws: WebSocket) -> None:
        await ws.accept()
        await asyncio.Event().wait()

    @app.websocket("/mute")
    async def mute(ws: WebSocket) -> None:
        await asyncio.Event().wait()

    @app.websocket("/closed")
    async def closed(ws: WebSocket) -> None:
        await ws.reject(401, headers=[("X-Why", "no")], body="log in first")


def _add_crashes(app: App) -> None:
    @app.websocket("/async-crash")
    async def crash(ws: WebSocket) -> None:
        await ws.send("before")
        raise Crash("async def")

    @app.websocket("/def-crash")
    def crash_def(ws: SyncWebSocket) -> None:
        ws.send("before")
        raise Crash("def")

    @app.websocket("/callbacks-crash")
    class Crashing:
        def on_open(self, ws: WebSocket) -> None:
            ws.send("before")

        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            raise Crash("callback")

    @app.websocket("/early-crash")
    async def early(ws: WebSocket) -> None:
        raise Crash("before the handshake")

    @app.sse("/stream-crash")
    async def stream(sse: SSEConnection) -> None:
        await sse.send("before")
        raise Crash("async stream")

    @app.sse("/def-stream-crash")
    def stream_def(sse: SyncSSEConnection) -> None:
        sse.send("before")
        raise Crash("def stream")

    @app.sse("/items-crash")
    def items() -> Iterator[str]:
        yield "before"
        raise Crash("generator")

    @app.get("/crash")
    async def page() -> None:
        raise Crash("page")

    @app.get("/def-crash-page")
    def page_def() -> None:
        raise Crash("def page")


def _add_streams(app: App) -> None:
    @app.sse("/async-stream")
    async def stream(sse: SSEConnection) -> None:
        for number in range(3):
            await sse.send({"number": number}, event="count", id=str(number))

    @app.sse("/def-stream")
    def stream_def(sse: SyncSSEConnection) -> None:
        for number in range(3):
            sse.send({"number": number}, event="count", id=str(number))

    @app.sse("/async-items")
    async def items() -> AsyncIterator[Any]:
        for number in range(3):
            yield {"number": number}

    @app.sse("/items")
    def items_def() -> Iterator[Any]:
        for number in range(3):
            yield {"number": number}


def _add_long_streams(app: App) -> None:
    @app.sse("/ticks")
    async def ticks(sse: SSEConnection) -> None:
        try:
            number = int(sse.last_event_id or 0)
            while True:
                await sse.send(str(number), id=str(number))
                number += 1
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            app.state.cancelled.append("ticks")
            raise

    @app.sse("/quiet")
    async def quiet(sse: SSEConnection) -> None:
        await asyncio.Event().wait()

    @app.sse("/quiet-def")
    def quiet_def(sse: SyncSSEConnection) -> None:
        sse.wait_closed()
        app.state.cancelled.append("quiet-def")


def _add_refusals(app: App) -> None:
    @app.sse("/members", methods=["GET", "POST"])
    async def members(sse: SSEConnection) -> None:
        if sse.request.method == "POST":
            await sse.send(sse.request.json())
            return
        raise HTTPError(403, "members only")

    @app.sse("/members-def")
    def members_def(sse: SyncSSEConnection) -> None:
        raise HTTPError(403, "members only")


def _add_pages(app: App) -> None:
    @app.get("/")
    async def index() -> str:
        return "<h1>hi</h1>"

    @app.get("/def-page")
    def index_def() -> dict[str, bool]:
        return {"thread": True}

    @app.route("/mirror", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def mirror(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "target": request.target,
            "headers": [list(field) for field in request.headers],
            "body": request.text(),
            "scheme": request.scheme,
            "client": request.client,
        }

    @app.get("/teapot")
    async def teapot() -> Response:
        return Response(418, [("X-Tea", "green")], "short and stout", reason="I'm a teapot")

    @app.get("/slow")
    def slow() -> str:
        while not app.state.log.count("go on"):
            time.sleep(0.001)
        return "at last"
