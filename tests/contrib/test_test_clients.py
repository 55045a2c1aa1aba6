"""``App`` under the test client of Starlette and FastAPI, whose handshakes nobody has made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import fastapi
import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from fasterapi import App, SSEConnection, SyncWebSocket, WebSocket

app = App()


@app.websocket("/echo/{room}", subprotocols=["chat"])
async def echo(ws: WebSocket, room: str) -> None:
    await ws.send_json({"room": room, "path": ws.request.path, "subprotocol": ws.subprotocol})
    async for message in ws:
        await ws.send(message)


@app.websocket("/threads")
def threads(ws: SyncWebSocket) -> None:
    for message in ws:
        ws.send(message)


@app.websocket("/callbacks")
class Callbacks:
    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        ws.send(message)


@app.websocket("/close")
async def close(ws: WebSocket) -> None:
    await ws.accept(headers=[("X-Name", "value")])
    await ws.close(4001, "enough")


@app.websocket("/refuse")
async def refuse(ws: WebSocket) -> None:
    await ws.reject(401, headers=[("WWW-Authenticate", "Bearer")], body="who are you?")


@app.get("/page")
async def page(request: object) -> str:
    return "<p>"


@app.sse("/events")
async def events(sse: SSEConnection) -> None:
    for number in range(3):
        await sse.send({"n": number})


@pytest.fixture(params=["plain", "mounted", "in a server's root_path"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    if request.param == "mounted":
        api = fastapi.FastAPI()
        api.mount("/rt", app)
        yield TestClient(api, "http://testserver/rt")
    else:
        yield TestClient(app, root_path="" if request.param == "plain" else "/rt")


def url(client: TestClient, path: str) -> str:
    """Give the path that ``websocket_connect`` takes: it forgets the one of ``base_url``."""
    return client.base_url.path.rstrip("/") + path


@pytest.mark.parametrize("subprotocol", ["chat", None])
def test_json_text_bytes_and_subprotocols(client: TestClient, subprotocol: str | None) -> None:
    offered = [subprotocol] if subprotocol else None
    with client.websocket_connect(url(client, "/echo/a%20b"), offered) as ws:
        told = {"room": "a b", "path": "/echo/a b", "subprotocol": subprotocol}
        assert ws.receive_json() == told
        assert ws.accepted_subprotocol == subprotocol
        ws.send_json([1])
        assert json.loads(ws.receive_text()) == [1]
        ws.send_bytes(b"\0" * 100_000)
        assert ws.receive_bytes() == b"\0" * 100_000


@pytest.mark.parametrize("path", ["/threads", "/callbacks"])
def test_handlers_of_other_kinds(client: TestClient, path: str) -> None:
    with client.websocket_connect(url(client, path)) as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "hello"


def test_a_close(client: TestClient) -> None:
    with client.websocket_connect(url(client, "/close")) as ws:
        assert (b"x-name", b"value") in (ws.extra_headers or ())
        with pytest.raises(WebSocketDisconnect) as caught:
            ws.receive_text()
    assert (caught.value.code, caught.value.reason) == (4001, "enough")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/refuse", {}, 401),
        ("/nowhere", {}, 404),
        ("/close", {"origin": "http://evil.example"}, 403),
    ],
)
def test_a_refusal(client: TestClient, path: str, headers: dict[str, str], status: int) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as caught,
        client.websocket_connect(url(client, path), headers=headers),
    ):
        pass
    assert caught.value.status_code == status
    if status == 401:
        assert caught.value.headers["www-authenticate"] == "Bearer"
        assert caught.value.text == "who are you?"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-websocket-key": ""},
        {"sec-websocket-version": "8"},
        {"connection": "keep-alive", "upgrade": "h2c"},
        {"origin": "http://testserver"},
    ],
)
def test_what_the_server_answers_for(client: TestClient, headers: dict[str, str]) -> None:
    with client.websocket_connect(url(client, "/threads"), headers=headers) as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "hello"


def test_pages_and_events(client: TestClient) -> None:
    found: Any = client.get("/page")
    assert (found.status_code, found.text) == (200, "<p>")
    assert client.get("/events").text == "".join(f'data: {{"n":{n}}}\n\n' for n in range(3))
