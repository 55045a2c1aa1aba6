from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from fasterapi import App, WebSocket

app = App()


@app.websocket("/rooms/{room}")
async def chat(ws: WebSocket, room: str) -> None:
    async for message in ws:
        await ws.send(f"{room}: {message}")


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    async with app.lifespan_context():
        yield


api = FastAPI(lifespan=lifespan)
api.mount("/rt", app)  # ws://.../rt/rooms/lobby
