from collections.abc import Iterator
from typing import Any

from flask import Flask

from fasterapi import SyncWebSocket
from fasterapi.contrib.flask import websocket
from fasterapi.contrib.wsgi import sse_response

app = Flask(__name__)


@app.route("/chat/<room>", websocket=True)
@websocket(subprotocols=["chat.v1"])
def chat(ws: SyncWebSocket, room: str) -> None:
    for message in ws:
        ws.send(f"{room}: {message}")


def count() -> Iterator[dict[str, int]]:
    for number in range(3):
        yield {"count": number}


@app.get("/events")
def events() -> Any:
    return sse_response(count())
