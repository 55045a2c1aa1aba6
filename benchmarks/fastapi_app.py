"""FastAPI's WebSocket and its streaming response; it reads the annotations, so they are no text."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from .servers import TEXT

app = FastAPI()


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    """Echo text."""
    await ws.accept()
    async for text in ws.iter_text():
        await ws.send_text(text)


async def stream() -> AsyncIterator[str]:
    """Yield events without an end."""
    while True:
        yield f"id: 1\nevent: price\ndata: {TEXT}\n\n"
        await asyncio.sleep(0)  # without it, a client that leaves is never noticed


@app.get("/events")
async def events() -> StreamingResponse:
    """Stream events."""
    return StreamingResponse(stream(), media_type="text/event-stream")
