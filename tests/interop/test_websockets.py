"""The ``websockets`` client against our server."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme
import websockets
from websockets.asyncio.client import connect

from fasterapi.aio import serve

from .application import app, numbered

KINDS = ["async", "sync", "callbacks"]
TWO = ["async", "sync"]
Closed = Callable[[str], tuple[int | None, str]]
Gate = Callable[[str], threading.Event]


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
                    assert await (await ws.ping()) > 0

            await ws.send(parts())
            assert await ws.recv() == "Hello, wörld"

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (3000, "é"), (4999, "x")])
def test_the_clients_close_reaches_the_handler(
    address: str, closed: Closed, kind: str, code: int, reason: str
) -> None:
    async def main() -> None:
        name = f"websockets-{kind}-{code}"
        ws = await connect(f"ws://{address}/{kind}/echo?name={name}")
        await ws.send("x")
        await ws.recv()
        await ws.close(code, reason)
        assert (ws.close_code, ws.close_reason) == (code, reason)
        assert await asyncio.to_thread(closed, name) == (code, reason)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_just_leaves_is_1006(address: str, closed: Closed, kind: str) -> None:
    async def main() -> None:
        name = f"websockets-{kind}-gone"
        ws = await connect(f"ws://{address}/{kind}/echo?name={name}")
        await ws.send("x")
        await ws.recv()
        ws.transport.abort()
        assert (await asyncio.to_thread(closed, name))[0] == 1006

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


@pytest.mark.parametrize("kind", TWO)
def test_header_fields_go_both_ways(address: str, kind: str) -> None:
    async def main() -> None:
        offers = [websockets.Subprotocol(name) for name in ("superchat", "chat")]
        async with connect(
            f"ws://{address}/{kind}/greeting",
            additional_headers={"X-Name": "Ada"},
            subprotocols=offers,
        ) as ws:
            assert ws.subprotocol == "chat"  # what the handler chose
            assert ws.response is not None
            assert ws.response.headers["X-Greeting"] == "Hello, Ada"
            assert ws.response.headers.get_all("Set-Cookie") == ["seat=1", "row=b"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "status", "header", "body"),
    [
        ("/async/refused", 401, ("WWW-Authenticate", "Basic"), b"who are you?\n"),
        ("/sync/refused", 401, ("WWW-Authenticate", "Basic"), b"who are you?\n"),
        ("/async/rejected", 403, ("X-Why", "teapot"), b"short and stout"),
        ("/sync/rejected", 403, ("X-Why", "teapot"), b"short and stout"),
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


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/async/ping", "http://{address}", True),
        ("/async/ping", "http://evil.test", False),
        ("/sync/ping", "http://evil.test", False),
        ("/async/ping", "null", False),
        ("/async/echo", "http://evil.test", True),  # its route asks nobody
        ("/shared", "https://friend.test", True),
        ("/shared", "http://friend.test", False),
    ],
)
def test_the_origin_decides(address: str, path: str, origin: str, allowed: bool) -> None:
    async def main() -> int:
        own = websockets.Origin(origin.format(address=address))
        try:
            async with connect(f"ws://{address}{path}", origin=own) as ws:
                assert ws.response is not None
                return ws.response.status_code
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(main()) == (101 if allowed else 403)


@pytest.mark.parametrize("kind", TWO)
def test_a_slow_reader_gets_everything_in_order(address: str, kind: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/{kind}/flood", max_queue=1) as ws:
            for number in range(1000):
                assert await ws.recv() == numbered(number)

    asyncio.run(main())


@pytest.mark.parametrize("kind", TWO)
def test_a_fast_sender_waits_for_a_slow_handler(address: str, gate: Gate, kind: str) -> None:
    # More than all the buffers between the two can hold: the system's are of 36 MiB at most.
    sizes = [1 << 20] * 48

    async def main() -> None:
        name = f"websockets-{kind}-slow"
        url = f"ws://{address}/{kind}/slow?name={name}"
        async with connect(url, compression=None) as ws:  # or it would fit into any buffer

            async def send() -> None:
                for size in sizes:
                    await ws.send(b"x" * size)

            sending = asyncio.create_task(send())
            try:
                # It would take a fraction of this if the server read on.
                await asyncio.wait({sending}, timeout=0.5)
                assert not sending.done()
            finally:
                gate(name).set()
            assert [json.loads(await ws.recv()) for _ in sizes] == sizes
            await sending

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


@pytest.mark.parametrize("kind", KINDS)
def test_tls(kind: str) -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    async def main() -> None:
        async with serve(app, port=0, ssl_context=server_side, access_log=False, grace=1) as server:
            url = f"wss://localhost:{server.port}/{kind}/echo"
            origin = websockets.Origin(f"https://localhost:{server.port}")
            async with connect(url, ssl=client_side, origin=origin) as ws:
                for message in ("hello", b"\xff" * (1 << 20)):
                    await ws.send(message)
                    assert await ws.recv() == message
                await ws.close(3000, "enough")
                assert (ws.close_code, ws.close_reason) == (3000, "enough")

    asyncio.run(main())
