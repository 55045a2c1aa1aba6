"""The ``websockets`` client against our server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect

KINDS = ["async", "sync", "callbacks"]
TWO = ["async", "sync"]
Closes = dict[str, tuple[int | None, str]]


async def until(closed: Closes, name: str) -> tuple[int | None, str]:
    async with asyncio.timeout(10):
        while name not in closed:
            await asyncio.sleep(0.005)
    return closed[name]


@pytest.mark.parametrize("kind", KINDS)
def test_messages_of_every_size_come_back(address: str, kind: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/echo", max_size=None) as ws:
            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                for message in ("x" * size, b"\xff" * size):
                    await ws.send(message)
                    assert await ws.recv() == message
            await ws.send("é…😀")
            assert await ws.recv() == "é…😀"

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_fragments_and_pings_interleave(address: str, kind: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/echo") as ws:

            async def parts() -> AsyncIterator[str]:
                for part in ("Hello", ", ", "wörld"):
                    yield part
                    await (await ws.ping())

            await ws.send(parts())
            assert await ws.recv() == "Hello, wörld"

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (3000, "é"), (4999, "x")])
def test_the_clients_close_reaches_the_handler(
    address: str, closed: Closes, kind: str, code: int, reason: str
) -> None:
    async def main() -> None:
        name = f"websockets-{kind}-{code}"
        ws = await connect(f"ws://{address}/{kind}/echo?name={name}")
        await ws.send("x")
        await ws.recv()
        await ws.close(code, reason)
        assert ws.close_code == code
        assert await until(closed, name) == (code, reason)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_just_leaves_is_1006(address: str, closed: Closes, kind: str) -> None:
    async def main() -> None:
        name = f"websockets-{kind}-gone"
        ws = await connect(f"ws://{address}/{kind}/echo?name={name}")
        await ws.send("x")
        await ws.recv()
        ws.transport.abort()
        assert (await until(closed, name))[0] == 1006

    asyncio.run(main())


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_the_servers_close_reaches_the_client(address: str, kind: str, code: int) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/close") as ws:
            await ws.send(str(code))
            with pytest.raises(websockets.ConnectionClosed) as raised:
                await ws.recv()
            assert raised.value.rcvd is not None
            assert (raised.value.rcvd.code, raised.value.rcvd.reason) == (code, "as you wish")

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_over_the_limit_is_1009(address: str, kind: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/echo") as ws:
            await ws.send("fits")
            await ws.send(b"x" * ((1 << 20) + 1))
            assert await ws.recv() == "fits"
            with pytest.raises(websockets.ConnectionClosed) as raised:
                await ws.recv()
            assert raised.value.rcvd is not None
            assert raised.value.rcvd.code == 1009

    asyncio.run(main())


@pytest.mark.parametrize("kind", TWO)
def test_the_server_measures_its_pings(address: str, kind: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/ping") as ws:
            assert 0 < json.loads(await ws.recv())["latency"] < 5

    asyncio.run(main())


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("parts", [["a", "é", ""], [b"a", b"\xff" * 100_000], ["whole"]])
def test_streams_go_both_ways(address: str, kind: str, parts: list[Any]) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/stream") as ws:
            await ws.send(parts)
            assert await ws.recv() == type(parts[0])().join(parts)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_the_servers_preferred_subprotocol_is_chosen(address: str, kind: str) -> None:
    async def main() -> None:
        url = f"ws://{address}/{kind}/echo"
        async with connect(url, subprotocols=[websockets.Subprotocol("chat")]) as ws:
            assert ws.subprotocol == "chat"
        offers = [websockets.Subprotocol(name) for name in ("chat", "superchat")]
        async with connect(url, subprotocols=offers) as ws:
            assert ws.subprotocol == "superchat"
        async with connect(url) as ws:
            assert ws.subprotocol is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "status", "header", "body"),
    [
        ("/refused", 401, ("WWW-Authenticate", "Basic"), b"who are you?\n"),
        ("/rejected", 418, ("X-Why", "teapot"), b"short and stout"),
        ("/nowhere", 404, ("Connection", "close"), b"Not Found\n"),
    ],
)
def test_refusals(
    address: str, path: str, status: int, header: tuple[str, str], body: bytes
) -> None:
    async def main() -> None:
        with pytest.raises(websockets.InvalidStatus) as raised:
            await connect(f"ws://{address}{path}")
        response = raised.value.response
        assert (response.status_code, response.body) == (status, body)
        assert response.headers[header[0]] == header[1]

    asyncio.run(main())


def test_a_page_of_another_origin_is_refused(address: str) -> None:
    async def main() -> None:
        with pytest.raises(websockets.InvalidStatus) as raised:
            await connect(
                f"ws://{address}/async/ping", origin=websockets.Origin("http://evil.test")
            )
        assert raised.value.response.status_code == 403
        own = websockets.Origin(f"http://{address}")
        async with connect(f"ws://{address}/async/ping", origin=own) as ws:
            await ws.recv()

    asyncio.run(main())


def test_compression_that_is_offered_is_not_agreed(address: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/async/echo", compression="deflate") as ws:
            assert ws.response is not None
            assert "Sec-WebSocket-Extensions" not in ws.response.headers
            await ws.send("plain")
            assert await ws.recv() == "plain"

    asyncio.run(main())


def test_a_slow_reader_gets_everything_in_order(address: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/flood", max_queue=1) as ws:
            for number in range(1000):
                assert await ws.recv() == f"{number:05}".encode() * 2000
                if number % 100 == 0:
                    await asyncio.sleep(0.005)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_clients_at_once(address: str, kind: str) -> None:
    async def client(number: int) -> None:
        async with connect(f"ws://{address}/{kind}/echo") as ws:
            for message in range(5):
                await ws.send(f"{number} {message}")
            assert [await ws.recv() for _ in range(5)] == [f"{number} {m}" for m in range(5)]

    async def main() -> None:
        await asyncio.gather(*map(client, range(100)))

    asyncio.run(main())
