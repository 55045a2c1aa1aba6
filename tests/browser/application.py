"""Routes for Chromium's own WebSocket and EventSource: ``python -m tests.browser.application``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fasterapi import App, Compression, HTTPError, Response, SSEConnection, WebSocket

RETRY = 50  # milliseconds
COMPRESSIONS = {
    "none": None,
    "narrow": Compression(window_bits=9, memory_level=1, level=9, minimum_size=0),
    "wide": Compression(window_bits=15, memory_level=9, level=1),
    "forgetful": Compression(context_takeover=False, minimum_size=0),
    "least": Compression(window_bits=9, memory_level=1, context_takeover=False),
}
"""Each has a route of its own, which echoes messages whole and then in fragments."""


def make_app(*origins: str) -> App:
    """Make the app; ``origins`` are those whose pages may use the routes named shared."""
    app = App()
    add_pages(app)
    add_websockets(app, origins)
    add_streams(app, origins)
    return app


def add_pages(app: App) -> None:
    """Add what is neither a WebSocket nor an event stream."""

    @app.get("/")
    def page() -> str:
        return '<!doctype html><title>empty</title><link rel="icon" href="data:,">'

    @app.get("/stop")
    def stop() -> Response:
        return Response(204)


def add_websockets(app: App, origins: Sequence[str]) -> None:
    """Add the WebSockets."""

    @app.websocket("/echo", subprotocols=["chat"])
    @app.websocket("/shared/echo", subprotocols=["chat"], origins=origins)
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    for name, compression in COMPRESSIONS.items():

        @app.websocket(f"/compressed/{name}", subprotocols=["chat"], compression=compression)
        async def twice(ws: WebSocket) -> None:
            async for message in ws:
                await ws.send(message)
                await ws.send_stream([message[:9], message[9:99], message[99:]])

    @app.websocket("/own")
    async def own(ws: WebSocket) -> None:
        await ws.close(4321, "as agreed")

    closed_with: dict[str, list[object]] = {}

    @app.websocket("/closed/{name}")
    async def closed(ws: WebSocket, name: str) -> None:
        await ws.wait_closed()
        closed_with[name] = [ws.close_code, ws.close_reason]

    @app.get("/closed-with/{name}")
    def tell(name: str) -> list[object]:
        return closed_with.get(name, [])


def add_streams(app: App, origins: Sequence[str]) -> None:
    """Add the event streams."""

    @app.sse("/events")
    @app.sse("/shared/events", origins=origins)
    async def events(sse: SSEConnection) -> None:
        start = int(sse.last_event_id or 0)
        for value in range(start + 1, start + 3):
            await sse.send({"n": value}, event="count", id=str(value), retry=RETRY)

    @app.sse("/retry/{milliseconds:int}")
    async def retry(sse: SSEConnection, milliseconds: int) -> None:
        await sse.send("once more", retry=milliseconds)

    @app.sse("/text")
    async def text(sse: SSEConnection) -> None:
        if sse.last_event_id:
            await sse.send(sse.last_event_id)
        else:
            await sse.send(" two\nlines\n", id="é…😀", retry=RETRY, comment="no data")

    @app.sse("/refused")
    async def refused(sse: SSEConnection) -> None:
        raise HTTPError(404)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("origins", nargs="*")
    args = parser.parse_args()
    make_app(*args.origins).run(port=args.port, access_log=False)
