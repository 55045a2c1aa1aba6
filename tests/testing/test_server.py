"""A server in memory, talked to by a client that nobody here wrote, and the wire between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from fasterapi import App, SyncWebSocket, WebSocket
from fasterapi.testing import MemoryServer, TestClient, Wire

from .application import make


def run(scenario: Callable[[MemoryServer], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with MemoryServer(make(), lambda: None) as server:
            await scenario(server)

    asyncio.run(asyncio.wait_for(main(), 30))


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


class Peer:
    """A client of wsproto's on a wire."""

    def __init__(self, server: MemoryServer) -> None:
        self.wire = Wire(server, peername=("192.0.2.1", 1))
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.events: list[Event] = []
        self.wire.on_data = self.take

    def take(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        self.events += self.protocol.events()

    async def say(self, event: Event, answer: type) -> Any:
        self.wire.send(self.protocol.send(event))
        await until(lambda: any(isinstance(event, answer) for event in self.events))
        return self.events.pop(0)


@pytest.mark.parametrize("path", ["/async", "/def", "/callbacks"])
def test_wsproto_talks_to_it(path: str) -> None:
    async def scenario(server: MemoryServer) -> None:
        peer = Peer(server)
        accepted = await peer.say(
            Request("testserver", path, subprotocols=["chat"], extensions=[PerMessageDeflate()]),
            AcceptConnection,
        )
        assert accepted.subprotocol == "chat"
        echoed = await peer.say(TextMessage("häj"), TextMessage)
        assert echoed.data == "häj"
        closed = await peer.say(CloseConnection(4000, "bye"), CloseConnection)
        assert (closed.code, closed.reason) == (4000, "bye")
        peer.wire.close()
        await until(lambda: peer.wire.lost and not server.connections and not server.calls)
        assert server.app.state.ends == [(4000, "bye")]

    run(scenario)


def test_reads_arrive_one_by_one_and_only_while_the_server_reads() -> None:
    async def scenario(server: MemoryServer) -> None:
        wire, reads = Wire(server), list[bytes]()
        http = wire.transport.get_protocol()
        reader = type("Reader", (), {"data_received": lambda _, data: reads.append(data)})
        wire.transport.set_protocol(reader())
        wire.transport.pause_reading()
        wire.send(b"a", b"bc")
        await wire.delivered()
        assert (reads, wire.unread, bytes(wire.sent)) == ([], 3, b"abc")
        wire.transport.resume_reading()
        await wire.delivered()
        assert (reads, wire.unread) == ([b"a", b"bc"], 0)
        wire.transport.set_protocol(http)
        wire.drop()

    run(scenario)


@pytest.mark.parametrize("verb", ["data_received", "eof_received"])
def test_a_protocol_that_fails_loses_its_connection(verb: str) -> None:
    """From a bug: what it had not taken was waited for without an end."""

    class Failing(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            if verb == "data_received":
                raise RuntimeError("meant to")

        def eof_received(self) -> bool:
            raise RuntimeError("meant to")

        def connection_lost(self, error: Exception | None) -> None:
            ends.append(error)

    ends: list[Exception | None] = []

    async def scenario(server: MemoryServer) -> None:
        reports: list[dict[str, Any]] = []
        server.loop.set_exception_handler(lambda _, report: reports.append(report))
        wire = Wire(server)
        http = wire.transport.get_protocol()
        wire.transport.set_protocol(Failing())
        wire.send(b"a", b"b")
        wire.send_eof()
        await wire.delivered()
        await until(lambda: ends)
        assert wire.lost
        assert [str(end) for end in ends] == ["meant to"]
        assert reports[0]["exception"] is ends[0]
        http.connection_lost(None)

    run(scenario)


def test_a_wire_ends_behind_what_it_carries() -> None:
    async def scenario(server: MemoryServer) -> None:
        wire = Wire(server, peername=("192.0.2.1", 1))
        ends: list[str] = []
        wire.on_data = lambda data: ends.append("data")
        wire.on_end = lambda: ends.append("end")
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wire.close()
        wire.close()
        await until(lambda: wire.ended and wire.lost)
        assert ends == ["data", "end"]
        assert wire.received.startswith(b"HTTP/1.1 200 ")
        assert wire.call is None

    run(scenario)


def test_a_wire_that_is_cut_carries_nothing() -> None:
    async def scenario(server: MemoryServer) -> None:
        wire = Wire(server, peername=("192.0.2.1", 1))
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.drop(ConnectionResetError())
        await until(lambda: wire.ended)
        assert wire.received == b""
        assert not server.connections

    run(scenario)


@pytest.mark.parametrize("path", ["/async", "/def"])
def test_handlers_see_the_context_of_the_start_up(path: str) -> None:
    where: ContextVar[str] = ContextVar("where", default="in the test")

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        where.set("in the lifespan")
        yield

    app = App(lifespan=lifespan)

    @app.websocket("/async")
    async def coroutine(ws: WebSocket) -> None:
        await ws.send(where.get())
        where.set("in a handler")

    @app.websocket("/def")
    def function(ws: SyncWebSocket) -> None:
        ws.send(where.get())
        where.set("in a handler")

    with TestClient(app) as c:
        for _ in range(2):
            with c.websocket(path) as ws:
                assert ws.receive() == "in the lifespan"
    assert where.get() == "in the test"


def test_the_server_may_run_over() -> None:
    async def scenario(server: MemoryServer) -> None:
        await server.stop()
        wire = Wire(server)
        await until(lambda: wire.received)
        assert wire.received.startswith(b"HTTP/1.1 503 ")

    run(scenario)
