from fasterapi import App, WebSocket

app = App()


@app.websocket("/ws/{room}")
async def echo(ws: WebSocket, room: str):
    await ws.send_text("Connected!")
    while ws.is_open():
        message = await ws.receive()  # str or bytes
        await ws.send_text(f"Echo: {message}")


if __name__ == "__main__":
    app.run()  # http://127.0.0.1:8000
