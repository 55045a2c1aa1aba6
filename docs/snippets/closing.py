from fasterapi import App, WebSocket

app = App()

open_files: set[str] = set()


@app.websocket("/guess")
async def guess(ws: WebSocket) -> None:
    for _ in range(3):
        if await ws.receive_text() == "7":
            await ws.close(1000, "right")
            return
    await ws.close(4001, "three wrong guesses")


@app.websocket("/edit/{name}")
async def edit(ws: WebSocket, name: str) -> None:
    open_files.add(name)
    try:
        while True:
            command = await ws.receive_json()
            await ws.send_json({"done": command})
    finally:
        open_files.discard(name)


@app.websocket("/watch")
async def watch(ws: WebSocket) -> None:
    await ws.send_text("watching")
    await ws.wait_closed()
    print(f"left with {ws.close_code} {ws.close_reason}")
