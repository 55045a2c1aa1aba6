"""The ``websocket-client`` library, which blocks, against our server."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websocket
from websocket import ABNF

KINDS = ["async", "sync", "callbacks"]
TWO = ["async", "sync"]
Closed = Callable[[str], tuple[int | None, str]]


@contextmanager
def connect(url: str, **options: Any) -> Iterator[websocket.WebSocket]:
    """Connect; this client sends the origin of the server itself, as its own pages would."""
    ws = websocket.create_connection(f"ws://{url}", timeout=10, **options)
    try:
        yield ws
    finally:
        ws.close()
        ws.shutdown()  # close() leaves the socket open where the server has closed first


@pytest.mark.parametrize("kind", KINDS)
def test_messages_come_back(address: str, kind: str) -> None:
    with connect(f"{address}/{kind}/echo", subprotocols=["superchat"]) as ws:
        assert ws.getsubprotocol() == "superchat"
        for message in ("", "text", "é" * (1 << 19)):
            ws.send(message)
            assert ws.recv() == message
        for payload in (b"", b"\xff" * (1 << 20)):
            ws.send_binary(payload)
            assert ws.recv() == payload


@pytest.mark.parametrize("kind", KINDS)
def test_fragments_with_a_ping_between_them(address: str, kind: str) -> None:
    euro = "€".encode()
    with connect(f"{address}/{kind}/echo") as ws:
        ws.send_frame(ABNF.create_frame(b"costs 5 " + euro[:1], ABNF.OPCODE_TEXT, fin=0))
        ws.ping(b"x")
        ws.send_frame(ABNF.create_frame(euro[1:], ABNF.OPCODE_CONT, fin=0))
        ws.send_frame(ABNF.create_frame(b"", ABNF.OPCODE_CONT, fin=1))
        opcode, pong = ws.recv_data_frame(control_frame=True)
        assert (opcode, pong.data) == (ABNF.OPCODE_PONG, b"x")
        assert ws.recv() == "costs 5 €"


@pytest.mark.parametrize("kind", TWO)
def test_pings_of_the_server_are_answered(address: str, kind: str) -> None:
    with connect(f"{address}/{kind}/ping") as ws:
        assert 0 < json.loads(ws.recv())["latency"] < 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_clients_close_reaches_the_handler(address: str, closed: Closed, kind: str) -> None:
    name = f"websocket-client-{kind}"
    with connect(f"{address}/{kind}/echo?name={name}") as ws:
        ws.close(status=3333, reason="enough é".encode(), timeout=5)
        assert closed(name) == (3333, "enough é")


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_just_leaves_is_1006(address: str, closed: Closed, kind: str) -> None:
    name = f"websocket-client-{kind}-gone"
    with connect(f"{address}/{kind}/echo?name={name}") as ws:
        ws.shutdown()
    assert closed(name)[0] == 1006


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_the_servers_close_reaches_the_client(address: str, kind: str, code: int) -> None:
    with connect(f"{address}/{kind}/close") as ws:
        ws.send(str(code))
        opcode, payload = ws.recv_data()
        assert opcode == ABNF.OPCODE_CLOSE
        assert (*struct.unpack("!H", payload[:2]), payload[2:]) == (code, b"as you wish")


@pytest.mark.parametrize("kind", TWO)
def test_header_fields_go_both_ways(address: str, kind: str) -> None:
    options = {"header": {"X-Name": "Ada"}, "subprotocols": ["superchat", "chat"]}
    with connect(f"{address}/{kind}/greeting", **options) as ws:
        assert ws.getsubprotocol() == "chat"
        headers = ws.getheaders()
        assert headers is not None
        assert headers["x-greeting"] == "Hello, Ada"


@pytest.mark.parametrize(
    ("path", "options", "status", "body"),
    [
        ("/async/refused", {}, 401, b"who are you?\n"),
        ("/sync/rejected", {}, 403, b"short and stout"),
        ("/nowhere", {}, 404, b"Not Found\n"),
        ("/async/ping", {"origin": "http://evil.test"}, 403, None),
    ],
)
def test_refusals(
    address: str, path: str, options: dict[str, str], status: int, body: bytes | None
) -> None:
    with (
        pytest.raises(websocket.WebSocketBadStatusException) as raised,
        connect(f"{address}{path}", **options),
    ):
        pass
    assert raised.value.status_code == status
    if body is not None:
        assert raised.value.resp_body == body
