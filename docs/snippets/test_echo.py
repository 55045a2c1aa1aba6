import asyncio

from echo import app
from websockets.asyncio.client import connect

from fasterapi import serve


def test_echo() -> None:
    async def scenario() -> None:
        async with (
            serve(app, port=0) as server,
            connect(f"ws://127.0.0.1:{server.port}/echo") as client,
        ):
            await client.send("hello")
            assert await client.recv() == "hello"

    asyncio.run(scenario())
