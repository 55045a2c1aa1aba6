import asyncio

import httpx
from clock import app
from httpx_sse import aconnect_sse

from fasterapi import serve


def test_clock() -> None:
    async def scenario() -> None:
        async with (
            serve(app, port=0) as server,
            httpx.AsyncClient() as client,
            aconnect_sse(client, "GET", f"{server.url}/clock") as source,
        ):
            event = await anext(source.aiter_sse())
            assert event.json()["time"].startswith("20")

    asyncio.run(scenario())
