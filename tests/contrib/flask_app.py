"""WebSockets and event streams in Flask."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask, Response, abort, request, session

from fasterapi import SyncWebSocket
from fasterapi.contrib.flask import websocket
from fasterapi.contrib.wsgi import sse_response

app = Flask(__name__)
app.secret_key = "secret"


@app.route("/echo/<room>", websocket=True)
@websocket(subprotocols=["two"])
def echo(ws: SyncWebSocket, room: str) -> None:
    for message in ws:
        where = f"{room} {request.args['x']} {session.get('user')}"
        ws.send(where if message == "where" else message)


@app.route("/close", websocket=True)
@websocket()
def close(ws: SyncWebSocket) -> None:
    ws.send("last")
    ws.close(4002, "enough")


@app.route("/crash", websocket=True)
@websocket()
def crash(ws: SyncWebSocket) -> None:
    ws.receive()
    raise ValueError("mine")


@app.route("/abort", websocket=True)
@websocket()
def refuse(ws: SyncWebSocket) -> None:
    abort(418)


@app.route("/reject", websocket=True)
@websocket()
def reject(ws: SyncWebSocket) -> None:
    ws.reject(402, body="pay", headers=[("X-Why", "money")])


@app.route("/busy", websocket=True)
@websocket()
def busy(ws: SyncWebSocket) -> None:
    ws.receive()
    go.wait(30)
    go.clear()
    ws.send("done")


go = threading.Event()


@app.route("/go", websocket=True)
@websocket()
def release_by_websocket(ws: SyncWebSocket) -> None:
    ws.send(release())


@app.get("/go")
def release() -> str:
    go.set()
    return "gone"


@app.get("/events")
def events() -> Any:
    count = int(request.args["count"])
    return sse_response({"n": number} for number in range(count))


@app.get("/")
def page() -> Response:
    return Response("hello")
