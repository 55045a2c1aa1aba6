"""Event streams that never end by themselves: an App's, mounted in FastAPI, and FastAPI's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI

from fasterapi import App, SSEConnection, SSEResponse

api = FastAPI()
app = App()
api.mount("/rt", app)


@app.sse("/idle")
async def idle(sse: SSEConnection) -> None:
    try:
        await sse.send("one")
        await asyncio.Event().wait()
    finally:
        print("left", flush=True)  # noqa: T201  # the test reads it


@api.get("/idle")
async def other_idle() -> SSEResponse:
    async def stream() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            print("left", flush=True)  # noqa: T201  # the test reads it

    return SSEResponse(stream())
