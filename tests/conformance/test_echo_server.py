"""The server under test starts as its command line says, echoes on every path, stops cleanly."""

from __future__ import annotations

import pytest
from websockets.sync.client import connect

from conformance.programs import echo_server

MIB = 1024 * 1024


@pytest.mark.parametrize("style", ["coroutine", "callback", "thread"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_echoes_on_every_path(loop: str, style: str) -> None:
    with echo_server(["--loop", loop, "--style", style, "--no-deflate"]) as address:
        for path in ("/", "/echo", "/deep/er?query=1"):
            with connect(f"ws://{address}{path}") as client:
                for message in ("text", b"binary", "", b""):
                    client.send(message)
                    assert client.recv() == message


def test_it_echoes_with_threads() -> None:
    with echo_server(["--server", "sync"]) as address, connect(f"ws://{address}/") as client:
        for message in ("text", b"binary", "", b""):
            client.send(message)
            assert client.recv() == message


def test_it_takes_the_largest_message_of_the_suite() -> None:
    with echo_server() as address, connect(f"ws://{address}/", max_size=None) as client:
        message = bytes(16 * MIB)
        client.send(message)
        assert client.recv() == message


def test_it_takes_any_origin() -> None:
    with echo_server() as address, connect(f"ws://{address}/", origin="http://elsewhere") as client:
        client.send("hello")
        assert client.recv() == "hello"
