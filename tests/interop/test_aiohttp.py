"""The ``aiohttp`` client against our server: WebSockets and plain routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

KINDS = ["async", "sync", "callbacks"]
TWO = ["async", "sync"]
Closed = Callable[[str], tuple[int | None, str]]
Test = Callable[[aiohttp.ClientSession], Any]


def run(test: Test) -> None:
    async def main() -> None:
        jar = aiohttp.CookieJar(unsafe=True)  # takes cookies of an IP address, too
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            await test(session)

    asyncio.run(main())


# ----------------------------------------------------------------------------------- WebSockets


@pytest.mark.parametrize("kind", KINDS)
def test_messages_come_back(address: str, kind: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        url = f"http://{address}/{kind}/echo"
        async with session.ws_connect(url, protocols=["chat"], compress=15) as ws:
            assert ws.protocol == "chat"
            assert ws.compress == 12  # agreed on, with our window
            for size in (0, 125, 126, 1 << 19):
                await ws.send_str("é" * size)
                assert await ws.receive_str() == "é" * size
                await ws.send_bytes(b"\0" * size)
                assert await ws.receive_bytes() == b"\0" * size

    run(test)


@pytest.mark.parametrize("kind", KINDS)
def test_pings_of_the_client_are_answered(address: str, kind: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"http://{address}/{kind}/echo", autoping=False) as ws:
            await ws.ping(b"are you there?")
            answer = await ws.receive(10)
            assert (answer.type, answer.data) == (WSMsgType.PONG, b"are you there?")

    run(test)


@pytest.mark.parametrize("kind", TWO)
def test_pings_of_the_server_are_answered(address: str, kind: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"http://{address}/{kind}/ping") as ws:
            assert 0 < (await ws.receive_json(timeout=10))["latency"] < 5

    run(test)


@pytest.mark.parametrize("kind", KINDS)
def test_the_clients_close_reaches_the_handler(address: str, closed: Closed, kind: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        name = f"aiohttp-{kind}"
        async with session.ws_connect(f"http://{address}/{kind}/echo?name={name}") as ws:
            await ws.close(code=4000, message="genug für heute".encode())
        assert ws.close_code == 4000
        assert await asyncio.to_thread(closed, name) == (4000, "genug für heute")

    run(test)


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_servers_close_reaches_the_client(address: str, kind: str, code: int) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"http://{address}/{kind}/close") as ws:
            await ws.send_str(str(code))
            message = await ws.receive(10)
            assert message.type is WSMsgType.CLOSE
            assert (message.data, message.extra) == (code, "as you wish")

    run(test)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_over_the_limit_is_1009(address: str, kind: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"http://{address}/{kind}/echo") as ws:
            await ws.send_bytes(bytes((1 << 20) + 1))
            assert (await ws.receive(10)).type is WSMsgType.CLOSE
            assert ws.close_code == 1009

    run(test)


@pytest.mark.parametrize("kind", TWO)
def test_header_fields_go_both_ways(address: str, kind: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        url = f"http://{address}/{kind}/greeting"
        async with session.ws_connect(url, headers={"X-Name": "Ada"}, protocols=["chat"]) as ws:
            assert ws.protocol == "chat"
        assert {cookie.key: cookie.value for cookie in session.cookie_jar} == {
            "seat": "1", "row": "b"
        }  # fmt: skip

    run(test)


@pytest.mark.parametrize(
    ("path", "status", "header"),
    [
        ("/async/refused", 401, ("WWW-Authenticate", "Basic")),
        ("/sync/refused", 401, ("WWW-Authenticate", "Basic")),
        ("/async/rejected", 403, ("X-Why", "teapot")),
        ("/sync/rejected", 403, ("X-Why", "teapot")),
        ("/nowhere", 404, ("Connection", "close")),
    ],
)
def test_refusals(address: str, path: str, status: int, header: tuple[str, str]) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await session.ws_connect(f"http://{address}{path}")
        assert raised.value.status == status
        assert raised.value.headers is not None
        assert raised.value.headers[header[0]] == header[1]

    run(test)


def test_a_foreign_origin_is_refused(address: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        url = f"http://{address}/async/ping"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(url, origin="http://evil.test")
        async with session.ws_connect(url, origin=f"http://{address}"):
            pass

    run(test)


# ---------------------------------------------------------------------------------- plain routes


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
def test_plain_routes(address: str, method: str, path: str, status: int, body: str) -> None:
    allowed = {"/page": "GET, HEAD, OPTIONS", "/json": "POST, OPTIONS"}

    async def test(session: aiohttp.ClientSession) -> None:
        async with session.request(method, f"http://{address}{path}") as response:
            assert (response.status, await response.text()) == (status, body)
            if status == 405:
                assert response.headers["Allow"] == (allowed[path])
            if method == "HEAD":
                assert response.headers["Content-Length"] == str(len("<h1>hello</h1>"))

    run(test)


def test_bodies(address: str) -> None:
    async def test(session: aiohttp.ClientSession) -> None:
        url = f"http://{address}/json"
        async with session.post(url, json={"a": [1]}) as response:
            assert await response.json() == {"got": {"a": [1]}}
        async with session.post(url, data=b"{") as response:
            assert response.status == 400
            assert "not JSON" in await response.text()
        async with session.post(url, data=BytesIO(b"x" * ((1 << 20) + 1))) as response:
            assert response.status == 413

    run(test)


def test_one_connection_takes_many_requests(address: str) -> None:
    made: list[object] = []

    async def note(*of_the_connection: object) -> None:
        made.append(of_the_connection)

    async def main() -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(note)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            for _ in range(5):
                async with session.get(f"http://{address}/page") as response:
                    assert await response.text() == "<h1>hello</h1>"

    asyncio.run(main())
    assert len(made) == 1
