"""Three WebSockets and the page that uses them: an echo, a latency meter and a shared counter.

Run it with ``python examples/websocket_demo.py`` and open http://127.0.0.1:8000.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from fasterapi import App, ConnectionClosed, WebSocket
from fasterapi.examples.page import load

app = App()
PAGE: str = load("websocket.html")


@app.get("/")
async def page() -> str:
    """Serve the page."""
    return PAGE


@app.websocket("/ws/echo")
async def echo(ws: WebSocket) -> None:
    """Answer text with text and bytes with bytes."""
    await ws.send_text("Connected!")
    async for message in ws:
        if isinstance(message, str):
            await ws.send_text(f"Echo: {message}")
        else:
            await ws.send_binary(b"Echo: " + message)


@app.websocket("/ws/ping")
async def ping(ws: WebSocket) -> None:
    """Report the latency each second, and answer "ping 1234.5" with that time stamp."""
    reports = asyncio.create_task(report_latency(ws))
    try:
        async for message in ws:
            if isinstance(message, str) and message.startswith("ping"):
                timestamp = message.removeprefix("ping").strip()
                await ws.send_json({"type": "pong", "timestamp": timestamp})
    finally:
        reports.cancel()


async def report_latency(ws: WebSocket) -> None:
    """Send the round-trip time of a ping frame each second, until the page goes away."""
    with suppress(ConnectionClosed):
        while True:
            latency = await ws.ping()
            await ws.send_json({"type": "latency", "latency_ms": round(latency * 1000, 3)})
            await asyncio.sleep(1)


class Counter:
    """A number that all open pages share."""

    def __init__(self) -> None:
        self.value = 0
        self.pages: set[WebSocket] = set()

    def publish(self) -> None:
        """Queue the number for every page.

        Nothing is awaited, so a slow page holds up nobody: what it does not take waits in its own
        write buffer, and over that buffer's limit its connection alone is dropped.
        """
        message = json.dumps({"value": self.value, "pages": len(self.pages)})
        for page in tuple(self.pages):
            with suppress(ConnectionClosed):
                page.send_text(message)


shared = Counter()


@app.websocket("/ws/counter")
async def counter(ws: WebSocket) -> None:
    """Change the shared number as this page asks, and show every change to all pages."""
    await ws.accept()
    shared.pages.add(ws)
    shared.publish()
    try:
        while True:
            match await ws.receive_json():
                case {"action": "increment"}:
                    shared.value += 1
                case {"action": "decrement"}:
                    shared.value -= 1
                case {"action": "reset"}:
                    shared.value = 0
                case _:
                    await ws.close(1008, "unknown action")
                    break
            shared.publish()
    finally:
        shared.pages.discard(ws)
        shared.publish()


if __name__ == "__main__":
    app.run()
