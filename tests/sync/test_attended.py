"""A connection of the blocking server while its handler is busy: its thread and the watcher."""

from __future__ import annotations

import socket

import pytest

from fasterapi import ConnectionClosed, Limits, SyncSSEConnection, SyncWebSocket
from fasterapi.app.responses import error_response

from .pairs import SECONDS, wait_until
from .stage import GET, HANDSHAKE, Stage, read_until


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
