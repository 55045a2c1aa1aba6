from typing import ClassVar

from fasterapi import App, WebSocket

app = App()


@app.websocket("/relay/{name}")
class Relay:
    connected: ClassVar[set[WebSocket]] = set()

    def __init__(self, name: str) -> None:  # an instance a connection
        self.name = name

    def on_open(self, ws: WebSocket) -> None:
        self.connected.add(ws)

    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        for other in self.connected - {ws}:
            other.send(f"{self.name}: {message!r}")

    def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
        self.connected.discard(ws)
