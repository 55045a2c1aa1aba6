"""Servers that do the same: echo WebSocket messages at ``/echo``, stream events at ``/events``.

    python -m benchmarks.servers NAME PORT asyncio|uvloop

Each is as its library's documentation would have it, with logs and pings off, and compression
too unless ``BENCH_DEFLATE`` is in the environment. Then all have a window of 12 bits, as the client
asks. Level and memory are what each has: 6 and 5 (fasterapi, websockets, uvicorn with its sans-IO
core), 6 and 8 (wsproto), 1 and 8 (aiohttp); only those of the first two can be set. Ours are
measured at level 1, too: ``fasterapi-zlib-1`` is what compares to aiohttp.
An event is an id, a type and a short text with one ``$`` in it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

LIMIT = 64 * 1024 * 1024
DEFLATE = bool(os.environ.get("BENCH_DEFLATE"))
TEXT = "the price is 42 $"
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
"""The answer to the handshake of ``load.c``, whose key is always the same."""


async def bare(port: int) -> None:
    """Answer with canned bytes, parsing nothing: what the event loop alone allows."""
    text = bytes(97 + i % 26 for i in range(64))
    answer = b"\x81\x40" + text
    event = f"id: 1\nevent: price\ndata: {TEXT}\n\n".encode()

    class Bare(asyncio.Protocol):
        opened = False
        paused = False

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if self.opened:
                self.transport.write(answer * (len(data) // 70))
            elif data.startswith(b"GET /events"):
                self.transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
                self.stream()
            else:
                self.transport.write(ACCEPTED)
                self.opened = True

        def stream(self) -> None:
            for _ in range(100):
                self.transport.write(event)
            if not self.paused and not self.transport.is_closing():
                asyncio.get_running_loop().call_soon(self.stream)

        def pause_writing(self) -> None:
            self.paused = True

        def resume_writing(self) -> None:
            self.paused = False
            self.stream()

    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", port)
    await server.serve_forever()


async def fasterapi(port: int) -> None:
    """Ours, with coroutine handlers."""
    from fasterapi import App, Limits, SSEConnection, WebSocket
    from fasterapi.aio import serve

    app = App(origins=None, limits=Limits(max_message_size=LIMIT))

    @app.websocket("/echo", ping_interval=None)
    async def echo(ws: WebSocket) -> None:
        while ws.is_open():
            await ws.send(await ws.receive())

    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        while True:
            await sse.send(TEXT, event="price", id="1")

    async with serve(app, port=port, access_log=False):
        await asyncio.Future()


async def fasterapi_callbacks(port: int) -> None:
    """Ours, with callbacks."""
    from fasterapi import App, Limits, WebSocket
    from fasterapi.aio import serve

    app = App(origins=None, limits=Limits(max_message_size=LIMIT))

    @app.websocket("/echo", ping_interval=None)
    class Echo:
        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            ws.send(message)

    async with serve(app, port=port, access_log=False):
        await asyncio.Future()


async def fasterapi_threads(port: int) -> None:
    """Ours, with ``def`` handlers."""
    from fasterapi import App, SyncWebSocket
    from fasterapi.aio import serve

    app = App(origins=None)

    @app.websocket("/echo", ping_interval=None)
    def echo(ws: SyncWebSocket) -> None:
        while ws.is_open():
            ws.send(ws.receive())

    async with serve(app, port=port, access_log=False):
        await asyncio.Future()


async def fasterapi_level_1(port: int) -> None:
    """Ours at level 1, the one that aiohttp has; ``main`` has chosen a DEFLATE by then."""
    from fasterapi import App, Compression, Limits, WebSocket
    from fasterapi.aio import serve

    app = App(origins=None, limits=Limits(max_message_size=LIMIT), compression=Compression(level=1))

    @app.websocket("/echo", ping_interval=None)
    async def echo(ws: WebSocket) -> None:
        while ws.is_open():
            await ws.send(await ws.receive())

    async with serve(app, port=port, access_log=False):
        await asyncio.Future()


async def fasterapi_level_6(port: int) -> None:
    """Ours at the default level, the one that all others have."""
    await fasterapi(port)


def fasterapi_sync(port: int) -> None:
    """Ours, with a thread for each connection."""
    from fasterapi import App, Limits, SyncWebSocket
    from fasterapi.sync import serve

    app = App(origins=None, limits=Limits(max_message_size=LIMIT, max_threads=3000))

    @app.websocket("/echo", ping_interval=None)
    def echo(ws: SyncWebSocket) -> None:
        while ws.is_open():
            ws.send(ws.receive())

    with serve(app, port=port, access_log=False):
        threading.Event().wait()


def bare_sync(port: int) -> None:
    """Answer with canned bytes in a thread for each connection: what threads alone allow."""
    answer = b"\x81\x40" + bytes(97 + i % 26 for i in range(64))

    def serve(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(ACCEPTED)
        while data := sock.recv(65536):
            sock.send(answer * (len(data) // 70))

    listener = socket.create_server(("127.0.0.1", port))
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=[sock], daemon=True).start()


def websockets_sync(port: int) -> None:
    """The threads of the library of that name."""
    from websockets.sync.server import ServerConnection, serve

    def echo(ws: ServerConnection) -> None:
        for message in ws:
            ws.send(message)

    with serve(echo, "127.0.0.1", port, compression=None, ping_interval=None, max_size=LIMIT) as s:
        s.serve_forever()


async def websockets(port: int) -> None:
    """The library of that name."""
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(
        echo, "127.0.0.1", port, compression="deflate" if DEFLATE else None, ping_interval=None,
        max_size=LIMIT,
    ):  # fmt: skip
        await asyncio.Future()


async def aiohttp(port: int) -> None:
    """Its WebSocket and its raw streamed response."""
    from aiohttp import web

    async def echo(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=DEFLATE, max_msg_size=LIMIT)
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(f"id: 1\nevent: price\ndata: {TEXT}\n\n".encode())

    app = web.Application()
    app.add_routes([web.get("/echo", echo), web.get("/events", events)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Future()


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Echo, as an ASGI application without a framework."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def _uvicorn(app: Any, port: int, ws: str) -> None:
    import uvicorn

    config = uvicorn.Config(
        app, port=port, ws=ws, log_level="error", access_log=False, lifespan="off",  # type: ignore[arg-type]
        ws_ping_interval=None, ws_per_message_deflate=DEFLATE, ws_max_size=LIMIT,
    )  # fmt: skip
    await uvicorn.Server(config).serve()


async def uvicorn_sansio(port: int) -> None:
    """With its class over the websockets library's sans-IO core."""
    await _uvicorn(asgi, port, "websockets-sansio")


async def uvicorn_wsproto(port: int) -> None:
    """With its class over wsproto."""
    await _uvicorn(asgi, port, "wsproto")


async def uvicorn_fasterapi(port: int) -> None:
    """With our class."""
    await _uvicorn(asgi, port, "fasterapi.contrib.uvicorn:WebSocketProtocol")


async def fastapi(port: int) -> None:
    """FastAPI's WebSocket and its streaming response, on uvicorn as FastAPI installs it."""
    from .fastapi_app import app

    await _uvicorn(app, port, "auto")


async def tornado(port: int) -> None:
    """Its ``WebSocketHandler`` and a streamed response."""
    from tornado.httpserver import HTTPServer
    from tornado.web import Application, RequestHandler
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=isinstance(message, bytes))

    class Events(RequestHandler):
        async def get(self) -> None:
            self.set_header("Content-Type", "text/event-stream")
            while True:
                self.write(f"id: 1\nevent: price\ndata: {TEXT}\n\n")
                await self.flush()

    app = Application([("/echo", Echo), ("/events", Events)], websocket_max_message_size=LIMIT)
    HTTPServer(app).listen(port, "127.0.0.1")
    await asyncio.Future()


async def picows(port: int) -> None:
    """Its callbacks, which give and take bytes: nothing is decoded, or checked to be UTF-8."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    class Echo(WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                transport.send(WSMsgType.TEXT, frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code())
                transport.disconnect()

    server = await ws_create_server(lambda request: Echo(), "127.0.0.1", port, max_frame_size=LIMIT)
    await server.serve_forever()


def granian(port: int) -> None:
    """Granian, whose loop is its own and partly Rust; it serves the same ASGI application."""
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "benchmarks.servers:asgi", port=port, interface=Interfaces.ASGI, websockets=True, workers=1,
        log_enabled=False,
    ).serve()  # fmt: skip


async def starlette(port: int) -> None:
    """Starlette's raw streaming response, on uvicorn."""
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    async def stream() -> AsyncIterator[str]:
        while True:
            yield f"id: 1\nevent: price\ndata: {TEXT}\n\n"
            await asyncio.sleep(0)  # without it, a client that leaves is never noticed

    async def events(request: Any) -> StreamingResponse:
        return StreamingResponse(stream(), media_type="text/event-stream")

    await _uvicorn(Starlette(routes=[Route("/events", events)]), port, "auto")


async def sse_starlette(port: int) -> None:
    """``EventSourceResponse`` in Starlette on uvicorn."""
    from sse_starlette import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def stream() -> AsyncIterator[dict[str, str]]:
        while True:
            yield {"id": "1", "event": "price", "data": TEXT}
            await asyncio.sleep(0)  # without it, a client that leaves is never noticed

    async def events(request: Any) -> EventSourceResponse:
        return EventSourceResponse(stream())

    await _uvicorn(Starlette(routes=[Route("/events", events)]), port, "auto")


ECHO: dict[str, Any] = {
    "bare": bare,
    "fasterapi": fasterapi,
    "fasterapi-callbacks": fasterapi_callbacks,
    "fasterapi-threads": fasterapi_threads,
    "fasterapi-zlib": fasterapi_level_6,
    "fasterapi-zlib-1": fasterapi_level_1,
    "fasterapi-zlib-ng": fasterapi_level_6,
    "fasterapi-zlib-ng-1": fasterapi_level_1,
    "bare-sync": bare_sync,
    "fasterapi-sync": fasterapi_sync,
    "websockets": websockets,
    "websockets-sync": websockets_sync,
    "aiohttp": aiohttp,
    "uvicorn-fasterapi": uvicorn_fasterapi,
    "uvicorn-sansio": uvicorn_sansio,
    "uvicorn-wsproto": uvicorn_wsproto,
    "fastapi": fastapi,
    "tornado": tornado,
    "picows": picows,
    "granian": granian,
}
EVENTS: dict[str, Any] = {
    "bare": bare,
    "fasterapi": fasterapi,
    "aiohttp": aiohttp,
    "starlette": starlette,
    "sse-starlette": sse_starlette,
    "fastapi": fastapi,
    "tornado": tornado,
}


# They run no loop of ours.
WITHOUT_LOOP: dict[str, Any] = {
    "bare-sync": bare_sync,
    "fasterapi-sync": fasterapi_sync,
    "websockets-sync": websockets_sync,
    "granian": granian,
}


def main() -> None:
    """Run one server until it is killed."""
    name, port, loop = sys.argv[1:]
    if name in WITHOUT_LOOP:
        WITHOUT_LOOP[name](int(port))
        return
    if name.startswith("fasterapi-zlib"):
        wish = name.removeprefix("fasterapi-").removesuffix("-1")
        os.environ["FASTERAPI_DEFLATE"] = wish  # read at import
    factory: Any = asyncio.new_event_loop
    if loop.startswith("uvloop"):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run({**EVENTS, **ECHO}[name](int(port)))


if __name__ == "__main__":
    main()
