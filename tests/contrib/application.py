"""One app, to be served by each server in turn, and what its handlers have seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fasterapi import (
    App,
    ConnectionClosed,
    HTTPError,
    LocalProtocolError,
    Request,
    Response,
    ServerSentEvent,
    SSEConnection,
    SSEResponse,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)

__all__ = ["make_app"]


def make_app() -> App:
    """Make the app; ``state.seen`` is what has happened in it."""
    app = App(lifespan=_lifespan)
    app.state.seen = []
    _add_echoes(app)
    _add_websockets(app)
    _add_endings(app)
    _add_streams(app)
    _add_endless_streams(app)
    _add_pages(app)
    return app


@asynccontextmanager
async def _lifespan(app: App) -> AsyncIterator[None]:
    app.state.seen.append("start")
    yield
    app.state.seen.append("stop")


def _add_echoes(app: App) -> None:
    @app.websocket("/echo/{room}", subprotocols=["two", "one"])
    async def echo(ws: WebSocket, room: str) -> None:
        async for message in ws:
            await ws.send(f"{room} {ws.request.query['x']}" if message == "where" else message)

    @app.websocket("/sync/{room}", subprotocols=["two", "one"])
    def sync_echo(ws: SyncWebSocket, room: str) -> None:
        for message in ws:
            ws.send(f"{room} {ws.request.query['x']}" if message == "where" else message)

    @app.websocket("/callbacks/{room}", subprotocols=["two", "one"])
    class Echo:
        def __init__(self, ws: WebSocket, room: str) -> None:
            self.room = room

        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            ws.send(f"{self.room} {ws.request.query['x']}" if message == "where" else message)


def _add_websockets(app: App) -> None:
    @app.websocket("/json")
    async def json(ws: WebSocket) -> None:
        await ws.send_json({"got": await ws.receive_json()})
        await ws.receive_json()

    @app.websocket("/beyond")
    async def beyond(ws: WebSocket) -> None:
        for refused in (ws.ping, ws.pong, lambda: ws.send_stream(["a", "b"])):
            try:
                await refused()  # type: ignore[operator]
            except LocalProtocolError as error:
                await ws.send(str(error))
        try:
            async for _ in ws.receive_stream():
                pass
        except LocalProtocolError as error:
            await ws.send(str(error))


def _add_endings(app: App) -> None:
    seen = app.state.seen

    @app.websocket("/close")
    async def close(ws: WebSocket) -> None:
        await ws.send("last")
        await ws.close(4002, "enough")

    @app.websocket("/crash")
    async def crash(ws: WebSocket) -> None:
        await ws.receive()
        raise ValueError("mine")

    @app.websocket("/closed")
    async def closed(ws: WebSocket) -> None:
        await ws.send("open")
        try:
            await ws.receive()
        except ConnectionClosed:
            seen.append((ws.close_code, ws.close_reason))

    @app.websocket("/send-only")
    async def send_only(ws: WebSocket) -> None:
        try:
            while True:
                await ws.send("tick")
                await asyncio.sleep(0.005)
        except ConnectionClosed:
            seen.append("left")

    @app.websocket("/sync-closed")
    def sync_closed(ws: SyncWebSocket) -> None:
        ws.send("open")
        try:
            ws.receive()
        except ConnectionClosed:
            seen.append("left")

    @app.websocket("/reject")
    async def reject(ws: WebSocket) -> None:
        await ws.reject(402, headers=[("X-Why", "money")], body="pay")

    @app.websocket("/forbidden")
    async def forbidden(ws: WebSocket) -> None:
        raise HTTPError(403, "not you")


def _add_streams(app: App) -> None:
    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        await sse.send({"after": sse.last_event_id}, event="first", id="1")
        await sse.send("two\nlines", comment="more")

    @app.sse("/sync-events")
    def sync_events(sse: SyncSSEConnection) -> None:
        sse.send({"after": sse.last_event_id}, event="first", id="1")
        sse.send("two\nlines", comment="more")

    @app.sse("/generated", methods=["POST"])
    def generated(request: Request) -> Iterator[Any]:
        for number in request.json():
            yield ServerSentEvent(str(number), id=str(number))

    @app.post("/returned")
    async def returned(request: Request) -> SSEResponse:
        async def stream() -> AsyncIterator[Any]:
            for number in request.json():
                yield {"n": number}

        return SSEResponse(stream(), headers=[("X-Name", "value")])

    @app.post("/sync-returned")
    def sync_returned(request: Request) -> SSEResponse:
        return SSEResponse({"n": number} for number in request.json())


def _add_endless_streams(app: App) -> None:
    seen = app.state.seen

    @app.sse("/endless")
    async def endless(sse: SSEConnection) -> None:
        try:
            while True:
                await sse.send("tick")
                await asyncio.sleep(0.005)
        finally:
            seen.append("left")

    @app.sse("/idle", keepalive=0.05)
    async def idle(sse: SSEConnection) -> None:
        try:
            await sse.send("one")
            await asyncio.sleep(60)
        finally:
            seen.append("left")

    @app.sse("/early")
    async def early(sse: SSEConnection) -> None:
        raise ValueError("before the first")

    @app.sse("/refused")
    async def refused(sse: SSEConnection) -> None:
        raise HTTPError(409, "not now")

    @app.sse("/late")
    async def late(sse: SSEConnection) -> None:
        await sse.send("one")
        raise ValueError("after the first")


def _add_pages(app: App) -> None:
    @app.get("/")
    async def page() -> str:
        return "<p>hello"

    @app.get("/sync-page")
    def sync_page() -> dict[str, int]:
        return {"a": 1}

    @app.get("/broken")
    async def broken() -> str:
        raise ValueError("mine")

    @app.post("/body/{name:path}")
    async def body(request: Request, name: str) -> Response:
        content = f"{name} {len(request.body)} {request.query['q']}"
        return Response(201, [("X-A", "1"), ("X-A", "2")], content)
