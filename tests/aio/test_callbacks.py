"""Callback handlers on a transport in memory: when which method is called, and what follows."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fasterapi import App, ConnectionClosed, Limits, LocalProtocolError, Request, State, WebSocket
from tests.protocol.wire import PING, PONG, TEXT, frame

from .conftest import Runner
from .memory import Client, Network, handshake, turns

Calls = list[tuple[Any, ...]]
RAISED: dict[str | bytes, type[BaseException]] = {
    "crash": ValueError,
    "bad": BaseException,  # what pytest.fail raises is no Exception either
    "leave": SystemExit,
}


def text(message: str) -> bytes:
    return frame(TEXT, message.encode())


def served(calls: Calls, **options: Any) -> Network:
    """Serve a handler that notes its calls, and does what messages say."""
    app = App()

    @app.websocket("/{room}", **options)
    class Handler:
        def __init__(self, room: str, request: Request) -> None:
            self.room = room
            calls.append(("new", room, request.path))

        def on_open(self, ws: WebSocket) -> None:
            calls.append(("open", ws.state))
            if self.room == "locked":
                ws.reject(423)
            if self.room in RAISED:
                raise RAISED[self.room]

        def on_message(self, ws: WebSocket, message: str | bytes) -> None:
            calls.append(("message", message))
            if message in RAISED:
                raise RAISED[message]
            if message == "close":
                ws.close(3000, "as told")
            if message == "flood":
                ws.send("x" * 40_000)
                calls.append(("buffered", ws.buffered))
            ws.send(message) if ws.is_open() else None

        def on_drain(self, ws: WebSocket) -> None:
            calls.append(("drain", ws.buffered))

        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            calls.append(("close", code, reason))

    return Network(app)


def test_an_instance_per_connection_is_told_what_happens(run: Runner) -> None:
    async def main() -> None:
        calls: Calls = []
        network = served(calls)
        client = await network.websocket("/hall")
        assert calls == [("new", "hall", "/hall"), ("open", State.CONNECTING)]
        await client.send(text("a") + text("b") + frame(PING, b"p"))
        assert [each.first & 0xF for each in client.frames()] == [PING + 1, TEXT, TEXT]
        assert calls[2:] == [("message", "a"), ("message", "b")]
        await client.send(frame(8, b"\x03\xe8bye"))
        assert client.closing() == (1000, "bye")
        await client.leave()
        assert calls[4:] == [("close", 1000, "bye")]

    run(main())


def test_a_client_that_leaves_closes_once(run: Runner) -> None:
    async def main() -> None:
        calls: Calls = []
        client = await served(calls).websocket("/hall")
        await client.finish()
        await client.leave()
        assert calls[2:] == [("close", 1006, "")]

    run(main())


def test_on_open_may_reject(run: Runner) -> None:
    async def main() -> None:
        calls: Calls = []
        client = served(calls).connect()
        await client.send(handshake(path="/locked"))
        assert client.response()[0] == 423
        assert [call[0] for call in calls] == ["new", "open"]

    run(main())


@pytest.mark.parametrize(
    ("room", "send", "kind"),
    [
        ("crash", b"", "ValueError"),
        ("bad", b"", "BaseException"),
        ("hall", text("crash") + text("no"), "ValueError"),
        ("hall", text("bad") + text("no"), "BaseException"),
    ],
)
def test_a_crash_is_the_end(
    run: Runner, caplog: pytest.LogCaptureFixture, room: str, send: bytes, kind: str
) -> None:
    async def main() -> None:
        calls: Calls = []
        network = served(calls)
        if room != "hall":
            client = network.connect()
            await client.send(handshake(path=f"/{room}"))
            assert client.response()[0] == 500
        else:
            client = await network.websocket("/hall")
            await client.send(send)
            assert client.closing() == (1011, "")
            assert ("message", "no") not in calls

    with caplog.at_level(logging.ERROR, "fasterapi.server"):
        run(main())
    (record,) = caplog.records
    assert record.exc_info
    assert f"Handler raised {kind}" in record.getMessage()


def test_what_ends_the_process_closes_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    calls: Calls = []
    clients: list[Client] = []

    async def main() -> None:
        clients.append(await served(calls).websocket("/hall"))
        await clients[0].send(text("leave"))

    with caplog.at_level(logging.ERROR, "fasterapi.server"), pytest.raises(SystemExit):
        asyncio.run(main())
    assert clients[0].closing()[0] == 1001
    assert caplog.records == []


def test_closing_takes_no_further_message(run: Runner) -> None:
    async def main() -> None:
        calls: Calls = []
        client = await served(calls).websocket("/hall")
        await client.send(text("close") + text("late"))
        assert client.closing() == (3000, "as told")
        await client.send(frame(8, b"\x0b\xb8"))
        await client.leave()
        assert calls[2:] == [("message", "close"), ("close", 3000, "")]

    run(main())


def test_on_drain_comes_when_the_peer_takes_bytes_again(run: Runner) -> None:
    async def main() -> None:
        calls: Calls = []
        client = await served(calls, limits=Limits(write_high_water=10_000)).websocket("/hall")
        client.transport.stuck = True
        await client.send(text("flood"))
        (buffered,) = [call[1] for call in calls if call[0] == "buffered"]
        assert buffered >= 40_000
        client.transport.take()
        await turns()
        assert ("drain", 0) in calls

    run(main())


def test_receive_is_not_for_callbacks(run: Runner) -> None:
    async def main() -> None:
        found: list[WebSocket] = []
        app = App()

        @app.websocket("/")
        class Handler:
            def on_open(self, ws: WebSocket) -> None:
                found.append(ws)

            def on_message(self, ws: WebSocket, message: str | bytes) -> None: ...

        client = await Network(app).websocket("/")
        with pytest.raises(LocalProtocolError, match="on_message"):
            await found[0].receive()
        ping = found[0].ping(b"mine")
        await turns()
        client.taken()
        await client.send(frame(PONG, b"mine"))
        assert await ping >= 0
        await client.leave()
        with pytest.raises(ConnectionClosed):
            found[0].send("x")

    run(main())


def test_the_server_says_goodbye(run: Runner) -> None:
    async def main() -> None:
        calls: Calls = []
        network = served(calls)
        client: Client = await network.websocket("/hall")
        for channel in list(network.server.connections):
            channel.stop()
        await turns()
        assert client.closing()[0] == 1001

    run(main())
