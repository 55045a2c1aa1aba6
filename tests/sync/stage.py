"""An app whose handlers do what the test lets them, on a server of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fasterapi import App, ConnectionClosed, Limits, SyncSSEConnection, SyncWebSocket
from fasterapi.sync import Server, serve

from .pairs import SECONDS

GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Stage:
    """An app whose handlers wait for the test, and tell it."""

    def __init__(self, **limits: float) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()
        self.notes: list[object] = []
        self.app = app = App(limits=Limits(close_timeout=0.5, **limits))  # type: ignore[arg-type]

        @app.sse("/events", keepalive=0.05)
        def events(sse: SyncSSEConnection) -> None:
            sse.send("first")
            self.entered.set()
            self.gate.wait(SECONDS)
            sse.send("last")

        @app.sse("/flood")
        def flood(sse: SyncSSEConnection) -> None:
            self.entered.set()
            try:
                while True:
                    sse.send("x" * 10_000)
            except ConnectionClosed as error:
                self.notes.append(error)
                raise

        @app.get("/")
        def page() -> str:
            return "page"

        @app.websocket("/ws")
        def ws(ws: SyncWebSocket) -> None:
            self.entered.set()
            self.gate.wait(SECONDS)
            try:
                ws.send("hello")
            except ConnectionClosed as error:
                self.notes.append(error)
                raise

    @contextmanager
    def serving(self) -> Iterator[tuple[Server, socket.socket]]:
        with serve(self.app, port=0) as server, dial(server) as client:
            yield server, client
            self.gate.set()


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), SECONDS)


def read_until(client: socket.socket, end: bytes) -> bytes:
    got = b""
    while end not in got:
        data = client.recv(65536)
        assert data, got
        got += data
    return got
