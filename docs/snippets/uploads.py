import hashlib

from fasterapi import App, Limits, WebSocket

app = App()

GIB = 1024**3


@app.websocket(
    "/upload",
    limits=Limits(max_message_size=4 * GIB, max_fragments=1024**2),
    compression=None,
)
async def upload(ws: WebSocket) -> None:
    digest = hashlib.sha256()
    async for part in ws.receive_stream():
        digest.update(part if isinstance(part, bytes) else part.encode())
    await ws.send_text(digest.hexdigest())
