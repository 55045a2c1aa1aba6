"""Chromium over HTTP/2: WebSockets and over six event streams of a page, on one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from playwright.sync_api import Browser, BrowserContext, Page

from fasterapi import App, SSEConnection, SyncSSEConnection, SyncWebSocket, WebSocket
from tests.serving import in_a_thread

pytestmark = pytest.mark.browser

STREAMS = 12
SOCKETS = 6
PAGE = '<!doctype html><title>empty</title><link rel="icon" href="data:,">'


def make_app(left: list[str]) -> App:
    """Make an app whose handlers tell how they were reached; ``left`` gets who was left."""
    app = App()

    @app.get("/")
    async def page() -> str:
        return PAGE

    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        await sse.send([sse.request.http_version, sse.request.client])
        try:
            await sse.wait_closed()
        finally:
            left.append("events")

    @app.sse("/def/events")
    def events_in_thread(sse: SyncSSEConnection) -> None:
        sse.send([sse.request.http_version, sse.request.client])
        sse.wait_closed()
        left.append("events")

    @app.websocket("/ws", subprotocols=["chat"])
    async def echo(ws: WebSocket) -> None:
        await ws.send_json([ws.request.http_version, ws.request.client])
        try:
            async for message in ws:
                await ws.send(message)
        finally:
            left.append(f"ws {ws.close_code} {ws.close_reason}")

    @app.websocket("/def/ws", subprotocols=["chat"])
    def echo_in_thread(ws: SyncWebSocket) -> None:
        ws.send_json([ws.request.http_version, ws.request.client])
        try:
            for message in ws:
                ws.send(message)
        finally:
            left.append(f"ws {ws.close_code} {ws.close_reason}")

    return app


@pytest.fixture
def left() -> list[str]:
    return []


@pytest.fixture
def url(tmp_path: Path, left: list[str]) -> Iterator[str]:
    """Serve the app over TLS."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    path = tmp_path / "certificate.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    with in_a_thread(make_app(left), ssl_certfile=str(path), grace=2.0) as running:
        yield running.url.replace("wss", "https")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give a profile that takes any certificate."""
    context = browser.new_context(ignore_https_errors=True)
    context.set_default_timeout(15_000)
    yield context
    context.close()


OPEN = """
async ([streams, sockets]) => {
  window.opened = [];
  const streamed = Array.from({ length: streams }, (_, i) => new Promise((resolve) => {
    const source = new EventSource(i % 2 ? "/def/events" : "/events");
    source.onmessage = ({ data }) => resolve(JSON.parse(data));
    window.opened.push(source);
  }));
  const connected = Array.from({ length: sockets }, (_, i) => new Promise((resolve, reject) => {
    const url = location.origin.replace("http", "ws") + (i % 2 ? "/def/ws" : "/ws");
    const socket = new WebSocket(url, "chat"), received = [];
    socket.onmessage = ({ data }) => {
      received.push(data);
      if (received.length === 1) { socket.send("x".repeat(200000)); socket.send("é…😀"); }
      if (received.length === 3) socket.close(3456, "enough");
    };
    socket.onerror = reject;
    socket.onclose = ({ code, wasClean }) => resolve([JSON.parse(received[0]), received[1].length,
      received[2], code, wasClean, socket.protocol]);
  }));
  return { streamed: await Promise.all(streamed), connected: await Promise.all(connected),
           page: performance.getEntriesByType("navigation")[0].nextHopProtocol };
}
"""


def test_everything_on_one_connection(
    url: str, visit: Callable[..., Page], left: list[str]
) -> None:
    page = visit(url)
    found: dict[str, Any] = page.evaluate(OPEN, [STREAMS, SOCKETS])
    assert found["page"] == "h2"
    (_, client) = found["streamed"][0]
    assert found["streamed"] == [["2", client]] * STREAMS
    assert found["connected"] == [
        [["2", client], 200_000, "é…😀", 3456, True, "chat"]
    ] * SOCKETS  # fmt: skip
    assert left.count("ws 3456 enough") == SOCKETS
    protocols = page.evaluate(
        """async () => {
          await (await fetch("/?again")).text();
          window.opened.forEach((source) => source.close());
          await new Promise((done) => setTimeout(done, 0));
          return performance.getEntriesByType("resource").map((e) => e.nextHopProtocol);
        }"""
    )
    assert "h2" in protocols
    assert set(protocols) <= {"h2", ""}
    page.wait_for_function("window.opened.every((source) => source.readyState === 2)")
    for _ in range(500):
        if left.count("events") == STREAMS:
            break
        page.evaluate("fetch('/').then((r) => r.text())")
    assert left.count("events") == STREAMS
