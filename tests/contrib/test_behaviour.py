"""One app behaves the same on our server and under uvicorn, hypercorn, granian and daphne.

The checks are the same for all; what a server cannot do is said where it is checked. The clients
are websockets and aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import connect

from fasterapi import App

from .application import make_app
from .servers import SERVERS, serving

pytestmark = [
    # What hypercorn and granian leave behind when they are stopped is theirs.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Check = Callable[[str, App], Awaitable[None]]
SERVED = pytest.mark.parametrize("server", SERVERS)


def run(server: str, check: Check) -> App:
    """Serve an app of its own for one check; give it back."""
    app = make_app()

    async def main() -> None:
        async with asyncio.timeout(40), serving(server, app) as port:
            await check(f"127.0.0.1:{port}", app)

    asyncio.run(main())
    return app


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def closing(url: str, *messages: str | bytes, **options: Any) -> tuple[list[Any], int, str]:
    """Send messages, and read to the end: what came, and the close code and reason."""
    received = []
    async with connect(url, **options) as ws:
        for message in messages:
            await ws.send(message)
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                received.append(await ws.recv())
        assert ws.close_code is not None
        return received, ws.close_code, ws.close_reason or ""


def sent_by(server: str, code: int) -> int:
    """Give the close code that comes of ours: daphne's sends none of 1001 to 2999."""
    return code + 3000 if server == "daphne" else code


async def refusal(url: str, **options: Any) -> tuple[int, bytes, Any]:
    with pytest.raises(websockets.InvalidStatus) as caught:
        await connect(url, **options)
    response = caught.value.response
    return response.status_code, bytes(response.body or b""), response.headers


# ------------------------------------------------------------------------------- WebSockets


@SERVED
@pytest.mark.parametrize("kind", ["echo", "sync", "callbacks"])
def test_messages(server: str, kind: str) -> None:
    async def check(at: str, app: App) -> None:
        url = f"ws://{at}/{kind}/a%20b?x=1"
        async with connect(url, subprotocols=["one", "two"], max_size=None) as ws:  # type: ignore[list-item]
            assert ws.subprotocol == "two"
            for message in ("", "ä", b"\0\xff", "x" * 300_000):
                if not message and server == "daphne":  # which sends none that is empty
                    continue
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send("where")
            assert await ws.recv() == "a b 1"
            for number in range(200):
                await ws.send(str(number))
            assert [await ws.recv() for _ in range(200)] == [str(n) for n in range(200)]

    run(server, check)


@SERVED
def test_json(server: str) -> None:
    async def check(at: str, app: App) -> None:
        received, code, _ = await closing(f"ws://{at}/json", '{"a": 1}', "{")
        assert json.loads(received[0]) == {"got": {"a": 1}}
        assert code == sent_by(server, 1007)

    run(server, check)


@SERVED
def test_the_handler_closes(server: str) -> None:
    async def check(at: str, app: App) -> None:
        reason = "" if server == "daphne" else "enough"  # which sends none
        assert await closing(f"ws://{at}/close") == (["last"], 4002, reason)

    run(server, check)


@SERVED
def test_the_handler_crashes(server: str, caplog: pytest.LogCaptureFixture) -> None:
    async def check(at: str, app: App) -> None:
        assert await closing(f"ws://{at}/crash", "hello") == ([], sent_by(server, 1011), "")

    with caplog.at_level(logging.ERROR, "fasterapi.server"):
        run(server, check)
    (record,) = [record for record in caplog.records if record.name == "fasterapi.server"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


@SERVED
def test_a_message_over_the_limit(server: str) -> None:
    async def check(at: str, app: App) -> None:
        _, code, _ = await closing(f"ws://{at}/echo/a?x=1", "x" * (1 << 20) + "x")
        assert code == (1006 if server == "daphne" else 1009)  # it has this limit itself

    run(server, check)


@SERVED
def test_the_client_closes(server: str) -> None:
    """hypercorn does not tell which code a client has sent, and granian and daphne not why."""

    async def check(at: str, app: App) -> None:
        async with connect(f"ws://{at}/closed") as ws:
            assert await ws.recv() == "open"
            await ws.close(4001, "bye")
        unexplained = {"hypercorn": (1006, ""), "granian": (4001, ""), "daphne": (4001, "")}
        told = unexplained.get(server, (4001, "bye"))
        await until(lambda: told in app.state.seen)

    run(server, check)


@SERVED
@pytest.mark.parametrize("path", ["send-only", "sync-closed"])
@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_client_that_leaves_ends_the_handler(server: str, path: str, how: str) -> None:
    async def check(at: str, app: App) -> None:
        async with connect(f"ws://{at}/{path}") as ws:
            await ws.recv()
            if how == "drop":
                ws.transport.abort()
        await until(lambda: "left" in app.state.seen)

    run(server, check)


@SERVED
def test_refusals(server: str) -> None:
    async def check(at: str, app: App) -> None:
        status, body, headers = await refusal(f"ws://{at}/reject")
        if server == "daphne":  # which refuses with nothing but 403
            assert (status, (await refusal(f"ws://{at}/nowhere"))[0]) == (403, 403)
        else:
            assert (status, body, headers["x-why"]) == (402, b"pay", "money")
            assert (await refusal(f"ws://{at}/forbidden"))[0:2] == (403, b"not you\n")
            assert (await refusal(f"ws://{at}/nowhere"))[0] == 404
        assert (await refusal(f"ws://{at}/close", origin="http://evil.example"))[0] == 403
        async with connect(f"ws://{at}/close", origin=f"http://{at}"):  # type: ignore[arg-type]
            pass

    run(server, check)


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "fasterapi"])
def test_what_asgi_has_not_is_refused_at_the_call(server: str) -> None:
    async def check(at: str, app: App) -> None:
        received, code, _ = await closing(f"ws://{at}/beyond")
        assert code == 1000
        verbs = ("ping()", "pong()", "send_stream()", "receive_stream()")
        for text, verb in zip(received, verbs, strict=True):
            assert verb in text
            assert "ASGI has no" in text
            assert "app.run()" in text

    run(server, check)


# ---------------------------------------------------------------------------- event streams


@SERVED
@pytest.mark.parametrize("path", ["events", "sync-events"])
def test_events(server: str, path: str) -> None:
    async def check(at: str, app: App) -> None:
        headers = {"Last-Event-ID": "0"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{at}/{path}", headers=headers) as answer,
        ):
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            assert await answer.text() == (
                'event: first\nid: 1\ndata: {"after":"0"}\n\n: more\ndata: two\ndata: lines\n\n'
            )

    run(server, check)


@SERVED
@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("generated", "id: 1\ndata: 1"),
        ("returned", 'data: {"n":1}'),
        ("sync-returned", 'data: {"n":1}'),
    ],
)
def test_events_for_a_post(server: str, path: str, line: str) -> None:
    async def check(at: str, app: App) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{at}/{path}", data="[1, 2]") as answer,
        ):
            assert answer.status == 200
            text = await answer.text()
            assert text == f"{line}\n\n{line.replace('1', '2')}\n\n"

    run(server, check)


@SERVED
@pytest.mark.parametrize("path", ["endless", "idle"])
def test_a_client_that_leaves_cancels_the_stream(server: str, path: str) -> None:
    async def check(at: str, app: App) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{at}/{path}") as answer,
        ):
            assert await answer.content.readline() in (b"data: tick\n", b"data: one\n")
            if path == "idle":
                assert await answer.content.readuntil(b":\n\n") == b"\n:\n\n"
        await until(lambda: "left" in app.state.seen)

    run(server, check)


@SERVED
def test_exceptions_before_and_after_the_first_event(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(at: str, app: App) -> None:
        async with aiohttp.ClientSession() as session:
            for path, status, text in (
                ("early", 500, "Internal Server Error\n"),
                ("refused", 409, "not now\n"),
                ("late", 200, "data: one\n\n"),
            ):
                async with session.get(f"http://{at}/{path}") as answer:
                    assert (answer.status, await answer.text()) == (status, text)

    with caplog.at_level(logging.ERROR, "fasterapi.server"):
        run(server, check)
    crashes = [r.exc_info for r in caplog.records if r.name == "fasterapi.server"]
    assert [str(crash[1]) for crash in crashes if crash] == ["before the first", "after the first"]


# ------------------------------------------------------------------------------------ pages


@SERVED
def test_plain_routes(server: str) -> None:
    async def check(at: str, app: App) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{at}/") as answer:
                assert await answer.text() == "<p>hello"
                assert answer.content_type == "text/html"
            async with session.get(f"http://{at}/sync-page") as answer:
                assert await answer.json() == {"a": 1}
            async with session.head(f"http://{at}/") as answer:
                assert (answer.status, answer.headers["content-length"]) == (200, "8")
            for path, status in (("nowhere", 404), ("broken", 500), ("body/a", 405)):
                async with session.get(f"http://{at}/{path}") as answer:
                    assert answer.status == status
            body = b"x" * 200_000
            async with session.post(f"http://{at}/body/a/b%20c?q=1", data=body) as answer:
                assert answer.status == 201
                assert answer.headers.getall("x-a") == ["1", "2"]
                assert await answer.text() == "a/b c 200000 1"
            async with session.post(f"http://{at}/body/a?q=1", data=body * 10) as answer:
                assert answer.status == 413

    run(server, check)


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "daphne"])  # it has none
def test_the_lifespan(server: str) -> None:
    async def check(at: str, app: App) -> None:
        assert app.state.seen == ["start"]

    assert run(server, check).state.seen == ["start", "stop"]
