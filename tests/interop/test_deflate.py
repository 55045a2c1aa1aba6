"""permessage-deflate with clients that we did not write, over our server."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.typing import ExtensionName

KINDS = ["async", "sync", "callbacks"]
MESSAGES: list[str | bytes] = [
    "", "short", "x" * 64, b"", bytes(64), "é…😀" * 1000, bytes(range(256)) * 900, "again " * 99,
    b"again " * 99,
]  # fmt: skip
OFFERS: list[dict[str, Any]] = [
    {},
    {"client_max_window_bits": True},
    {"client_max_window_bits": 9, "server_max_window_bits": 9},
    {"client_max_window_bits": 15, "server_max_window_bits": 15},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True, "server_no_context_takeover": True,
     "client_max_window_bits": 10, "server_max_window_bits": 11},
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offer", OFFERS, ids=str)
def test_websockets_agrees_to_every_set(address: str, kind: str, offer: dict[str, Any]) -> None:
    async def main() -> None:
        url = f"ws://{address}/{kind}/echo"
        factories = [ClientPerMessageDeflateFactory(**offer)]
        async with connect(url, extensions=factories, compression=None, max_size=None) as ws:
            (extension,) = ws.protocol.extensions
            assert extension.name == ExtensionName("permessage-deflate")
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "fragments ", "of a message " * 20])
            assert await ws.recv() == "in fragments " + "of a message " * 20

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [9, 12, 15])
def test_aiohttp_agrees(address: str, kind: str, bits: int) -> None:
    async def main() -> None:
        url = f"http://{address}/{kind}/echo"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, compress=bits, max_msg_size=0) as ws,
        ):
            assert ws.compress
            for message in MESSAGES:
                if isinstance(message, str):
                    await ws.send_str(message)
                    assert await ws.receive_str() == message
                else:
                    await ws.send_bytes(message)
                    assert await ws.receive_bytes() == message

    asyncio.run(main())


def test_a_client_that_offers_nothing_gets_nothing(address: str) -> None:
    async def main() -> None:
        async with connect(f"ws://{address}/async/echo", compression=None) as ws:
            assert ws.protocol.extensions == []
            await ws.send("x" * 1000)
            assert await ws.recv() == "x" * 1000

    asyncio.run(main())
