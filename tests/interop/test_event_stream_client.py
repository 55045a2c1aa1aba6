"""Our clients of event streams against servers: ours, aiohttp's, sse-starlette on uvicorn."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from aiohttp import web
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import fasterapi
from fasterapi import HandshakeError, Reconnect, ServerSentEvent

AT_ONCE = Reconnect(delay=0.0, jitter=0.0)
TEXT = "é…😀\nü"


def read_sync(url: str, **options: Any) -> list[ServerSentEvent]:
    with fasterapi.sync.events(url, proxy=None, **options) as stream:
        return list(stream)


def read_async(url: str, **options: Any) -> list[ServerSentEvent]:
    async def main() -> list[ServerSentEvent]:
        async with fasterapi.events(url, proxy=None, **options) as stream:
            return [event async for event in stream]

    return asyncio.run(main())


Read = Callable[..., list[ServerSentEvent]]


@pytest.fixture(params=[read_sync, read_async], ids=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Read:
    found: Read = request.param
    return found


# -------------------------------------------------------------------------- our own server


@pytest.mark.parametrize("kind", ["async", "sync", "async-generator", "sync-generator"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_our_own_server(read: Read, address: str, kind: str, method: str) -> None:
    url = f"http://{address}/{kind}/events"
    *counts, last = read(url, method=method, last_event_id="41", reconnect=False)
    assert [(event.event, event.id, event.retry) for event in counts] == [
        ("count", str(number), 50) for number in (42, 43, 44)
    ]
    assert [event.json()["text"] for event in counts] == ["é\nü"] * 3
    assert last == ServerSentEvent("two\nlines", id="44")


def test_our_own_server_gets_a_body(read: Read, address: str) -> None:
    words = ["", "two\nlines", " spaced ", "é…😀", "id: 1"]
    found = read(f"http://{address}/async/words", json=words)
    assert [event.data for event in found] == words


# ---------------------------------------------------------------------------------- others


async def respond_aiohttp(request: web.Request) -> web.StreamResponse:
    last = int(request.headers.get("Last-Event-ID", "0"))
    if last >= 6:
        return web.Response(status=204)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    if request.query.get("chunked") == "1":
        response.enable_chunked_encoding()
    await response.prepare(request)
    for number in range(last + 1, last + 4):
        data = f"data: {TEXT}\n".replace("\n", "\ndata: ", 1)
        await response.write(f"id: {number}\nevent: count\n{data}\n".encode())
        await response.write(b": comment\n\n")
    return response


async def echo_aiohttp(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for word in await request.json():
        await response.write(f"data: {word}\n\n".encode())
    return response


@pytest.fixture(scope="module")
def aiohttp_server() -> Iterator[str]:
    started: list[Any] = []
    ready = threading.Event()

    async def main() -> None:
        app = web.Application()
        app.add_routes([web.get("/count", respond_aiohttp), web.post("/echo", echo_aiohttp)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stopping = asyncio.Event()
        started.extend([runner.addresses[0][1], asyncio.get_running_loop(), stopping])
        ready.set()
        await stopping.wait()
        await runner.cleanup()

    thread = threading.Thread(target=asyncio.run, args=[main()])
    thread.start()
    assert ready.wait(10)
    port, loop, stopping = started
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(stopping.set)
    thread.join(10)


async def respond_starlette(request: Request) -> Response:
    last = int(request.headers.get("Last-Event-ID", "0"))
    if last >= 6:
        return Response(status_code=204)

    async def count() -> AsyncIterator[dict[str, Any]]:
        for number in range(last + 1, last + 4):
            yield {"id": str(number), "event": "count", "data": TEXT, "retry": 0}
            yield {"comment": "nothing"}

    return EventSourceResponse(count(), sep=request.query_params.get("sep", "\r\n"))


async def echo_starlette(request: Request) -> Response:
    words = await request.json()
    body = (f"data: {word}\n\n" for word in words)
    return StreamingResponse(body, media_type="text/event-stream")


def refuse_starlette(request: Request) -> Response:
    return PlainTextResponse("come back never", status_code=418)


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=[[sock]])
        thread.start()
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def starlette_server() -> Iterator[str]:
    routes = [
        Route("/count", respond_starlette),
        Route("/echo", echo_starlette, methods=["POST"]),
        Route("/refuse", refuse_starlette),
    ]
    with running(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture(params=["aiohttp", "starlette"])
def server(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.mark.parametrize("query", ["", "?chunked=1", "?sep=%0A", "?sep=%0D"])
def test_a_stream_is_followed_to_its_end(read: Read, server: str, query: str) -> None:
    found = read(f"{server}/count{query}", reconnect=AT_ONCE)
    assert [(event.id, event.event, event.data) for event in found] == [
        (str(number), "count", TEXT) for number in range(1, 7)
    ]


def test_a_post_with_a_body(read: Read, server: str) -> None:
    words = [f"word {number}" for number in range(2000)]
    assert [event.data for event in read(f"{server}/echo", json=words)] == words


def test_a_refusal(read: Read, starlette_server: str) -> None:
    with pytest.raises(HandshakeError, match="418 I'm a Teapot: 'come back never'") as caught:
        read(f"{starlette_server}/refuse")
    assert caught.value.status == 418


@pytest.mark.parametrize("count", [20])
def test_many_streams_at_once(server: str, count: int) -> None:
    async def one(number: int) -> list[str]:
        url = f"{server}/echo"
        async with fasterapi.events(url, proxy=None, body=json.dumps([number] * 50)) as stream:
            return [event.data async for event in stream]

    async def main() -> list[list[str]]:
        return await asyncio.gather(*map(one, range(count)))

    assert asyncio.run(main()) == [[str(number)] * 50 for number in range(count)]
