"""The programs of docs/websockets.md, talked to by a client that nobody here wrote."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from .snippets import SNIPPETS, Site, eventually, load, running


@pytest.fixture(autouse=True)
def _no_crashes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let no handler of a page end with a traceback."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def talk(name: str, scenario: Callable[[Site], Awaitable[None]]) -> None:
    """Serve a snippet and run a client's side of the talk."""

    async def run() -> None:
        async with running(name) as site:
            await scenario(site)

    asyncio.run(run())


async def closing(client: ClientConnection) -> tuple[int | None, str | None]:
    """Wait for the connection's end; give the server's code and reason."""
    await client.wait_closed()
    return client.close_code, client.close_reason


@pytest.mark.parametrize("name", ["echo", "echo_def", "json_log"])
def test_an_echo(name: str) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/echo")) as client:
            for message in ("hello", b"\0\xff"):
                await client.send(message)
                assert await client.recv() == message

    talk(name, scenario)


def test_the_first_page() -> None:
    async def scenario(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.get(site.http("/"))
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert '"/echo"' in response.text

    talk("echo", scenario)


def test_rooms_hear_their_own() -> None:
    async def scenario(site: Site) -> None:
        async with (
            connect(site.ws("/rooms/tea")) as ada,
            connect(site.ws("/rooms/tea")) as bob,
            connect(site.ws("/rooms/coffee")) as eve,
        ):
            await eventually(lambda: len(site.module.rooms["tea"]) == 2)
            await eve.send("alone")
            await ada.send("hello")
            for client, room, text in ((ada, "tea", "hello"), (bob, "tea", "hello"),
                                       (eve, "coffee", "alone")):  # fmt: skip
                assert json.loads(await client.recv()) == {"room": room, "text": text}
        await eventually(lambda: not any(site.module.rooms.values()))

    talk("rooms", scenario)


def test_text_and_bytes_are_told_apart() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/kinds")) as client:
            await client.send("four")
            assert await client.recv() == "4 characters"
            await client.send(b"\0\0\0")
            assert await client.recv() == "3 bytes"

    talk("receiving", scenario)


@pytest.mark.parametrize(
    ("message", "code"), [("[1, 2, 3]", None), ("no json", 1007), (b"\x01", 1007)]
)
def test_json(message: str | bytes, code: int | None) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/sum")) as client:
            await client.send(message)
            if code is None:
                assert await client.recv() == '{"sum":6}'
            else:
                assert (await closing(client))[0] == code

    talk("receiving", scenario)


def test_binary_where_text_is_asked_for_is_1003() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/quiz")) as client:
            await client.send(b"42")
            await client.recv()
            assert (await closing(client))[0] == 1003

    talk("receiving", scenario)


@pytest.mark.parametrize(("answer", "verdict"), [("42", "right"), ("41", "wrong")])
def test_an_answer_in_time(answer: str, verdict: str) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/quiz")) as client:
            await client.recv()
            await client.send(answer)
            assert await client.recv() == verdict
            assert (await closing(client))[0] == 1000

    talk("receiving", scenario)


def test_no_answer_in_time() -> None:
    async def scenario(site: Site) -> None:
        site.module.PATIENCE = 0.01
        async with connect(site.ws("/quiz")) as client:
            assert await closing(client) == (4000, "too slow")

    talk("receiving", scenario)


def test_how_a_connection_closed(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/count")) as client:
            await client.send("1")
            await client.send("2")
            await client.close(1001, "good night")
        await eventually(lambda: not site.server.connections)

    talk("receiving", scenario)
    assert capsys.readouterr().out == "2 messages, then 1001 good night\n"


def test_what_can_be_sent() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/hello")) as client:
            assert await client.recv() == "a str is a text message"
            assert await client.recv() == b"bytes are a binary message"
            assert await client.recv() == '{"compact":"JSON, in a text message"}'

    talk("sending", scenario)


def test_many_messages_arrive_in_order() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/lines/2000")) as client:
            assert [line async for line in client] == [f"line {n}" for n in range(2000)]

    talk("sending", scenario)


def test_sending_and_receiving_at_once() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/stopwatch")) as client:
            assert json.loads(await client.recv()) == {"seconds": 0.0}
            await client.send("reset")
            assert "seconds" in json.loads(await client.recv())
        await eventually(lambda: not site.server.calls)

    talk("sending", scenario)


def test_latency() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/latency")) as client:
            for _ in range(3):
                assert str(await client.recv()).endswith(" ms")

    talk("sending", scenario)


def test_a_message_in_parts() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/report")) as client:
            parts = [part async for part in client.recv_streaming()]
        assert len(parts) > 1000
        assert "".join(map(str, parts)).splitlines()[-1] == "row 999,998001"

    talk("sending", scenario)


@pytest.mark.parametrize("kind", [str, bytes])
def test_an_upload_in_parts(kind: type) -> None:
    content = "0123456789abcdef" * 200_000

    async def scenario(site: Site) -> None:
        async with connect(site.ws("/upload")) as client:
            await client.send(content if kind is str else content.encode())
            assert await client.recv() == hashlib.sha256(content.encode()).hexdigest()

    talk("uploads", scenario)


@pytest.mark.parametrize(
    ("guesses", "end"),
    [(["7"], (1000, "right")), (["1", "2", "3"], (4001, "three wrong guesses"))],
)
def test_closing(guesses: list[str], end: tuple[int, str]) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/guess")) as client:
            for guess in guesses:
                await client.send(guess)
            assert await closing(client) == end

    talk("closing", scenario)


def test_cleaning_up() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/edit/notes")) as client:
            await client.send('"save"')
            assert await client.recv() == '{"done":"save"}'
            assert site.module.open_files == {"notes"}
        await eventually(lambda: not site.module.open_files)

    talk("closing", scenario)


def test_a_handler_that_only_waits_for_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/watch")) as client:
            await client.recv()
            await client.close(1000, "enough")
        await eventually(lambda: not site.server.calls)

    talk("closing", scenario)
    assert capsys.readouterr().out == "left with 1000 enough\n"


@pytest.mark.parametrize("session", ["token-of-ada", "stolen", None])
def test_only_users_are_let_in(session: str | None) -> None:
    async def scenario(site: Site) -> None:
        headers = {"Cookie": f"session={session}"} if session else {}
        if session == "token-of-ada":
            async with connect(site.ws("/account"), additional_headers=headers) as client:
                assert await client.recv() == "Hello, Ada"
            return
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.ws("/account"), additional_headers=headers)
        assert refused.value.response.status_code == 401
        assert refused.value.response.body == b"log in first\n"

    talk("joining", scenario)


def test_a_rejection_with_headers() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/beta?invited=1")) as client:
            assert client.response is not None
            assert client.response.headers["X-Version"] == "2-beta"
            assert await client.recv() == "welcome"
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.ws("/beta"))
        response = refused.value.response
        assert (response.status_code, response.body) == (403, b"by invitation only\n")
        assert response.headers["X-Reason"] == "beta"

    talk("joining", scenario)


@pytest.mark.parametrize(
    ("offered", "chosen", "answer"),
    [
        (["loud.v1", "loud.v2"], "loud.v2", "HEY!"),
        (["quiet", "loud.v1"], "loud.v1", "HEY"),
        ([], None, "HEY"),
    ],
)
def test_subprotocols(offered: list[Any], chosen: str | None, answer: str) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/shout"), subprotocols=offered or None) as client:
            assert client.subprotocol == chosen
            await client.send("hey")
            assert await client.recv() == answer

    talk("joining", scenario)


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/beta?invited=1", "https://shop.example", True),
        ("/beta?invited=1", "https://de.shop.example", True),
        ("/beta?invited=1", "https://shop.example.evil.example", False),
        ("/beta?invited=1", "http://shop.example", False),
        ("/beta?invited=1", None, True),
        ("/prices", "https://evil.example", True),
        ("/prices", "null", True),
    ],
)
def test_origins(path: str, origin: Any, allowed: bool) -> None:
    async def scenario(site: Site) -> None:
        if allowed:
            async with connect(site.ws(path), origin=origin) as client:
                await client.recv()
            return
        with pytest.raises(InvalidStatus) as refused:
            await connect(site.ws(path), origin=origin)
        assert refused.value.response.status_code == 403

    talk("joining", scenario)


def test_a_route_has_its_own_limits_or_the_apps(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/images")) as client:
            await client.send(bytes(1024 * 1024))
            assert await client.recv() == '{"size":1048576}'
        async with connect(site.ws("/notes")) as client:
            await client.send("n" * 65_536)
            assert await client.recv() == '{"length":65536}'
            await client.send("n" * 65_537)
            assert (await closing(client))[0] == 1009

    caplog.set_level("INFO")
    talk("options", scenario)
    assert "(Limits.max_message_size)" in caplog.text


def test_callbacks() -> None:
    async def scenario(site: Site) -> None:
        relay = site.module.Relay
        async with connect(site.ws("/relay/ada")) as ada, connect(site.ws("/relay/bob")) as bob:
            await eventually(lambda: len(relay.connected) == 2)
            await ada.send("hello")
            assert await bob.recv() == "ada: 'hello'"
            await bob.send(b"\0")
            assert await ada.recv() == r"bob: b'\x00'"
        await eventually(lambda: not relay.connected)

    talk("callbacks", scenario)


def test_a_task_beside_the_handlers() -> None:
    async def scenario(site: Site) -> None:
        async with connect(site.ws("/temperature")) as client:
            first, second = [json.loads(await client.recv())["celsius"] for _ in range(2)]
            assert second == pytest.approx(first + 0.1)
        await eventually(lambda: not site.module.app.state.listeners)

    talk("background", scenario)


def test_the_test_that_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SNIPPETS)
    load(SNIPPETS / "test_echo.py").test_echo()
