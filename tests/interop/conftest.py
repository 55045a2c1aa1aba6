"""A server that clients of other libraries talk to, with handlers of both kinds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fasterapi import (
    App,
    HTTPError,
    Limits,
    Request,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)  # fmt: skip
from fasterapi.aio import serve

app = App(limits=Limits(max_message_size=1 << 20, receive_high_water=1 << 16))
closes: dict[str, tuple[int | None, str]] = {}


@app.websocket("/async/echo", subprotocols=["superchat", "chat"], origins=None)
async def echo(ws: WebSocket) -> None:
    """Echo, and note how the connection ended."""
    try:
        async for message in ws:
            await ws.send(message)
    finally:
        closes[ws.request.query.get("name", "")] = ws.close_code, ws.close_reason


@app.websocket("/sync/echo", subprotocols=["superchat", "chat"], origins=None)
def sync_echo(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    try:
        for message in ws:
            ws.send(message)
    finally:
        closes[ws.request.query.get("name", "")] = ws.close_code, ws.close_reason


@app.websocket("/callbacks/echo", subprotocols=["superchat", "chat"], origins=None)
class Echo:
    """The same with callbacks."""

    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        """Echo."""
        ws.send(message)

    def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
        """Note it."""
        closes[ws.request.query.get("name", "")] = code, reason


@app.websocket("/async/close")
async def close(ws: WebSocket) -> None:
    """Close as the client asks."""
    await ws.close(int(await ws.receive_text()), "as you wish")


@app.websocket("/sync/close")
def sync_close(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.close(int(ws.receive_text()), "as you wish")


@app.websocket("/async/ping")
async def ping(ws: WebSocket) -> None:
    """Ping the client, and tell it how long that took."""
    await ws.send_json({"latency": await ws.ping()})


@app.websocket("/sync/ping")
def sync_ping(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.send_json({"latency": ws.ping(timeout=5)})


@app.websocket("/async/stream")
async def stream(ws: WebSocket) -> None:
    """Send what came in parts in parts."""
    await ws.send_stream([part async for part in ws.receive_stream()])


@app.websocket("/sync/stream")
def sync_stream(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.send_stream(list(ws.receive_stream()))


@app.websocket("/refused")
async def refused(ws: WebSocket) -> None:
    """Refuse the handshake."""
    raise HTTPError(401, "who are you?", headers=[("WWW-Authenticate", "Basic")])


@app.websocket("/rejected")
async def rejected(ws: WebSocket) -> None:
    """Reject the handshake."""
    await ws.reject(418, headers=[("X-Why", "teapot")], body="short and stout")


@app.websocket("/flood")
async def flood(ws: WebSocket) -> None:
    """Send 10 MB as fast as the client reads."""
    for number in range(1000):
        await ws.send(f"{number:05}".encode() * 2000)


@app.sse("/async/events", methods=["GET", "POST"])
async def events(sse: SSEConnection) -> None:
    """Send three events after the last one seen."""
    start = int(sse.last_event_id or 0)
    for number in range(start + 1, start + 4):
        await sse.send({"n": number, "text": "é\nü"}, event="count", id=str(number), retry=50)
    await sse.send("two\nlines", comment="that was all")


@app.sse("/sync/events", methods=["GET", "POST"])
def sync_events(sse: SyncSSEConnection) -> None:
    """The same in a thread."""
    start = int(sse.last_event_id or 0)
    for number in range(start + 1, start + 4):
        sse.send({"n": number, "text": "é\nü"}, event="count", id=str(number), retry=50)
    sse.send("two\nlines", comment="that was all")


@app.post("/json")
async def post_json(request: Request) -> dict[str, Any]:
    """Send the body back."""
    return {"got": request.json()}


@app.get("/page")
def page() -> str:
    """Serve a page."""
    return "<h1>hello</h1>"


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Serve the app in a thread; give its host and port."""
    started: list[str] = []
    ready = threading.Event()
    stop: list[Any] = []

    async def main() -> None:
        stopping = asyncio.Event()
        async with serve(app, port=0, access_log=False, grace=1) as server:
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


@pytest.fixture(scope="session")
def closed() -> dict[str, tuple[int | None, str]]:
    """How connections ended, by the ``name`` in their query."""
    return closes
