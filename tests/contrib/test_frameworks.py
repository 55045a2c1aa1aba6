"""FastAPI, Starlette and Litestar on uvicorn: its flag and ``SSEResponse`` are all that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import fastapi
import httpx
import litestar
import pytest
import websockets
from litestar.exceptions import WebSocketException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from fasterapi import SSEResponse

from .uvicorns import Uvicorn


async def numbers() -> AsyncIterator[dict[str, int]]:
    for number in range(3):
        yield {"n": number}


async def echo(ws: WebSocket) -> None:
    await ws.accept(subprotocol="chat", headers=[(b"x-name", b"value")])
    async for message in ws.iter_text():
        await ws.send_text(message)


async def close(ws: WebSocket) -> None:
    await ws.accept()
    await ws.close(4001, "enough")


async def refuse(ws: WebSocket) -> None:
    await ws.close()


async def events(request: Request) -> SSEResponse:
    return SSEResponse(numbers())


def in_starlette() -> Any:
    return Starlette(
        routes=[
            WebSocketRoute("/echo", echo),
            WebSocketRoute("/close", close),
            WebSocketRoute("/refuse", refuse),
            Route("/events", events),
        ]
    )


def in_fastapi() -> Any:
    api = fastapi.FastAPI()
    for path, endpoint in {"/echo": echo, "/close": close, "/refuse": refuse}.items():
        api.add_api_websocket_route(path, endpoint)

    @api.get("/events")
    async def get_events() -> SSEResponse:
        return SSEResponse(numbers())

    return api


def in_litestar() -> Any:
    @litestar.websocket("/echo")
    async def echo(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.accept(subprotocols="chat", headers={"x-name": "value"})
        async for message in socket.iter_data():
            await socket.send_data(message)

    @litestar.websocket("/close")
    async def close(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        raise WebSocketException(code=4001, detail="enough")

    @litestar.websocket("/refuse")
    async def refuse(socket: litestar.WebSocket[Any, Any, Any]) -> None:
        await socket.close()

    @litestar.get("/events")
    async def events() -> SSEResponse:
        return SSEResponse(numbers())

    # Its logging would be the whole process's.
    return litestar.Litestar([echo, close, refuse, events], logging_config=None)


@pytest.mark.parametrize("make", [in_starlette, in_fastapi, in_litestar])
def test_an_application_of_another_framework(make: Callable[[], Any]) -> None:
    async def main() -> None:
        async with Uvicorn(make(), ws="fasterapi.contrib.uvicorn:WebSocketProtocol") as server:
            async with connect(f"{server.url}/echo", subprotocols=["chat"]) as ws:  # type: ignore[list-item]
                assert ws.subprotocol == "chat"
                assert ws.response is not None
                assert ws.response.headers["x-name"] == "value"
                for message in ("hello", "ä" * 50_000):
                    await ws.send(message)
                    assert await ws.recv() == message
                await ws.close(4002, "bye")
                assert (ws.close_code, ws.close_reason) == (4002, "bye")
            async with connect(f"{server.url}/close") as ws:
                with pytest.raises(websockets.ConnectionClosed):
                    await ws.recv()
                assert (ws.close_code, ws.close_reason) == (4001, "enough")
            with pytest.raises(websockets.InvalidStatus) as caught:
                await connect(f"{server.url}/refuse")
            assert caught.value.response.status_code == 403
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{server.port}/events")
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.text == 'data: {"n":0}\n\ndata: {"n":1}\n\ndata: {"n":2}\n\n'

    asyncio.run(main())
