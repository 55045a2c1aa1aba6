import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from fasterapi import App, ConnectionClosed, WebSocket

app = App()


@app.websocket("/hello")
async def hello(ws: WebSocket) -> None:
    await ws.send("a str is a text message")
    await ws.send(b"bytes are a binary message")
    await ws.send_json({"compact": "JSON, in a text message"})


@app.websocket("/lines/{number:int}")
async def lines(ws: WebSocket, number: int) -> None:
    for line in range(number):
        await ws.send_text(f"line {line}")  # waits while the client reads more slowly than this


@app.websocket("/stopwatch")
async def stopwatch(ws: WebSocket) -> None:
    began = time.monotonic()

    async def tick() -> None:
        with suppress(ConnectionClosed):
            while True:
                await ws.send_json({"seconds": round(time.monotonic() - began, 1)})
                await asyncio.sleep(0.1)

    await ws.accept()
    async with asyncio.TaskGroup() as tasks:
        ticking = tasks.create_task(tick())
        async for message in ws:
            if message == "reset":
                began = time.monotonic()
        ticking.cancel()


@app.websocket("/latency")
async def latency(ws: WebSocket) -> None:
    for _ in range(3):
        seconds = await ws.ping()
        await ws.send_text(f"{seconds * 1000:.3f} ms")


async def report() -> AsyncIterator[str]:
    yield "name,value\n"
    for row in range(1000):
        yield f"row {row},{row * row}\n"


@app.websocket("/report")
async def download(ws: WebSocket) -> None:
    await ws.send_stream(report())  # one message, a fragment for each part
