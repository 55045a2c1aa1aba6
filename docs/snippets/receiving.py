import asyncio

from fasterapi import App, ConnectionClosed, WebSocket

app = App()


@app.websocket("/kinds")
async def kinds(ws: WebSocket) -> None:
    while True:
        match await ws.receive():
            case str(text):
                await ws.send_text(f"{len(text)} characters")
            case bytes(data):
                await ws.send_text(f"{len(data)} bytes")


@app.websocket("/sum")
async def total(ws: WebSocket) -> None:
    while True:
        numbers = await ws.receive_json()
        await ws.send_json({"sum": sum(numbers)})


PATIENCE = 60.0


@app.websocket("/quiz")
async def quiz(ws: WebSocket) -> None:
    await ws.send_text("What is the answer?")
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await ws.receive_text()
    except TimeoutError:
        await ws.close(4000, "too slow")
    else:
        await ws.send_text("right" if answer == "42" else "wrong")


@app.websocket("/count")
async def count(ws: WebSocket) -> None:
    messages = 0
    try:
        while True:
            await ws.receive()
            messages += 1
    except ConnectionClosed as closed:
        print(f"{messages} messages, then {closed.code} {closed.reason}")
