"""``App`` under harnesses whose ``receive`` never waits: all events are there from the start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from fasterapi import (
    App,
    Limits,
    Request,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)

from .asgi_server import CONNECT, LEAVE, REQUEST, Server, scope

HELLO = {"type": "websocket.receive", "text": "hello"}

app = App(limits=Limits(answer_timeout=5))
ended: list[int | None] = []


@app.get("/page")
async def page(request: Request) -> str:
    await asyncio.sleep(0)
    return "<p>"


@app.get("/threads/page")
def page_of_a_thread(request: Request) -> str:
    return "<p>"


@app.sse("/events")
async def events(sse: SSEConnection) -> None:
    for number in range(3):
        await sse.send(str(number))


@app.sse("/generator")
async def generator() -> Any:
    for number in range(3):
        yield str(number)


@app.sse("/threads/events")
def events_of_a_thread(sse: SyncSSEConnection) -> None:
    sse.send("0")


@app.sse("/threads/generator")
def generator_of_a_thread() -> Iterator[str]:
    yield "0"


@app.sse("/endless")
async def endless(sse: SSEConnection) -> None:
    await sse.send("0")
    await asyncio.Event().wait()


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    try:
        async for message in ws:
            await ws.send(message)
    finally:
        ended.append(ws.close_code)


@app.websocket("/late")
async def late(ws: WebSocket) -> None:
    for _ in range(3):
        await asyncio.sleep(0)
    await echo(ws)


@app.websocket("/threads/echo")
def echo_of_a_thread(ws: SyncWebSocket) -> None:
    for message in ws:
        ws.send(message)
    ended.append(ws.close_code)


@app.websocket("/callbacks")
class Callbacks:
    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        ws.send(message)

    def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
        ended.append(code)


@app.websocket("/close")
async def close(ws: WebSocket) -> None:
    await ws.close(4001)


async def run(path: str, *events: dict[str, Any], always: dict[str, Any]) -> Server:
    """Have a scope answered whose ``receive`` always has an answer."""
    kind = "http" if events[0] is REQUEST else "websocket"
    server = Server(app, scope(kind, path), *events)
    server.always = always
    await server.end()
    return server


@pytest.mark.parametrize("path", ["/page", "/threads/page"])
@pytest.mark.parametrize("always", [REQUEST, LEAVE])
def test_a_page(path: str, always: dict[str, Any]) -> None:
    server = asyncio.run(run(path, REQUEST, always=always))
    assert (server.status, server.body) == (200, b"<p>")


@pytest.mark.parametrize("path", ["/events", "/generator"])
@pytest.mark.parametrize("always", [REQUEST, LEAVE])
def test_an_event_stream_as_far_as_it_goes_without_waiting(
    path: str, always: dict[str, Any]
) -> None:
    server = asyncio.run(run(path, REQUEST, always=always))
    assert (server.status, server.body) == (200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n")
    assert server.sent[-1]["more_body"] is False


def test_an_event_stream_until_it_waits() -> None:
    server = asyncio.run(run("/endless", REQUEST, always=LEAVE))
    assert (server.status, server.body) == (200, b"data: 0\n\n")


@pytest.mark.parametrize("path", ["/threads/events", "/threads/generator"])
def test_an_event_stream_of_a_thread(path: str) -> None:
    server = asyncio.run(run(path, REQUEST, always=REQUEST))
    assert (server.status, server.body) == (200, b"data: 0\n\n")
    # A thread has no turns of a loop to itself: how far it comes is not known.
    assert asyncio.run(run(path, REQUEST, always=LEAVE)).status == 200


@pytest.mark.parametrize("path", ["/echo", "/late", "/threads/echo", "/callbacks"])
@pytest.mark.parametrize("code", [1000, 1005, 4001])
def test_answers_to_what_came_before_a_close(path: str, code: int) -> None:
    ended.clear()
    gone = {"type": "websocket.disconnect", "code": code}
    server = asyncio.run(run(path, CONNECT, HELLO, HELLO, always=gone))
    assert [event["type"] for event in server.sent] == ["websocket.accept", *["websocket.send"] * 2]
    assert ended == [code]


def test_a_client_that_is_lost_once_it_has_said_something() -> None:
    ended.clear()
    gone = {"type": "websocket.disconnect", "code": 1006}
    server = asyncio.run(run("/echo", CONNECT, HELLO, always=gone))
    assert [event["type"] for event in server.sent] == ["websocket.accept", "websocket.send"]
    assert ended == [1006]


def test_messages_that_nobody_asks_for_any_more() -> None:
    server = asyncio.run(run("/close", CONNECT, always=HELLO))
    assert server.sent[-1] == {"type": "websocket.close", "code": 4001, "reason": ""}


def test_a_client_that_leaves_during_the_handshake() -> None:
    ended.clear()

    @app.websocket("/slow")
    async def slow(ws: WebSocket) -> None:
        while ws.is_open():
            await asyncio.sleep(0)
        ended.append(ws.close_code)

    gone = {"type": "websocket.disconnect", "code": 1006}
    server = asyncio.run(run("/slow", CONNECT, always=gone))
    assert server.sent == []
    assert ended == [1006]


def test_a_server_is_asked_for_the_next_event_when_the_last_is_answered() -> None:
    """It may close then: our class for uvicorn owes a Close until all before it is answered."""
    happened: list[str] = []
    events = [CONNECT, HELLO, HELLO, {"type": "websocket.disconnect", "code": 1002}]

    async def receive() -> Any:
        happened.append("asked")
        return events.pop(0)

    async def send(event: Any) -> None:
        happened.append(event["type"])

    async def main() -> None:
        async with asyncio.timeout(10):
            await app(scope("websocket", "/echo"), receive, send)

    asyncio.run(main())
    assert happened[-4:] == ["websocket.send", "asked", "websocket.send", "asked"]
