import secrets

from fasterapi import App, Compression, WebSocket, broadcast

app = App(compression=Compression(context_takeover=False))  # or False: never
members: set[WebSocket] = set()


@app.websocket("/images", compression=False)
async def images(ws: WebSocket) -> None:
    async for _ in ws:
        await ws.send(b"\x89PNG" + secrets.token_bytes(1000))


@app.websocket("/token")
async def token(ws: WebSocket) -> None:
    async for name in ws:
        await ws.send_json({"name": name, "token": secrets.token_hex(32)}, compress=False)


@app.websocket("/news")
async def news(ws: WebSocket) -> None:
    await ws.accept()
    members.add(ws)
    try:
        async for text in ws:
            broadcast(members, text)
    finally:
        members.discard(ws)


if __name__ == "__main__":
    app.run()
