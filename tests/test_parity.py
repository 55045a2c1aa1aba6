"""The two kinds of class have the same verbs: ``await`` is what makes the difference."""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

import fasterapi.aio
import fasterapi.sync
from fasterapi import SyncWebSocket, WebSocket
from fasterapi.aio import client as aio_client
from fasterapi.http.event_stream import EventStreamBase
from fasterapi.http.websocket_request import ConnectOptions
from fasterapi.protocol import Role, WebSocketConnection, accept_key
from fasterapi.protocol.events import Event, Pong
from fasterapi.sync import client as sync_client

from .relays import listening, read_head

# What only one of the two can have, and why.
ONLY_AIO = {
    "buffered",  # a blocking send waits until all is written
    "drained",  # nor is there anything to be told when it is
}
ONLY_SYNC = {
    # The watcher's side of a blocking session; it is no verb of applications.
    "ended", "give_up", "lose", "lost", "pump", "reads", "shut_down", "tick", "waiting",
    "write_out", "write_piece",
}  # fmt: skip


def verbs(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def parameters(function: Any) -> dict[str, tuple[Any, Any]]:
    """Give names, kinds and defaults; a blocking verb may have a timeout beside them."""
    return {
        name: (parameter.kind, parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "timeout"
    }


def test_both_websockets_have_the_same_verbs() -> None:
    assert verbs(WebSocket) - verbs(SyncWebSocket) - ONLY_AIO == set()
    assert verbs(SyncWebSocket) - verbs(WebSocket) - ONLY_SYNC == set()


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name in verbs(WebSocket) & verbs(SyncWebSocket)
        if inspect.isfunction(getattr(WebSocket, name))
    ),
)
def test_a_verb_takes_the_same_on_both(name: str) -> None:
    assert parameters(getattr(WebSocket, name)) == parameters(getattr(SyncWebSocket, name))


def test_both_connects_take_the_same() -> None:
    aio, sync = fasterapi.aio.connect, fasterapi.sync.connect
    assert fasterapi.connect is aio
    assert parameters(aio) == parameters(sync)
    hints = [inspect.signature(each).parameters["options"].annotation for each in (aio, sync)]
    assert hints == ["Unpack[ConnectOptions]"] * 2
    assert aio_client.ConnectOptions is sync_client.ConnectOptions is ConnectOptions


def test_both_event_streams_take_the_same() -> None:
    aio, sync = fasterapi.aio.events, fasterapi.sync.events
    assert fasterapi.events is aio
    assert inspect.signature(aio) == inspect.signature(sync) == inspect.signature(EventStreamBase)


def test_every_option_of_connect_is_documented_and_named() -> None:
    documented = inspect.getdoc(ConnectOptions) or ""
    named = inspect.getdoc(fasterapi.connect) or ""
    for option in ConnectOptions.__annotations__:
        assert f"{option}" in documented
        assert f"``{option}``" in named


def receive_blocking(url: str) -> Any:
    with fasterapi.sync.connect(url, proxy=None) as ws:
        return ws.receive()


def receive_awaiting(url: str) -> Any:
    async def receive() -> Any:
        async with fasterapi.connect(url, proxy=None) as ws:
            return await ws.receive()

    return asyncio.run(receive())


@pytest.mark.parametrize("receive", [receive_blocking, receive_awaiting])
def test_a_ping_behind_the_handshake_is_answered_at_once(receive: Callable[[str], Any]) -> None:
    heard: list[Event] = []

    def serve(sock: socket.socket) -> None:
        key = re.search(rb"sec-websocket-key: (\S+)", read_head(sock), re.IGNORECASE)
        assert key
        server = WebSocketConnection(Role.SERVER)
        server.ping(b"there?")
        response = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key[1].decode())}\r\n\r\n"
        )
        sock.sendall(response.encode() + server.data_to_send())
        heard.extend(server.receive_data(sock.recv(65536)))
        server.send_text("that was the answer")
        server.close()
        sock.sendall(server.data_to_send())
        sock.recv(65536)

    with listening(serve) as port:
        assert receive(f"ws://127.0.0.1:{port}/") == "that was the answer"
    assert heard == [Pong(b"there?")]
