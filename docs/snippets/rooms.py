import json
from collections import defaultdict
from contextlib import suppress

from fasterapi import App, ConnectionClosed, WebSocket

app = App()
rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)


def broadcast(room: str, text: str) -> None:
    message = json.dumps({"room": room, "text": text})
    for ws in tuple(rooms[room]):
        with suppress(ConnectionClosed):
            ws.send_text(message)  # queued; not awaited, so nobody waits for a slow reader


@app.websocket("/rooms/{room}")
async def chat(ws: WebSocket, room: str) -> None:
    await ws.accept()
    rooms[room].add(ws)
    try:
        async for text in ws:
            broadcast(room, text)
    finally:
        rooms[room].discard(ws)


if __name__ == "__main__":
    app.run()
