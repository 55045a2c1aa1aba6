"""``aiohttp``, ``websocket-client`` and ``wsproto`` against our server."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from io import BytesIO

import aiohttp
import pytest
import websocket
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

KINDS = ["async", "sync", "callbacks"]


@pytest.mark.parametrize("kind", KINDS)
def test_aiohttp(address: str, kind: str) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            url = f"http://{address}/{kind}/echo"
            async with session.ws_connect(url, protocols=["chat"], compress=15) as ws:
                assert ws.protocol == "chat"
                assert not ws.compress
                for size in (0, 125, 126, 70_000):
                    await ws.send_str("é" * size)
                    assert await ws.receive_str() == "é" * size
                    await ws.send_bytes(b"\0" * size)
                    assert await ws.receive_bytes() == b"\0" * size
                await ws.ping(b"are you there?")
                await ws.close(code=4000, message=b"enough")
            assert ws.close_code == 4000

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/page", 200, "<h1>hello</h1>"),
        ("HEAD", "/page", 200, ""),
        ("POST", "/page", 405, "Method Not Allowed\n"),
        ("GET", "/nowhere", 404, "Not Found\n"),
        ("GET", "/json", 405, "Method Not Allowed\n"),
    ],
)
def test_aiohttp_and_plain_routes(
    address: str, method: str, path: str, status: int, body: str
) -> None:
    async def main() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{address}{path}") as response,
        ):
            assert (response.status, await response.text()) == (status, body)
            if status == 405:
                assert response.headers["Allow"]

    asyncio.run(main())


def test_aiohttp_and_bodies(address: str) -> None:
    async def main() -> None:
        url = f"http://{address}/json"
        async with aiohttp.ClientSession() as session:
            async with session.post(url, json={"a": [1]}) as response:
                assert await response.json() == {"got": {"a": [1]}}
            async with session.post(url, data=b"{") as response:
                assert response.status == 400
                assert "not JSON" in await response.text()
            async with session.post(url, data=BytesIO(b"x" * ((1 << 20) + 1))) as response:
                assert response.status == 413

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_websocket_client(address: str, kind: str) -> None:
    url = f"ws://{address}/{kind}/echo"
    with closing(websocket.create_connection(url, timeout=10, subprotocols=["superchat"])) as ws:
        assert ws.getsubprotocol() == "superchat"
        for message in ("", "text", "é" * 50_000):
            ws.send(message)
            assert ws.recv() == message
        ws.send_binary(b"\xff" * 200)
        assert ws.recv() == b"\xff" * 200
        ws.ping(b"x")
        ws.send("after the ping")
        assert ws.recv() == "after the ping"
        ws.close(status=3333, timeout=5)


@pytest.mark.parametrize("kind", KINDS)
def test_wsproto(address: str, kind: str) -> None:
    host, port = address.split(":")
    connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(connection.send(Request(host=address, target=f"/{kind}/echo")))
        sock.sendall(b"")
        seen: list[object] = []
        while not any(isinstance(event, CloseConnection) for event in seen):
            connection.receive_data(sock.recv(65536) or None)
            for event in connection.events():
                seen.append(event)
                if isinstance(event, AcceptConnection):
                    sock.sendall(connection.send(TextMessage(data="hello")))
                if isinstance(event, TextMessage):
                    assert event.data == "hello"
                    sock.sendall(connection.send(CloseConnection(code=1000)))
        assert sock.recv(1) == b""
    assert [type(event) for event in seen] == [AcceptConnection, TextMessage, CloseConnection]
