"""Routes for Chromium's own WebSocket and EventSource: ``python -m tests.browser.application``."""

from __future__ import annotations

import argparse

from fasterapi import App, HTTPError, Response, SSEConnection, WebSocket

ALLOWED = "http://localhost"  # its port is given on the command line


def make_app(origin: str) -> App:
    """Make the app; ``origin`` is the one other origin that may connect."""
    app = App()

    @app.get("/")
    def page() -> str:
        return "<!doctype html><title>empty</title>"

    @app.websocket("/echo", subprotocols=["chat"], origins=[origin])
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    @app.websocket("/own")
    async def own(ws: WebSocket) -> None:
        await ws.close(4321, "as agreed")

    @app.websocket("/closed")
    async def closed(ws: WebSocket) -> None:
        await ws.wait_closed()
        app.state.closed = [ws.close_code, ws.close_reason]

    @app.get("/closed-with")
    def closed_with() -> list[object]:
        return list(getattr(app.state, "closed", ()))

    @app.sse("/events", origins=[origin])
    async def events(sse: SSEConnection) -> None:
        start = int(sse.last_event_id or 0)
        for value in range(start + 1, start + 3):
            await sse.send({"n": value}, event="count", id=str(value), retry=50)

    @app.sse("/private")
    async def private(sse: SSEConnection) -> None:
        await sse.send("secret")

    @app.get("/stop")
    def stop() -> Response:
        return Response(204)

    @app.sse("/refused")
    async def refused(sse: SSEConnection) -> None:
        raise HTTPError(404)

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    make_app(f"{ALLOWED}:{port}").run(port=port, access_log=False)
