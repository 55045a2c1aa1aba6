from dataclasses import replace

from fasterapi import App, Limits, WebSocket

app = App(limits=Limits(max_message_size=64 * 1024, max_connections=2000))


@app.websocket("/notes")
async def notes(ws: WebSocket) -> None:
    async for note in ws:
        await ws.send_json({"length": len(note)})


@app.websocket(
    "/images",
    limits=replace(app.limits, max_message_size=8 * 1024 * 1024),
    ping_interval=5,
    ping_timeout=10,
)
async def images(ws: WebSocket) -> None:
    async for image in ws:
        await ws.send_json({"size": len(image)})
