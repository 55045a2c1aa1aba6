"""The programs of docs/clients.md that open WebSockets, against our own server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from fasterapi import App, HTTPError, WebSocket

from ..serving import in_a_thread
from .snippets import SNIPPETS, load


def app() -> App:
    made = App()

    @made.websocket("/")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    @made.websocket("/chat", subprotocols=["chat.v1"])
    async def chat(ws: WebSocket) -> None:
        if ws.request.headers.get("authorization") != "Bearer token":
            raise HTTPError(401, "who are you?")
        await ws.accept()

    @made.websocket("/members")
    async def members(ws: WebSocket) -> None:
        raise HTTPError(403, "members only")

    @made.websocket("/news")
    async def news(ws: WebSocket) -> None:
        topic = await ws.receive_text()
        await ws.send(f"{topic}: nothing")
        await ws.close(4001 if seen else 1012)
        seen.append(topic)

    @made.websocket("/short")
    async def short(ws: WebSocket) -> None:
        await ws.send(f"part {len(seen)}")
        seen.append("x")
        await ws.close(1000 if len(seen) < 2 else 4001)

    seen: list[str] = []
    return made


@pytest.fixture
def url() -> Iterator[str]:
    with in_a_thread(app()) as server:
        yield server.url


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("no_proxy", "*")
    return load(SNIPPETS / "connecting.py")


def test_talking(program: Any, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(program.talk(url)) == "hello"
    assert program.talk_def(url) == "hello"
    assert asyncio.run(program.open_and_close(url)) == 1000
    assert capsys.readouterr().out == "hello\n"


def test_what_a_server_answers(program: Any, url: str) -> None:
    assert asyncio.run(program.log_in(f"{url}/chat")) == "speaking chat.v1"
    assert asyncio.run(program.log_in(f"{url}/members")).startswith("refused: 403 members only")
    assert asyncio.run(program.log_in("ws://127.0.0.1:9/")).startswith("failed: ")


def test_following(program: Any, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def until_twice() -> None:
        task = asyncio.ensure_future(program.follow(f"{url}/news"))
        out = ""
        while out.count("subscribe news: nothing\n") < 2:
            await asyncio.sleep(0.01)
            out += capsys.readouterr().out
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(until_twice(), 20))


def test_a_policy_of_ones_own(program: Any, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    program.follow_def(f"{url}/short")
    assert capsys.readouterr().out == "part 0\npart 1\n"
    assert program.keep_on(OSError(), True) is True


def test_a_certificate_of_ones_own(program: Any, tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with in_a_thread(app(), ssl_context=context) as server:
        assert program.trust(server.url, str(tmp_path / "ca.pem")) == "hello"
