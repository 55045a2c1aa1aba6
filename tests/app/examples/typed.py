"""Every way to register a handler, with the types that a type checker is to see."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import assert_type

from fasterapi import (
    SAME_ORIGIN,
    App,
    Limits,
    Request,
    Response,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    app.state.ready = True
    yield


app = App(limits=Limits(max_message_size=1024), origins=None, lifespan=lifespan)


@app.websocket("/ws/{room}", origins=["https://page.example"], subprotocols=["chat"])
async def chat(ws: WebSocket, room: str) -> None:
    await ws.send_text(await ws.receive_text())


@app.websocket("/sync", origins=SAME_ORIGIN, ping_interval=None, ping_timeout=5)
def sync_chat(ws: SyncWebSocket) -> None:
    ws.send_text(ws.receive_text())


@app.sse("/events", keepalive=5, headers={"X-A": "1"}, origins="*")
async def events(sse: SSEConnection) -> None:
    await sse.send({"count": 1}, event="count")


@app.sse("/blocking", methods=["POST"], headers=[("X-A", "1")], keepalive=None)
def blocking(sse: SyncSSEConnection) -> None:
    sse.send("x", id="1")


@app.sse("/ticks")
async def ticks() -> AsyncIterator[int]:
    yield 1


@app.sse("/tocks")
def tocks() -> Iterator[str]:
    yield "x"


@app.get("/")
async def index() -> str:
    return "index"


@app.post("/items/{n:int}")
def create(request: Request, n: int) -> Response:
    return Response(201, body=request.body * n)


@app.route("/any", methods=["PUT", "PATCH"])
async def anything(request: Request) -> dict[str, str]:
    return {"method": request.method}


assert_type(ticks(), AsyncIterator[int])
assert_type(tocks(), Iterator[str])
checked: Callable[[Request, int], Response] = create


async def use() -> None:
    assert_type(await index(), str)
    assert_type(await anything(Request("PUT", "/any")), dict[str, str])
