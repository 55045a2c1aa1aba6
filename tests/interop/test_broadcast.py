"""A broadcast to clients that agreed on different things, to both kinds of handlers at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from websockets.asyncio.client import connect

from fasterapi import App, Compression, Limits, SyncWebSocket, WebSocket, broadcast
from fasterapi.aio import serve

LONG = "breaking news, " * 50
COMPRESSIONS = {"shared": Compression(context_takeover=False), "own": Compression(), "none": None}


def make_app(members: set[Any], leave: threading.Event) -> App:
    app = App(limits=Limits(max_write_buffer=1 << 16, write_high_water=1 << 14))
    for name, compression in COMPRESSIONS.items():

        @app.websocket(f"/async/{name}", compression=compression)
        async def member(ws: WebSocket) -> None:
            await ws.accept()
            members.add(ws)
            await ws.wait_closed()

        @app.websocket(f"/sync/{name}", compression=compression)
        def member_in_thread(ws: SyncWebSocket) -> None:
            ws.accept()
            members.add(ws)
            while not ws.wait_closed(0.05) and not leave.is_set():
                pass

    @app.websocket("/undecided")
    async def undecided(ws: WebSocket) -> None:
        members.add(ws)
        await asyncio.to_thread(leave.wait, 10)

    return app


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_all_members_get_what_is_sent_to_all() -> None:
    async def main() -> None:
        members: set[Any] = set()
        leave = threading.Event()
        async with serve(make_app(members, leave), port=0, access_log=False, grace=1) as server:
            url = server.url.replace("http", "ws")
            clients = [
                await connect(f"{url}/{kind}/{name}", compression=offer)
                for kind in ("async", "sync")
                for name in COMPRESSIONS
                for offer in ("deflate", None)
            ]
            hanging = asyncio.ensure_future(connect(f"{url}/undecided"))
            await until(lambda: len(members) == len(clients) + 1)
            for message in ("short", LONG, LONG.encode(), LONG + "!"):
                assert broadcast(members, message) == len(clients)
            for client in clients:
                assert [await client.recv() for _ in range(4)] == [
                    "short", LONG, LONG.encode(), LONG + "!",
                ]  # fmt: skip
            gone = clients.pop()
            await gone.close()
            await until(lambda: broadcast(members, "x") == len(clients))
            leave.set()
            for client in clients:
                await client.close()
            await asyncio.wait({hanging})
            if not hanging.exception():
                await hanging.result().close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_who_does_not_read_is_cut_off(kind: str) -> None:
    async def main() -> None:
        members: set[Any] = set()
        leave = threading.Event()
        async with serve(make_app(members, leave), port=0, access_log=False, grace=1) as server:
            host, port = "127.0.0.1", server.port
            reader, writer = await asyncio.open_connection(host, port, limit=1024)
            writer.write(
                f"GET /{kind}/none HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            await until(lambda: members)
            sent = 0
            async with asyncio.timeout(20):
                while broadcast(members, bytes(1 << 16)):
                    sent += 1
                    await asyncio.sleep(0)
            assert sent > 1
            (ws,) = members
            await until(lambda: ws.close_code == 1006)
            leave.set()
            writer.transport.abort()
            del reader

    asyncio.run(main())


def test_a_message_of_parts_is_not_interrupted() -> None:
    async def main() -> None:
        members: set[Any] = set()
        app = App()
        resume = asyncio.Event()

        @app.websocket("/")
        async def parts(ws: WebSocket) -> None:
            async def each() -> Any:
                yield "one "
                members.add(ws)
                await resume.wait()
                yield "two"

            await ws.send_stream(each())
            assert broadcast([ws], "after") == 1
            await ws.wait_closed()

        async with (
            serve(app, port=0, access_log=False) as server,
            connect(server.url.replace("http", "ws")) as client,
        ):
            await until(lambda: members)
            assert broadcast(members, "between") == 0
            resume.set()
            assert await client.recv() == "one two"
            assert await client.recv() == "after"

    asyncio.run(main())
