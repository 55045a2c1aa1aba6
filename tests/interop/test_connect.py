"""Both of our clients against servers of other projects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import fasterapi
from fasterapi import ConnectionClosed

from .servers import SERVERS

MESSAGES: list[str | bytes] = [
    "hello", "", b"", "ü€😀", b"\x00\xff" * 100, "repeat " * 10_000, b"\x07" * (1 << 20),
]  # fmt: skip


class Seen(NamedTuple):
    """What a client has seen."""

    messages: list[Any]
    subprotocol: str | None
    latency: float | None
    extensions: str | None
    close: tuple[int | None, str]


def use_sync(url: str, messages: list[str | bytes], **options: Any) -> Seen:
    with fasterapi.sync.connect(url, **options) as ws:
        answers: list[Any] = []
        for message in messages:
            ws.send(message)
            answers.append(ws.receive(timeout=10))
        ws.send_stream(["in ", "pieces"])
        answers.append(ws.receive(timeout=10))
        ws.ping(timeout=10)
        ws.close(4002, "done")
        assert ws.response is not None
        extensions = ws.response.headers.get("sec-websocket-extensions")
    assert ws.close_code is not None
    return Seen(answers, ws.subprotocol, ws.latency, extensions, (ws.close_code, ws.close_reason))


def use_aio(url: str, messages: list[str | bytes], **options: Any) -> Seen:
    async def use() -> Seen:
        async with fasterapi.connect(url, **options) as ws:
            answers: list[Any] = []
            for message in messages:
                await ws.send(message)
                answers.append(await ws.receive())
            await ws.send_stream(["in ", "pieces"])
            answers.append(await ws.receive())
            await ws.ping()
            await ws.close(4002, "done")
            assert ws.response is not None
            extensions = ws.response.headers.get("sec-websocket-extensions")
        return Seen(
            answers, ws.subprotocol, ws.latency, extensions, (ws.close_code, ws.close_reason)
        )

    return asyncio.run(asyncio.wait_for(use(), 30))


def last_words_sync(url: str) -> tuple[Any, ConnectionClosed]:
    with fasterapi.sync.connect(url) as ws:
        message = ws.receive(timeout=10)
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=10)
    return message, caught.value


def last_words_aio(url: str) -> tuple[Any, ConnectionClosed]:
    async def use() -> tuple[Any, ConnectionClosed]:
        async with fasterapi.connect(url) as ws:
            message = await ws.receive()
            with pytest.raises(ConnectionClosed) as caught:
                await ws.receive()
        return message, caught.value

    return asyncio.run(asyncio.wait_for(use(), 30))


@pytest.fixture(scope="module", params=list(SERVERS))
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with SERVERS[request.param]() as port:
        yield f"ws://127.0.0.1:{port}"


USES = pytest.mark.parametrize("use", [use_aio, use_sync], ids=["aio", "sync"])


@USES
@pytest.mark.parametrize("compression", [fasterapi.Compression(minimum_size=0), None])
def test_messages_there_and_back(
    url: str, use: Callable[..., Seen], compression: fasterapi.Compression | None
) -> None:
    seen = use(f"{url}/", MESSAGES, subprotocols=["v2", "chat"], compression=compression)
    assert seen.messages == [*MESSAGES, "in pieces"]
    assert seen.subprotocol == "chat"
    assert seen.latency is not None
    assert seen.latency > 0
    assert bool(seen.extensions) is (compression is not None)
    # Servers answer a Close with its own code, as they should, but for aiohttp's, and some with
    # the reason too.
    assert seen.close in [(4002, "done"), (4002, ""), (1000, "")]


@USES
def test_compression_without_context(url: str, use: Callable[..., Seen]) -> None:
    seen = use(f"{url}/", MESSAGES, compression=fasterapi.Compression(context_takeover=False))
    assert seen.messages == [*MESSAGES, "in pieces"]
    assert seen.subprotocol is None


@pytest.mark.parametrize("hear", [last_words_aio, last_words_sync], ids=["aio", "sync"])
def test_the_server_s_close(url: str, hear: Callable[[str], tuple[Any, ConnectionClosed]]) -> None:
    message, closed = hear(f"{url}/close")
    assert message == "last words"
    assert (closed.code, closed.reason) == (4001, "enough")
