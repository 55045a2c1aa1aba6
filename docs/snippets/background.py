import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fasterapi import App, ConnectionClosed, WebSocket


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    app.state.listeners = set()
    measuring = asyncio.create_task(measure(app.state.listeners))
    yield  # the server runs
    measuring.cancel()


async def measure(listeners: set[WebSocket]) -> None:
    value = 20.0
    while True:
        value += 0.1
        for ws in tuple(listeners):
            with suppress(ConnectionClosed):
                ws.send_text(json.dumps({"celsius": round(value, 1)}))
        await asyncio.sleep(0.1)


app = App(lifespan=lifespan)


@app.websocket("/temperature")
async def temperature(ws: WebSocket) -> None:
    await ws.accept()
    app.state.listeners.add(ws)
    try:
        await ws.wait_closed()
    finally:
        app.state.listeners.discard(ws)
