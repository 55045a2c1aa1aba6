"""``wsproto`` as a client on a plain socket: it shows each frame, and closes without a code."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
import wsproto
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

KINDS = ["async", "sync", "callbacks"]
TWO = ["async", "sync"]
Closed = Callable[[str], tuple[int | None, str]]


class Client:
    """A socket, and the protocol on it; pings and a Close are not answered by themselves."""

    def __init__(self, address: str, target: str, **request: Any) -> None:
        host, port = address.split(":")
        self.sock = socket.create_connection((host, int(port)), timeout=10)
        self.protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.events = self._events()
        self.send(Request(host=address, target=target, **request))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()

    def send(self, *events: Event) -> None:
        """Send them in one write."""
        self.sock.sendall(b"".join(map(self.protocol.send, events)))

    def _events(self) -> Iterator[Event]:
        while data := self.sock.recv(65536):
            self.protocol.receive_data(data)
            yield from self.protocol.events()

    def accepted(self) -> AcceptConnection:
        event = next(self.events)
        assert isinstance(event, AcceptConnection)
        return event

    def message(self) -> tuple[str | bytes, int]:
        """Give the next message, and the number of its parts as they arrived."""
        parts: list[Any] = []
        for event in self.events:
            assert isinstance(event, Message)
            parts.append(event.data)
            if event.message_finished:
                break
        return type(parts[0])().join(parts), len(parts)

    def close(self) -> tuple[int, str | None]:
        """Give the Close that comes next, answer it, and see the connection end."""
        event = next(self.events)
        assert isinstance(event, CloseConnection)
        if self.protocol.state is not wsproto.connection.ConnectionState.CLOSED:
            self.send(event.response())
        assert next(self.events, None) is None
        return event.code, event.reason


@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation(address: str, kind: str) -> None:
    offers = {"subprotocols": ["chat"], "extensions": [PerMessageDeflate()]}
    with Client(address, f"/{kind}/echo", **offers) as client:
        accepted = client.accepted()
        assert accepted.subprotocol == "chat"
        assert len(accepted.extensions) == 1
        client.send(TextMessage("hello"), BytesMessage(b"\xff" * (1 << 20)), TextMessage(""))
        assert [client.message()[0] for _ in range(3)] == ["hello", b"\xff" * (1 << 20), ""]
        client.send(CloseConnection(1000, "bye"))
        assert client.close() == (1000, "bye")


@pytest.mark.parametrize("kind", KINDS)
def test_fragments_with_a_ping_between_them(address: str, kind: str) -> None:
    with Client(address, f"/{kind}/echo") as client:
        client.accepted()
        client.send(
            TextMessage("one ", message_finished=False),
            Ping(b"still there?"),
            TextMessage("twö ", message_finished=False),
            TextMessage("", message_finished=True),
        )
        assert next(client.events) == Pong(b"still there?")
        assert client.message() == ("one twö ", 1)


@pytest.mark.parametrize("kind", TWO)
def test_a_message_comes_in_the_parts_that_the_handler_sends(address: str, kind: str) -> None:
    with Client(address, f"/{kind}/stream") as client:
        client.accepted()
        client.send(
            BytesMessage(b"one", message_finished=False),
            BytesMessage(b"two", message_finished=False),
            BytesMessage(b"three", message_finished=True),
        )
        message, parts = client.message()
        assert message == b"onetwothree"
        assert parts >= 3


@pytest.mark.parametrize("kind", TWO)
def test_the_server_waits_for_its_pong(address: str, kind: str) -> None:
    with Client(address, f"/{kind}/ping") as client:
        client.accepted()
        ping = next(client.events)
        assert isinstance(ping, Ping)
        client.send(Pong(b"of nothing"), ping.response())
        assert 0 < json.loads(client.message()[0])["latency"] < 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [None, 1000, 3000, 4999])
def test_the_clients_close_is_answered(
    address: str, closed: Closed, kind: str, code: int | None
) -> None:
    name = f"wsproto-{kind}-{code}"
    with Client(address, f"/{kind}/echo?name={name}") as client:
        client.accepted()
        client.send(CloseConnection(code))  # type: ignore[arg-type]  # None: an empty Close
        assert client.close()[0] == (code or 1005)
        assert closed(name) == (code or 1005, "")


@pytest.mark.parametrize("kind", TWO)
def test_the_server_closes_and_hangs_up(address: str, kind: str) -> None:
    with Client(address, f"/{kind}/close") as client:
        client.accepted()
        client.send(TextMessage("4321"))
        assert client.close() == (4321, "as you wish")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/async/refused", 401, b"who are you?\n"),
        ("/sync/rejected", 403, b"short and stout"),
        ("/nowhere", 404, b"Not Found\n"),
    ],
)
def test_refusals(address: str, path: str, status: int, body: bytes) -> None:
    with Client(address, path) as client:
        refused, *rest = list(client.events)
        assert isinstance(refused, RejectConnection)
        assert refused.status_code == status
        assert b"".join(event.data for event in rest if isinstance(event, RejectData)) == body
