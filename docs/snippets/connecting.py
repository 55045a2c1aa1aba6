import logging
import ssl

import fasterapi
from fasterapi import ConnectionClosed, HandshakeError, Reconnect

log = logging.getLogger(__name__)


async def talk(url: str) -> str:
    async with fasterapi.connect(url) as ws:
        await ws.send("hello")
        return await ws.receive_text()


def talk_def(url: str) -> str:
    with fasterapi.sync.connect(url) as ws:
        ws.send("hello")
        return ws.receive_text(timeout=10)


async def open_and_close(url: str) -> int | None:
    ws = await fasterapi.connect(url)
    try:
        await ws.send("hello")
        print(await ws.receive())
    finally:
        await ws.close(1000, "that is all")
    return ws.close_code


async def log_in(url: str) -> str:
    try:
        async with fasterapi.connect(
            url,
            headers={"Authorization": "Bearer token"},
            subprotocols=["chat.v2", "chat.v1"],
        ) as ws:
            return f"speaking {ws.subprotocol}"
    except HandshakeError as error:  # an answer, but no WebSocket
        return f"refused: {error.status} {error.body.decode()}"
    except OSError as error:  # no connection; TimeoutError among them
        return f"failed: {error}"


async def follow(url: str) -> None:
    async for ws in fasterapi.connect(url):
        await ws.send("subscribe news")  # again on each connection
        async for message in ws:
            print(message)


def keep_on(error: Exception, default: bool) -> bool:
    if isinstance(error, ConnectionClosed):
        return error.code != 4001  # what our server says when a token has expired
    return default


PATIENT = Reconnect(
    delay=0.5,  # seconds at first
    factor=2.0,  # and twice as many after each failure
    jitter=1.0,  # up to as much again, at random
    attempts=20,  # failures in a row, and then the last one is raised
    first=True,  # wait for a server that is not there yet
    statuses={429, 502, 503, 504},  # a failure, and not the end
    retries=keep_on,
)


def follow_def(url: str) -> None:
    for ws in fasterapi.sync.connect(url, reconnect=PATIENT):
        for message in ws:
            print(message)


def trust(url: str, cafile: str) -> str:
    context = ssl.create_default_context(cafile=cafile)
    with fasterapi.sync.connect(url, ssl=context, open_timeout=5, ping_interval=10) as ws:
        ws.send("hello")
        return ws.receive_text(timeout=10)
