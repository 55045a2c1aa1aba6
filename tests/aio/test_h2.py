from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from fasterapi import (
    App,
    ConnectionClosed,
    Limits,
    Request,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)
from tests.http.h2_peer import CALM, GET, PREFACE, Peer, fields, raw
from tests.protocol.wire import CLOSE, PING, TEXT, frame

from .conftest import Runner
from .h2_client import H2Client
from .memory import Network, get, turns, until

END = 1000
LIMITS = Limits(ping_interval=None)


class Endings(list[Any]):
    """How handlers have ended."""


def application(endings: Endings, limits: Limits = LIMITS) -> App:
    app = App(limits=limits)
    add_pages(app)
    add_echoes(app, endings)
    add_websockets(app, endings)
    add_streams(app, endings)
    return app


def add_pages(app: App) -> None:

    @app.get("/")
    async def hello(request: Request) -> str:
        return f"hello over {request.http_version}"

    @app.get("/def")
    def hello_in_thread() -> str:
        return "hello"

    @app.post("/size")
    async def size(request: Request) -> str:
        return str(len(request.body))

    @app.get("/large")
    async def large() -> bytes:
        return bytes(1_000_000)


def add_echoes(app: App, endings: Endings) -> None:
    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        try:
            async for message in ws:
                await ws.send(message)
        finally:
            endings.append(ws.close_code)

    @app.websocket("/def/ws")
    def echo_in_thread(ws: SyncWebSocket) -> None:
        try:
            for message in ws:
                ws.send(message)
        finally:
            endings.append(ws.close_code)

    @app.websocket("/callbacks")
    class Echo:
        def on_message(self, ws: WebSocket, message: str) -> None:
            ws.send(message)

        def on_close(self, ws: WebSocket, code: int, reason: str) -> None:
            endings.append(ws.close_code)


def add_websockets(app: App, endings: Endings) -> None:
    @app.websocket("/occupied")
    async def occupied(ws: WebSocket) -> None:
        await ws.accept()
        try:
            await asyncio.sleep(END)
        except asyncio.CancelledError:
            endings.append("cancelled")
            raise

    @app.websocket("/flood")
    async def flood(ws: WebSocket) -> None:
        try:
            while True:
                await ws.send(bytes(10_000))
        except ConnectionClosed as closed:
            endings.append(closed.code)

    @app.websocket("/hesitant")
    async def hesitant(ws: WebSocket) -> None:
        try:
            await asyncio.sleep(END)
        finally:
            endings.append(ws.close_code)

    @app.websocket("/refused")
    async def refused(ws: WebSocket) -> None:
        await ws.reject(403, body="no")


def add_streams(app: App, endings: Endings) -> None:
    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        try:
            for i in range(END):
                await sse.send(i)
                if i >= 2:
                    await asyncio.sleep(END)
        except asyncio.CancelledError:
            endings.append("cancelled")
            raise

    @app.sse("/def/events")
    def events_in_thread(sse: SyncSSEConnection) -> None:
        sse.send("first")
        sse.wait_closed()
        endings.append("closed")

    @app.sse("/few")
    def few() -> Iterator[str]:
        yield "one"
        yield "two"


@pytest.fixture
def endings() -> Endings:
    return Endings()


def text(message: str) -> bytes:
    return frame(TEXT, message.encode())


# --------------------------------------------------------------------------------- negotiation


def test_prior_knowledge_beside_http_1(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        assert (await client.get("/")).data == b"hello over 2"
        old = H2Client(network)
        await old.send(get("/"))
        await turns()
        assert b"hello over 1.1" in bytes(old.transport.written)

    run(main())


@pytest.mark.parametrize("cut", [1, 3, 23, 24, 25])
def test_the_preface_may_come_in_pieces(run: Runner, endings: Endings, cut: int) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        number = client.peer.request(GET)
        data = client.peer.h2.data_to_send()
        await client.send(data[:cut])
        await client.send(data[cut:])
        await client.run()
        assert client.peer.heard[number].data == b"hello over 2"

    run(main())


def test_what_only_begins_like_the_preface(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        await client.send(b"P")
        await client.send(b"OST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert bytes(client.transport.written).endswith(b"\r\n\r\n1")
        slow = H2Client(client.network)
        await slow.send(PREFACE[:20])
        await client.network.pass_time(11, step=1.0)
        assert b"408" in bytes(slow.transport.written)

    run(main())


class Alpn:
    """What a transport tells of TLS."""

    def __init__(self, protocol: str | None) -> None:
        self.protocol = protocol

    def selected_alpn_protocol(self) -> str | None:
        return self.protocol


def test_alpn_decides_over_tls(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network, ssl_object=Alpn("h2"), sslcontext=object())
        assert (await client.get("/")).data == b"hello over 2"
        for other in ("http/1.1", None):
            old = H2Client(network, ssl_object=Alpn(other), sslcontext=object())
            await old.send(PREFACE)
            assert b"505" in bytes(old.transport.written)

    run(main())


def test_a_full_server_refuses_connections_and_streams(
    run: Runner, endings: Endings, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        network = Network(application(endings, Limits(max_connections=2)))
        client = H2Client(network)
        await client.websocket()
        refused = await client.get("/")
        assert refused.status == 503
        assert refused.headers["retry-after"] in set("12345")
        other = H2Client(network, ssl_object=Alpn("h2"), sslcontext=object())
        assert b"503" in bytes(other.transport.written)

    caplog.set_level(logging.INFO)
    run(main())
    assert "Limits.max_connections (2)" in caplog.text


def test_a_stream_counts_from_when_its_request_is_whole(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings, Limits(max_connections=2)))
        client = H2Client(network)
        for _ in range(5):
            client.peer.request(fields(GET, method="POST"), b"a part of it", end=False)
        await client.run()
        assert len(network.server.connections) == 1
        await client.websocket()
        assert len(network.server.connections) == 2

    run(main())


# ------------------------------------------------------------------------------ what is served


def test_everything_on_one_connection(
    run_everywhere: Runner, endings: Endings, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        sockets = [await client.websocket(path) for path in ("/ws", "/def/ws", "/callbacks")]
        streams = [await client.get("/events") for _ in range(8)]
        few, threaded = await client.get("/few"), await client.get("/def/events")
        await until(lambda: client.hear() or (few.ended and threaded.data))
        for socket in sockets:
            await until(lambda s=socket: client.hear() or s.heard.status)
            assert socket.heard.status == 200
            await socket.send(text("hello") + frame(PING, b"!"))
            await until(lambda s=socket: client.hear() or len(s.heard.data) >= 10)
            assert {b"hello", b"!"} == set(await socket.messages())
        assert [s.data for s in streams] == [b"data: 0\n\ndata: 1\n\ndata: 2\n\n"] * 8
        assert streams[0].headers["content-type"].startswith("text/event-stream")
        assert few.data == b"data: one\n\ndata: two\n\n"
        assert threaded.data == b"data: first\n\n"
        assert (await client.get("/size", "POST", bytes(16_000))).data == b"16000"
        assert (await client.get("/", "HEAD")).data == b""
        assert (await client.get("/nowhere")).status == 404
        assert (await client.get("/ws")).status == 505
        for socket in sockets:
            await socket.send(frame(CLOSE, b"\x0f\xa1bye"), end=True)
            await until(lambda s=socket: client.hear() or s.heard.ended)
            assert (await socket.frames())[0].payload == b"\x0f\xa1bye"
        await until(lambda: endings.count(4001) == 3)
        await client.leave()
        await until(lambda: endings.count("cancelled") == 8 and "closed" in endings)
        await until(lambda: not network.server.connections and not network.server.calls)

    caplog.set_level(logging.INFO)
    run_everywhere(main())
    assert '"CONNECT /ws HTTP/2" 200' in caplog.text
    assert '"GET /events HTTP/2" 200' in caplog.text
    assert '"WebSocket /ws" closed 4001' in caplog.text


def test_a_handshake_is_judged(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        evil = await client.websocket("/ws", ("origin", "http://evil.test"))
        assert evil.heard.status == 403
        assert (await client.websocket("/refused")).heard.data == b"no"
        assert (await client.websocket("/nowhere")).heard.status == 404
        assert (await client.websocket("/events")).heard.status in (404, 405)
        own = await client.websocket("/ws", ("origin", "http://localhost"))
        assert own.heard.status == 200

    run(main())


def test_what_comes_before_the_handshake_is_accepted_waits(run: Runner, endings: Endings) -> None:
    app = App()
    go = asyncio.Event()

    @app.websocket("/ws")
    async def late(ws: WebSocket) -> None:
        await go.wait()
        async for message in ws:
            await ws.send(message)

    async def main() -> None:
        client = H2Client(Network(app))
        number = client.peer.connect()
        client.peer.h2.send_data(number, text("early") * 3 + frame(CLOSE, b"\x03\xe8"))
        client.peer.h2.end_stream(number)
        await client.run()
        assert client.peer.heard[number].status is None
        go.set()
        await until(lambda: client.hear() or client.peer.heard[number].ended)
        assert client.peer.heard[number].data.count(b"early") == 3

    run(main())


@pytest.mark.parametrize("path", ["/ws", "/def/ws", "/callbacks"])
def test_a_reset_stream_is_a_lost_connection(run: Runner, endings: Endings, path: str) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        socket = await client.websocket(path)
        await until(lambda: client.hear() or socket.heard.status)
        await socket.send(text("x"))
        client.peer.h2.reset_stream(socket.number, 8)
        await client.run()
        await until(lambda: endings)
        assert endings == [1006]
        assert (await client.get("/")).status == 200

    run(main())


def test_a_reset_before_the_handshake_is_answered(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        socket = await client.websocket("/hesitant")
        client.peer.h2.reset_stream(socket.number, 8)
        await client.run()
        assert len(network.server.connections) == 1

    run(main())


def test_half_a_stream_that_ends_is_the_end_of_a_websocket(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        socket = await client.websocket()
        await socket.send(text("x"), end=True)
        await until(lambda: client.hear() or socket.heard.ended)
        assert endings == [1006]

    run(main())


def test_events_that_nobody_waits_for_end_their_handler(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        number = client.peer.request(fields(GET, path="/events"))
        await client.run()
        client.peer.h2.reset_stream(number, 8)
        await client.run()
        await turns()
        assert endings == ["cancelled"]

    run(main())


# -------------------------------------------------------------------------------- flow control


def test_a_stalled_stream_holds_up_no_other(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        peer = Peer(credit=False)
        network = Network(application(endings))
        client = H2Client(network, peer)
        flood = await client.websocket("/flood")
        assert len(flood.heard.data) == 65_535
        peer.h2.increment_flow_control_window(1 << 20)
        await client.run()
        socket = await client.websocket()
        for _ in range(20):
            await socket.send(text("x" * 1000))
        assert await socket.messages() == [b"x" * 1000] * 20
        waiting = [c.transport.get_write_buffer_size() for c in network.server.connections]
        assert max(waiting) < 200_000
        # It may read on; and if it does not, that is its end alone.
        peer.h2.increment_flow_control_window(100_000, flood.number)
        await client.run()
        assert len(flood.heard.data) == 165_535
        await network.pass_time(31, step=1.0)
        await client.run()
        assert flood.heard.reset == 8
        assert endings == [1006]
        await socket.send(text("still there?"))
        assert await socket.messages() == [b"still there?"]

    run(main())


def test_windows_of_zero_for_ever(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network, Peer(window=0, credit=False))
        sockets = [await client.websocket() for _ in range(10)]
        for socket in sockets:
            await socket.send(text("x"))
            assert socket.heard.data == b""
        await network.pass_time(31, step=1.0)
        await client.run()
        assert [socket.heard.reset for socket in sockets] == [8] * 10
        await until(lambda: endings == [1006] * 10)

    run(main())


def test_a_reader_who_takes_nothing_is_given_no_more_than_a_window(
    run: Runner, endings: Endings
) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        occupied, echo = await client.websocket("/occupied"), await client.websocket()
        wire, sent = client.peer.h2, 0
        data = text("x" * 1000)
        while wire.local_flow_control_window(occupied.number) > len(data):
            wire.send_data(occupied.number, data)
            sent += len(data)
            await client.run()
        assert 65_536 < sent < 400_000
        await echo.send(text("hello"))
        assert await echo.messages() == [b"hello"]

    run(main())


def test_a_transport_that_takes_nothing_pauses_every_stream(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network, Peer(window=1 << 30))
        client.peer.h2.increment_flow_control_window(1 << 30)
        await client.run()
        client.transport.stuck = True
        flood = await client.websocket("/flood")
        await turns()
        assert len(client.transport.buffer) < 300_000
        client.transport.take(len(client.transport.buffer))
        await client.run()
        assert len(flood.heard.data) >= 65_536
        await network.pass_time(31, step=1.0)
        assert client.transport.aborted
        await until(lambda: endings == [1006])

    run(main())


def test_a_large_answer_arrives_whole(run_everywhere: Runner, endings: Endings) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        assert len((await client.get("/large")).data) == 1_000_000

    run_everywhere(main())


def test_a_large_message_both_ways(run_everywhere: Runner, endings: Endings) -> None:
    async def main() -> None:
        client = H2Client(Network(application(endings)))
        socket = await client.websocket()
        await socket.send(text("y" * 900_000))
        await until(lambda: client.hear() or len(socket.heard.data) >= 900_000)
        assert await socket.messages() == [b"y" * 900_000]

    run_everywhere(main())


# ---------------------------------------------------------------------------- the end, and faults


def test_the_server_stops(run_everywhere: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        socket, threaded = await client.websocket(), await client.websocket("/def/ws")
        await until(lambda: client.hear() or threaded.heard.status)
        events = await client.get("/events")
        idle = H2Client(network)
        await idle.run()
        stop = network.loop.create_task(network.server.stop())
        await until(lambda: client.hear() or (socket.heard.data and threaded.heard.data))
        for each in (socket, threaded):
            [goodbye] = [f.payload for f in await each.frames() if f.first == 0x88]
            assert goodbye[:2] == b"\x03\xe9"
        assert events.ended
        await until(lambda: client.hear() or client.peer.goaway == 0)
        await until(lambda: idle.transport.closing)
        for each in (socket, threaded):
            await each.send(frame(CLOSE, b"\x03\xe9"), end=True)
        await stop
        assert not network.server.connections
        assert not network.server.calls

    run_everywhere(main())


def test_streams_that_outstay_the_grace_are_cut(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings), grace=0.0)
        client = H2Client(network)
        await client.websocket("/occupied")
        await network.server.stop()
        assert endings == ["cancelled"]
        assert client.transport.closing
        await until(lambda: not network.server.connections)

    run(main())


def test_a_flood_ends_the_connection_and_its_handlers(
    run: Runner, endings: Endings, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        await client.websocket()
        await client.send(raw(6, 0, 0, bytes(8)) * 5000)
        client.hear()
        assert client.peer.goaway == CALM
        assert client.transport.ended
        await client.send(raw(6, 0, 0, bytes(8)) * 5000)
        await until(lambda: endings == [1006])
        await network.pass_time(6, step=1.0)
        assert client.transport.closing

    caplog.set_level(logging.INFO)
    run(main())
    assert "192.0.2.1:4711: frames that carry no request over Limits.max_h2_control" in caplog.text


def test_rapid_resets_end_their_handlers(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        await client.run()
        for path in ["/events", "/hesitant"] * 100:
            number = client.peer.request(fields(GET, path=path))
            client.peer.h2.reset_stream(number, 8)
        await client.run()
        await turns()
        assert not network.server.calls
        client.peer.h2.reset_stream(client.peer.request(), 8)
        await client.run()
        assert client.peer.goaway == CALM

    run(main())


def test_aborts_that_are_too_many_end_the_connection(run: Runner, endings: Endings) -> None:
    app = App(limits=Limits(max_h2_resets=1, max_write_buffer=1000, ping_interval=None))

    @app.websocket("/hasty")
    async def hasty(ws: WebSocket) -> None:
        try:
            while True:
                ws.send(bytes(100_000))
                await asyncio.sleep(0)
        finally:
            endings.append(ws.close_code)

    async def main() -> None:
        network = Network(app)
        client = H2Client(network, Peer(credit=False, window=10))
        for _ in range(3):
            if client.peer.goaway is None:
                await client.websocket("/hasty")
            await turns()
        client.hear()
        assert client.peer.goaway == CALM
        await until(lambda: not network.server.calls)

    run(main())


def test_an_idle_connection_is_closed(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        await client.get("/")
        await network.pass_time(16, step=0.5)
        client.hear()
        assert client.peer.goaway == 0
        assert client.transport.ended

    run(main())


def test_the_peers_end_is_the_end_of_all(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        await client.websocket()
        assert client.transport.protocol.eof_received() is False
        client.transport.close()
        await until(lambda: endings == [1006])
        assert not network.server.connections

    run(main())


def test_a_slow_request_is_told(run: Runner, endings: Endings) -> None:
    async def main() -> None:
        network = Network(application(endings))
        client = H2Client(network)
        number = client.peer.request(fields(GET, method="POST", path="/size"), b"x", end=False)
        await client.run()
        await network.pass_time(11, step=0.5)
        await client.run()
        assert client.peer.heard[number].status == 408

    run(main())
