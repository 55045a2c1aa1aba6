"""A connection of the blocking server between its thread and the watcher."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fasterapi import App, ConnectionClosed, Limits, SyncSSEConnection, SyncWebSocket
from fasterapi.app.responses import error_response
from fasterapi.sync import Server, serve

from .pairs import SECONDS, wait_until

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


def test_what_is_sent_during_a_stream_is_the_next_request() -> None:
    stage = Stage()
    with stage.serving() as (_, client):
        client.sendall(GET % b"/events")
        assert stage.entered.wait(SECONDS)
        client.sendall(GET % b"/")  # the watcher reads it
        read_until(client, b":\n\n")  # and sends a comment meanwhile
        stage.gate.set()
        assert b"data: last\n\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n" in read_until(client, b"page")


def test_a_client_that_leaves_its_stream_is_noticed() -> None:
    stage = Stage()
    with stage.serving() as (server, client):
        client.sendall(GET % b"/events")
        assert stage.entered.wait(SECONDS)
        (connection,) = server.connections
        client.close()
        wait_until(lambda: connection.lost)
        stage.gate.set()
        wait_until(lambda: not server.connections and not server.working)


def test_a_client_that_leaves_before_its_websocket_is_accepted() -> None:
    stage = Stage()
    with stage.serving() as (server, client):
        client.sendall(HANDSHAKE)
        assert stage.entered.wait(SECONDS)
        (connection,) = server.connections
        client.close()
        wait_until(lambda: connection.lost)
        stage.gate.set()
        wait_until(lambda: stage.notes)
        wait_until(lambda: not server.connections and not server.working)


def test_frames_that_come_before_the_handshake_is_accepted() -> None:
    stage = Stage()
    with stage.serving() as (_, client):
        client.sendall(HANDSHAKE + b"\x89\x80\0\0\0\0")  # a ping
        assert stage.entered.wait(SECONDS)
        stage.gate.set()
        head = read_until(client, b"\x8a\x00")
        assert head.startswith(b"HTTP/1.1 101 ")


def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    stage = Stage(write_timeout=0.1)
    with stage.serving() as (server, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(GET % b"/flood")
        wait_until(lambda: stage.notes)
        wait_until(lambda: not server.connections)


@pytest.mark.parametrize("path", ["/slow/events", "/slow/ws"])
def test_a_route_may_give_its_readers_more_time(path: str) -> None:
    stage = Stage(write_timeout=0.1)
    slow = Limits(write_timeout=30)

    @stage.app.sse("/slow/events", limits=slow)
    def events(sse: SyncSSEConnection) -> None:
        sse.send("first")
        stage.gate.wait(SECONDS)

    @stage.app.websocket("/slow/ws", limits=slow)
    def ws(ws: SyncWebSocket) -> None:
        ws.send("first")
        stage.gate.wait(SECONDS)

    with stage.serving() as (server, client):
        ask = GET % b"/slow/events" if path.endswith("events") else HANDSHAKE
        client.sendall(ask.replace(b" /ws ", b" /slow/ws "))
        read_until(client, b"first")
        (connection,) = server.connections
        owner = connection.carrier or connection
        assert owner._progress._limits.write_timeout == connection._stream.write_timeout == 30
        sock = connection._stream._socket
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000


def test_a_stop_beside_a_handler_that_accepts() -> None:
    """From a bug: what spoke HTTP was gone when the stop, or the answer to it, looked for it."""
    stage = Stage()
    stage.gate.set()
    with stage.serving() as (server, client):
        client.sendall(HANDSHAKE)
        read_until(client, b"hello")
        (connection,) = server.connections
        wait_until(lambda: connection.carrier)
        server.stopping = True
        with pytest.raises(ConnectionClosed):
            connection.respond(error_response(503))
        server.stopping = False


def test_an_idle_connection_is_closed_in_the_end() -> None:
    stage = Stage(keep_alive_timeout=0.05)
    with stage.serving() as (_, client):
        client.sendall(GET % b"/")
        read_until(client, b"page")
        assert client.recv(100) == b""


def test_a_request_that_takes_too_long_is_answered() -> None:
    stage = Stage(handshake_timeout=0.05)
    with stage.serving() as (_, client):
        client.sendall(b"GET / HT")
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 408 ")
