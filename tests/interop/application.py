"""Routes for clients of other libraries: each in the kinds ``async``, ``sync`` and what fits."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from queue import Queue
from typing import Any, TypeVar

from fasterapi import (
    App,
    HTTPError,
    Limits,
    Request,
    ServerSentEvent,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)  # fmt: skip

T = TypeVar("T")

app = App(limits=Limits(max_message_size=1 << 20, receive_high_water=1 << 16))


class Shared(dict[str, T]):
    """One object for each name, made by whoever asks first, and the same for every thread.

    A ``defaultdict`` makes two, and loses one, when two threads are first at once.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> T:
        return self.setdefault(name, self._make())


# The tests run in the same process: what a handler has seen, and what it waits for, by the ``name``
# in the query.
closes: Shared[Queue[tuple[int | None, str]]] = Shared(Queue)
gates: Shared[threading.Event] = Shared(threading.Event)


def name_of(request: Request) -> str:
    return request.query.get("name", "")


# ----------------------------------------------------------------------------------- WebSockets


@app.websocket("/async/echo", subprotocols=["superchat", "chat"], origins=None)
async def echo(ws: WebSocket) -> None:
    """Echo, and note how the connection ended."""
    try:
        async for message in ws:
            await ws.send(message)
    finally:
        closes[name_of(ws.request)].put((ws.close_code, ws.close_reason))


@app.websocket("/sync/echo", subprotocols=["superchat", "chat"], origins=None)
def sync_echo(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    try:
        for message in ws:
            ws.send(message)
    finally:
        closes[name_of(ws.request)].put((ws.close_code, ws.close_reason))


@app.websocket("/callbacks/echo", subprotocols=["superchat", "chat"], origins=None)
class Echo:
    """The same with callbacks."""

    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        """Echo."""
        ws.send(message)

    def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
        """Note it."""
        closes[name_of(ws.request)].put((code, reason))


@app.websocket("/async/close")
async def close(ws: WebSocket) -> None:
    """Close as the client asks."""
    await ws.close(int(await ws.receive_text()), "as you wish")


@app.websocket("/sync/close")
def sync_close(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.close(int(ws.receive_text()), "as you wish")


@app.websocket("/async/ping")
async def ping(ws: WebSocket) -> None:
    """Ping the client, and tell it how long that took."""
    await ws.send_json({"latency": await ws.ping()})


@app.websocket("/sync/ping")
def sync_ping(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.send_json({"latency": ws.ping(timeout=5)})


@app.websocket("/async/stream")
async def stream(ws: WebSocket) -> None:
    """Send what came in parts in parts."""
    await ws.send_stream([part async for part in ws.receive_stream()])


@app.websocket("/sync/stream")
def sync_stream(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.send_stream(list(ws.receive_stream()))


@app.websocket("/async/greeting", subprotocols=["superchat", "chat"])
async def greeting(ws: WebSocket) -> None:
    """Accept with header fields, and the subprotocol that comes second."""
    await ws.accept(subprotocol="chat", headers=welcome(ws.request))


@app.websocket("/sync/greeting", subprotocols=["superchat", "chat"])
def sync_greeting(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.accept(subprotocol="chat", headers=welcome(ws.request))


def welcome(request: Request) -> list[tuple[str, str]]:
    return [
        ("X-Greeting", f"Hello, {request.headers['X-Name']}"),
        ("Set-Cookie", "seat=1"),
        ("Set-Cookie", "row=b"),
    ]


@app.websocket("/async/refused")
async def refused(ws: WebSocket) -> None:
    """Refuse the handshake by an error."""
    raise HTTPError(401, "who are you?", headers=[("WWW-Authenticate", "Basic")])


@app.websocket("/sync/refused")
def sync_refused(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    raise HTTPError(401, "who are you?", headers=[("WWW-Authenticate", "Basic")])


@app.websocket("/async/rejected")
async def rejected(ws: WebSocket) -> None:
    """Reject the handshake with a body of our own."""
    await ws.reject(403, headers=[("X-Why", "teapot")], body="short and stout")


@app.websocket("/sync/rejected")
def sync_rejected(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.reject(403, headers=[("X-Why", "teapot")], body="short and stout")


@app.websocket("/shared", origins=["https://friend.test"])
async def shared(ws: WebSocket) -> None:
    """Let one other origin's pages in."""
    await ws.send("welcome")


@app.websocket("/async/flood")
async def flood(ws: WebSocket) -> None:
    """Send 10 MB as fast as the client reads."""
    for number in range(1000):
        await ws.send(numbered(number))


@app.websocket("/sync/flood")
def sync_flood(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    for number in range(1000):
        ws.send(numbered(number))


def numbered(number: int) -> bytes:
    return f"{number:05}".encode() * 2000


@app.websocket("/async/slow")
async def slow(ws: WebSocket) -> None:
    """Receive nothing until the test says so; then tell the length of each message."""
    await ws.accept()
    await asyncio.to_thread(gates[name_of(ws.request)].wait, 30)
    async for message in ws:
        await ws.send_json(len(message))


@app.websocket("/sync/slow")
def sync_slow(ws: SyncWebSocket) -> None:
    """The same in a thread."""
    ws.accept()
    gates[name_of(ws.request)].wait(30)
    for message in ws:
        ws.send_json(len(message))


# -------------------------------------------------------------------------------- event streams


def after(last_event_id: str) -> range:
    start = int(last_event_id or 0)
    return range(start + 1, start + 4)


def data(number: int) -> dict[str, Any]:
    return {"n": number, "text": "é\nü"}


@app.sse("/async/events", methods=["GET", "POST"])
async def events(sse: SSEConnection) -> None:
    """Send three events after the last one seen, and one of another type."""
    for number in after(sse.last_event_id):
        await sse.send(data(number), event="count", id=str(number), retry=50)
        await sse.ping()
    await sse.send("two\nlines", comment="that was all")


@app.sse("/sync/events", methods=["GET", "POST"])
def sync_events(sse: SyncSSEConnection) -> None:
    """The same in a thread."""
    for number in after(sse.last_event_id):
        sse.send(data(number), event="count", id=str(number), retry=50)
        sse.ping()
    sse.send("two\nlines", comment="that was all")


@app.sse("/async-generator/events", methods=["GET", "POST"])
async def generated_events(sse: SSEConnection) -> AsyncIterator[ServerSentEvent | str]:
    """The same by yielding."""
    for number in after(sse.last_event_id):
        yield ServerSentEvent(json.dumps(data(number)), "count", str(number), 50)
    yield "two\nlines"


@app.sse("/sync-generator/events", methods=["GET", "POST"])
def sync_generated_events(sse: SyncSSEConnection) -> Iterator[ServerSentEvent | str]:
    """The same in a thread."""
    for number in after(sse.last_event_id):
        yield ServerSentEvent(json.dumps(data(number)), "count", str(number), 50)
    yield "two\nlines"


@app.sse("/async/words", methods=["POST"])
async def words(sse: SSEConnection) -> AsyncIterator[str]:
    """Send the words of the body."""
    for word in sse.request.json():
        yield word


@app.sse("/sync/words", methods=["POST"])
def sync_words(sse: SyncSSEConnection) -> Iterator[str]:
    """The same in a thread."""
    yield from sse.request.json()


@app.sse("/async/endless")
async def endless(sse: SSEConnection) -> None:
    """Send for as long as somebody reads, and note the end."""
    try:
        while True:
            await sse.send("x" * 1000)
            await asyncio.sleep(0)
    finally:
        gates[name_of(sse.request)].set()


@app.sse("/sync/endless")
def sync_endless(sse: SyncSSEConnection) -> None:
    """The same in a thread."""
    try:
        while True:
            sse.send("x" * 1000)
    finally:
        gates[name_of(sse.request)].set()


# ---------------------------------------------------------------------------------- plain routes


@app.post("/json")
async def post_json(request: Request) -> dict[str, Any]:
    """Send the body back."""
    return {"got": request.json()}


@app.get("/page")
def page() -> str:
    """Serve a page."""
    return "<h1>hello</h1>"
