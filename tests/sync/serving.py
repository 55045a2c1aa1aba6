"""An app for the blocking server, and ways to ask it."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from fasterapi import App, Limits, SyncWebSocket
from fasterapi.sync import Server

from .pairs import SECONDS

LIMITS = Limits(close_timeout=0.5)
HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def application(**options: Any) -> App:
    app = App(**{"limits": LIMITS, **options})

    @app.get("/")
    def page() -> str:
        return "<h1>hello</h1>"

    @app.websocket("/echo")
    def echo(ws: SyncWebSocket) -> None:
        for message in ws:
            ws.send(message)

    @app.sse("/events")
    def events() -> Iterator[int]:
        yield from range(3)

    return app


def dial_raw(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), SECONDS)


def get(url: str, **options: Any) -> bytes:
    with urllib.request.urlopen(url, timeout=SECONDS, **options) as response:
        body: bytes = response.read()
        return body


def refused(url: str) -> tuple[int, Any]:
    """Give the status that is no success, and the header fields."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        get(url)
    with raised.value as error:
        return error.code, error.headers


def dial(server: Server, path: str = "/echo", **options: Any) -> Any:
    return connect(server.url.replace("http", "ws") + path, **options)
