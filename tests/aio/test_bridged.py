"""What the bridge carries: ``def`` handlers on transports in memory."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from fasterapi import (
    App,
    ConnectionClosed,
    HTTPError,
    Limits,
    LocalProtocolError,
    Response,
    State,
    SyncSSEConnection,
    SyncWebSocket,
    broadcast,
)
from fasterapi.aio.bridged import BridgeExchange, BridgeWebSocketProtocol
from fasterapi.aio.http import HTTPProtocol
from tests.protocol.wire import BINARY, PING, PONG, TEXT, bombs, frame
from tests.sync.pairs import wait_until

from .conftest import Runner
from .memory import Client, Network, Written, get, handshake, turns, until

LIMITS = Limits(
    write_high_water=1000, max_write_buffer=5000, receive_high_water=2000,
    ping_interval=20, ping_timeout=10, close_timeout=3, write_timeout=30,
)  # fmt: skip
SECONDS = 10.0


def text(message: str) -> bytes:
    return frame(TEXT, message.encode())


def close(code: int) -> bytes:
    return frame(8, code.to_bytes(2, "big"))


class Desk:
    """A handler that does in its thread what the test asks for."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.app = App(limits=LIMITS)
        self.ready = threading.Event()
        self.asked = threading.Semaphore(0)
        self.orders: list[Any] = []
        self.connection: Any = None
        if kind == "sse":

            @self.app.sse("/", **options)
            def stream(sse: SyncSSEConnection) -> None:
                self.serve(sse)

        else:

            @self.app.websocket("/", **options)
            def socket(ws: SyncWebSocket) -> None:
                ws.accept()
                self.serve(ws)

        self.net = Network(self.app)

    def serve(self, connection: Any) -> None:
        self.connection = connection
        self.ready.set()
        while self.asked.acquire(timeout=SECONDS):
            function, future, loop = self.orders.pop(0)
            if function is None:
                return
            try:
                result, error = function(), None
            except Exception as raised:  # noqa: BLE001  # the test looks at it
                result, error = None, raised
            if error is None:
                loop.call_soon_threadsafe(future.set_result, result)
            else:
                loop.call_soon_threadsafe(future.set_exception, error)

    def ask(self, verb: str, *args: Any, **options: Any) -> asyncio.Future[Any]:
        """Have the handler call a method of its connection."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        call = lambda: getattr(self.connection, verb)(*args, **options)  # noqa: E731
        self.orders.append((call, future, loop))
        self.asked.release()
        return future

    async def end(self) -> None:
        """Let the handler end."""
        self.orders.append((None, None, None))
        self.asked.release()
        await until(lambda: not self.net.server.calls)

    async def open(self) -> Client:
        client = await self.net.websocket()
        await until(self.ready.is_set)
        return client

    async def begin(self) -> Client:
        client = self.net.connect()
        await client.send(get("/"))
        await until(self.ready.is_set)
        return client


# ----------------------------------------------------------------------------------- WebSockets


def test_messages_both_ways(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        received = desk.ask("receive")
        await turns(20)
        await client.send(text("hello"))
        assert await received == "hello"
        await desk.ask("send", "to you too")
        await turns()
        assert client.messages() == ["to you too"]
        await desk.end()
        await until(lambda: client.transport.written)
        assert client.closing() == (1000, "")
        await client.send(close(1000))
        assert client.is_over

    run_everywhere(main())


def test_what_came_with_the_handshake(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = desk.net.connect()
        await client.send(handshake(path="/") + text("early"))
        await until(desk.ready.is_set)
        assert await desk.ask("receive") == "early"
        await desk.end()

    run(main())


def test_pings_are_sent_and_answered_while_the_handler_does_nothing(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        await client.send(frame(PING, b"now"))
        await until(lambda: client.transport.written)
        assert [f.payload for f in client.frames()] == [b"now"]
        await desk.net.pass_time(20.2, step=0.1)
        (ping,) = client.frames()
        assert ping.first == 0x89
        await client.send(frame(PONG, ping.payload))
        await desk.net.pass_time(20.2, step=0.1)
        (ping,) = client.frames()
        await desk.net.pass_time(10.2, step=0.1)
        assert client.closing() == (1011, "keepalive ping timeout")
        with pytest.raises(ConnectionClosed):
            await desk.ask("send", "anybody?")
        assert await desk.ask("wait_closed", 0)
        await desk.end()

    run(main())


def test_a_handler_that_speaks_first_is_pinged_too(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        for _ in range(20):
            await desk.ask("send", "hello")
        receiving = desk.ask("receive")
        await turns(10)
        client.taken()
        await desk.net.pass_time(20.2, step=0.1)
        assert [f.first for f in client.frames()] == [0x89]
        await client.leave()
        with pytest.raises(ConnectionClosed):
            await receiving
        await desk.end()

    run(main())


def test_reading_pauses_while_the_handler_does_not_ask(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        sent = 0
        while client.transport.reading:
            assert sent < 100
            await client.send(frame(BINARY, bytes(500)))
            sent += 1
        await desk.net.pass_time(60, step=5)  # a silence of our own making
        for _ in range(sent):
            assert await desk.ask("receive") == bytes(500)
        await until(lambda: client.transport.reading)
        assert await desk.ask("is_open")
        await desk.end()

    run(main())


def test_a_slow_reader_holds_its_handler_up_and_nobody_else(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        client.transport.stuck = True
        sends = [desk.ask("send", bytes(400)) for _ in range(20)]
        await until(lambda: len(client.transport.buffer) > 1000)
        await turns(50)
        assert not sends[-1].done()
        while not sends[-1].done():
            client.transport.take(500)
            await turns(5)
            await asyncio.sleep(0.001)
        client.transport.take()
        await until(lambda: len(client.transport.written) == 20 * 404)
        await desk.end()

    run(main())


def test_a_large_message_may_take_its_time_whatever_else_is_due(run: Runner) -> None:
    """Pongs and pings wait behind it; none of them makes the reader too slow."""

    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        client.transport.stuck = True
        sending = desk.ask("send", bytes(100_000))
        await until(lambda: len(client.transport.buffer) > 99_000)
        for _ in range(50):
            await client.send(frame(PING, b"now"))
            await desk.net.pass_time(25, step=5)
            client.transport.take(2000)
        assert not client.transport.aborted
        client.transport.take()
        await sending
        await until(lambda: client.transport.written)
        large, *rest = client.frames()
        assert len(large.payload) == 100_000
        assert 1 <= [f.first for f in rest].count(0x8A) <= LIMITS.max_queued_pongs
        await desk.end()

    run(main())


def test_a_reader_that_takes_nothing_is_cut_off(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        client.transport.stuck = True
        sends = [desk.ask("send", bytes(2000)) for _ in range(5)]
        await until(lambda: client.transport.buffer)
        for _ in range(8):
            await desk.net.pass_time(4, step=1)
            if not client.transport.aborted:
                await client.send(frame(PONG))
        assert client.transport.aborted
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert isinstance(results[-1], ConnectionClosed)
        await desk.end()

    run(main())
    assert "Limits.write_timeout (30 s)" in caplog.text


def test_many_threads_that_wait_are_not_cut_off(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        client.transport.stuck = True

        def talk(number: int) -> None:
            for _ in range(3):
                desk.connection.send(bytes([number]) * 2000)

        talking = asyncio.gather(*(asyncio.to_thread(talk, number) for number in range(8)))
        while not talking.done():
            client.transport.take(3000)
            await turns(20)
        await talking
        client.transport.take()
        await until(lambda: len(client.messages()) == 24)
        await desk.end()

    run_everywhere(main())


def test_the_loop_does_not_wait_and_is_cut_off(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        client.transport.stuck = True
        sends = 0
        with pytest.raises(ConnectionClosed) as closed:
            while sends < 20:
                desk.connection.send(bytes(1000))
                sends += 1
        assert closed.value.code == 1006
        assert 5 <= sends < 9
        await desk.end()

    run(main())
    assert "over Limits.max_write_buffer (5000)" in caplog.text


def test_a_message_to_many_goes_on_while_nobody_sends(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.net.websocket("/", "Sec-WebSocket-Extensions: permessage-deflate")
        await until(desk.ready.is_set)
        message = "to whom it may concern " * 20_000
        assert broadcast([desk.connection], message) == 1
        frames: list[Written] = []
        await until(lambda: frames.extend(client.frames()) or (frames and frames[-1].first & 0x80))
        assert len(frames) > 3  # a piece at a time, in the loop
        inflater = zlib.decompressobj(-15)
        tail = b"\0\0\xff\xff"
        assert inflater.decompress(b"".join(f.payload for f in frames) + tail) == message.encode()
        await desk.end()

    run_everywhere(main())


@pytest.mark.parametrize("how", ["finish", "leave"])
def test_a_peer_that_goes_ends_every_wait(run_everywhere: Runner, how: str) -> None:
    async def main() -> None:
        for verb in ("receive", "ping", "wait_closed"):
            desk = Desk("websocket")
            client = await desk.open()
            waiting = desk.ask(verb)
            await turns(20)
            await getattr(client, how)()
            if verb == "wait_closed":
                assert await waiting is True
            else:
                with pytest.raises(ConnectionClosed):
                    await waiting
            await until(lambda client=client: client.transport.closing)
            await desk.end()
            assert desk.net.server.connections == set()

    run_everywhere(main())


def stand_still(condition: Callable[[], object]) -> None:
    """Keep the loop from turning until a thread has got so far."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_peer_that_goes_while_bytes_wait_for_the_loop(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        protocol = client.transport.protocol
        assert isinstance(protocol, BridgeWebSocketProtocol)
        waiting = desk.ask("ping")
        stand_still(lambda: protocol._stream.outflow.busy)
        protocol.eof_received()
        with pytest.raises(ConnectionClosed):
            await waiting
        await until(lambda: client.transport.closing)
        await desk.end()

    run_everywhere(main())


def test_a_peer_that_ends_its_half_before_the_thread_has_accepted(run: Runner) -> None:
    async def main() -> None:
        app = App()
        gate = threading.Event()
        codes: list[int] = []

        @app.websocket("/")
        def slow(ws: SyncWebSocket) -> None:
            gate.wait(SECONDS)
            try:
                ws.receive()
            except ConnectionClosed as closed:
                codes.append(closed.code)

        net = Network(app)
        client = net.connect()
        await client.send(handshake(path="/"))
        await client.finish()
        gate.set()
        await until(lambda: not net.server.calls)
        assert (codes, client.head().status) == ([1006], 101)
        await until(lambda: client.transport.closing)

    run(main())


def test_a_peer_that_leaves_before_the_thread_has_accepted(run: Runner) -> None:
    async def main() -> None:
        app = App()
        gate = threading.Event()
        codes: list[int] = []

        @app.websocket("/")
        def slow(ws: SyncWebSocket) -> None:
            gate.wait(SECONDS)
            try:
                ws.accept()
            except ConnectionClosed as closed:
                codes.append(closed.code)
                raise

        net = Network(app)
        client = net.connect()
        await client.send(handshake(path="/"))
        await client.leave()
        gate.set()
        await until(lambda: not net.server.calls)
        assert codes == [1006]

    run(main())


def test_closing_from_a_thread_waits_for_the_peer(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        closing = desk.ask("close", 4000, "enough")
        await until(lambda: client.transport.written)
        assert client.closing() == (4000, "enough")
        assert not closing.done()
        await client.send(close(4000))
        await closing
        assert client.is_over
        await desk.end()

    run(main())


def test_the_loop_closes_a_threads_websocket_without_waiting(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a bug: it waited for the peer, whom it could not hear meanwhile."""

    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        with monkeypatch.context() as patch:
            patch.setattr(desk.connection._done, "wait", lambda timeout: pytest.fail("it waited"))
            desk.connection.close(4000, "kicked")
        await until(lambda: client.transport.written)
        assert client.closing() == (4000, "kicked")
        await client.send(close(4000))
        await until(lambda: client.is_over)
        assert desk.connection.wait_closed()
        await desk.end()

    run(main())


@pytest.mark.parametrize("verb", ["ping", "wait_closed"])
def test_what_waits_is_refused_to_the_loop(run: Runner, verb: str) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        await desk.open()
        with pytest.raises(LocalProtocolError, match=rf"asyncio\.to_thread\(websocket\.{verb}\)"):
            getattr(desk.connection, verb)()
        with pytest.raises(TimeoutError):
            desk.connection.receive(timeout=SECONDS)
        await desk.end()

    run(main())


def test_the_loop_does_not_wait_for_a_thread_that_answers_the_handshake(run: Runner) -> None:
    """From a bug: the thread waited for the loop, and the loop for the thread."""
    known: list[SyncWebSocket] = []
    gate = threading.Event()
    app = App()

    @app.websocket("/")
    def socket(ws: SyncWebSocket) -> None:
        known.append(ws)
        gate.wait(SECONDS)
        for _ in ws:
            pass

    async def main() -> None:
        net = Network(app)
        client = net.connect()
        await client.send(handshake(path="/"))
        await until(lambda: known)
        gate.set()
        wait_until(known[0]._opening.locked)  # the loop is busy meanwhile
        with pytest.raises(LocalProtocolError, match=r"asyncio\.to_thread"):
            known[0].send("news")
        await until(lambda: known[0].state is State.OPEN)
        assert client.head().status == 101
        known[0].send("news")
        await until(lambda: client.messages() == ["news"])
        await client.leave()
        await until(lambda: not net.server.calls)

    run(main())


def test_a_peer_that_does_not_answer_a_close(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        closing = desk.ask("close")
        await until(lambda: client.transport.written)
        await desk.net.pass_time(3.3, step=0.1)
        await closing
        assert client.is_over
        await desk.end()

    run(main())


def test_a_peer_that_does_not_even_read_our_close(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        client.transport.stuck = True
        sends = [desk.ask("send", bytes(1500)) for _ in range(3)]
        await until(lambda: client.transport.buffer)
        await turns(50)
        client.transport.protocol.shut_down()
        await desk.net.pass_time(2.9, step=0.1)
        assert not client.transport.aborted
        await desk.net.pass_time(0.4, step=0.1)
        assert client.transport.aborted
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert isinstance(results[-1], ConnectionClosed)
        await desk.end()

    run(main())


def test_a_receive_that_takes_too_long(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        desk.net.clock.now = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await desk.ask("receive", timeout=0.01)
        receiving = desk.ask("receive", timeout=SECONDS)
        await client.send(text("in time"))
        assert await receiving == "in time"
        await desk.end()

    run(main())


def test_a_handshake_may_be_refused_from_a_thread(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.websocket("/reject")
        def reject(ws: SyncWebSocket) -> None:
            ws.reject(403, body="no")

        @app.websocket("/raise")
        def refuse(ws: SyncWebSocket) -> None:
            raise HTTPError(404, "no")

        net = Network(app)
        for path, answer in (("/reject", b"no"), ("/raise", b"no\n")):
            client = net.connect()
            await client.send(handshake(path=path))
            await until(lambda client=client: client.transport.written)
            assert client.response()[1] == answer
            assert client.is_over
        await until(lambda: not net.server.calls)

    run(main())


def test_a_stopping_server_closes(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        receiving = desk.ask("receive")
        stopping = asyncio.ensure_future(desk.net.server.stop())
        await until(lambda: client.transport.written)
        assert client.closing() == (1001, "the server is shutting down")
        await client.send(close(1001))
        with pytest.raises(ConnectionClosed) as closed:
            await receiving
        assert closed.value.code == 1001
        await desk.end()
        await stopping

    run(main())


def test_a_handshake_that_is_accepted_while_the_server_stops(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the response and the WebSocket, the connection is nobody's."""
    upgrade = HTTPProtocol.upgrade

    def upgrade_and_stop(http: HTTPProtocol, response: Response) -> bytes:
        rest = upgrade(http, response)
        http.server.stopping = True
        http.stop()
        return rest

    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.open()
        assert client.closing() == (1001, "the server is shutting down")
        with pytest.raises(ConnectionClosed):
            await desk.ask("send", "too late")
        await client.leave()
        await desk.end()

    monkeypatch.setattr(HTTPProtocol, "upgrade", upgrade_and_stop)
    run(main())


# --------------------------------------------------------------------------------- event streams


def test_events_from_a_thread(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("sse")
        client = await desk.begin()
        for number in range(3):
            await desk.ask("send", str(number))
        await desk.end()
        await until(lambda: client.transport.written.endswith(b"0\r\n\r\n"))
        assert client.head().status == 200
        assert client.chunks() == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert not client.is_over

    run_everywhere(main())


def test_a_comment_after_silence_only(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("sse", keepalive=15)
        client = await desk.begin()
        await desk.ask("send", "one")
        await until(lambda: client.transport.written)
        assert client.head().status == 200
        client.taken()
        await desk.net.pass_time(14.8, step=0.1)
        assert client.taken() == b""
        await desk.net.pass_time(0.4, step=0.1)
        assert client.chunks().startswith(b":")
        await desk.end()

    run(main())


def test_a_response_begins_though_its_handler_waits(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("sse")
        client = await desk.begin()
        await desk.net.pass_time(0.6)
        assert client.head().status == 200
        await desk.end()
        await until(lambda: client.transport.written)
        assert client.taken() == b"0\r\n\r\n"

    run(main())


def test_what_the_loop_sends_never_overtakes_the_head(run: Runner) -> None:
    async def main() -> None:
        for shut_down in (False, True):
            desk = Desk("sse", keepalive=0.01)
            client = await desk.begin()
            call = client.transport.protocol.call
            sending = desk.ask("send", "one")
            # The thread has asked for the head, and the loop has not got to it.
            threading.Event().wait(0.05)
            desk.net.clock.now += 1
            if shut_down:
                call.shut_down()
            else:
                call.tick(desk.net.clock.now)
            await turns()
            await asyncio.wait([sending])
            if not sending.exception():
                assert shut_down is False or b"data: one" in client.transport.written
            assert client.transport.written.startswith(b"HTTP/1.1 200 ")
            await desk.end()
            await until(lambda client=client: client.transport.written.endswith(b"0\r\n\r\n"))
            assert client.transport.written.count(b"0\r\n\r\n") == 1

    run(main())


@pytest.mark.parametrize("end", ["close", "shut_down", "leave"])
def test_a_thread_that_waits_to_send_is_told_of_the_end(run: Runner, end: str) -> None:
    async def main() -> None:
        desk = Desk("sse")
        client = await desk.begin()
        client.transport.stuck = True
        sends = [desk.ask("send", "x" * 900) for _ in range(10)]
        await until(lambda: len(client.transport.buffer) > 1000)
        await turns(50)
        if end == "close":
            desk.connection.close()
        elif end == "shut_down":
            client.transport.protocol.call.shut_down()
        else:
            await client.leave()
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert isinstance(results[-1], ConnectionClosed)
        await desk.end()

    run(main())


def test_a_client_that_leaves_ends_the_wait(run: Runner) -> None:
    async def main() -> None:
        for how in ("finish", "leave"):
            desk = Desk("sse")
            client = await desk.begin()
            await desk.ask("send", "one")
            waiting = desk.ask("wait_closed")
            await getattr(client, how)()
            assert await waiting is True
            with pytest.raises(ConnectionClosed):
                await desk.ask("send", "two")
            await desk.end()
            assert desk.net.server.connections == set()

    run(main())


def test_a_stream_whose_events_nobody_awaits_is_cut_off(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("sse")
        client = await desk.begin()
        client.transport.stuck = True
        sends = 0
        with pytest.raises(ConnectionClosed):
            while sends < 20:
                desk.connection.send("x" * 1000)  # in the loop, which does not wait
                sends += 1
        assert 5 <= sends < 9
        assert client.transport.aborted
        await desk.end()

    run(main())


def test_a_keep_alive_comment_is_no_offence_of_a_slow_reader(run: Runner) -> None:
    async def main() -> None:
        desk = Desk("sse", keepalive=1)
        client = await desk.begin()
        client.transport.stuck = True
        sending = desk.ask("send", "x" * 100_000)
        await until(lambda: len(client.transport.buffer) > 99_000)
        for _ in range(50):
            await desk.net.pass_time(20, step=2)
            client.transport.take(2000)
        assert not client.transport.aborted
        client.transport.take()
        await sending
        await desk.end()

    run(main())


def test_a_client_that_left_between_the_handshake_and_the_session_ends_the_handler(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = BridgeExchange._attach
    waiting = threading.Event()

    def attach_late(self: BridgeExchange, websocket: SyncWebSocket) -> None:
        assert waiting.wait(10)  # for the thread, whose next step is to wait for bytes
        self._http.connection_lost(None)
        attach(self, websocket)

    monkeypatch.setattr(BridgeExchange, "_attach", attach_late)

    async def main() -> None:
        app = App()
        ended: list[int] = []

        @app.websocket("/")
        def handler(ws: SyncWebSocket) -> None:
            ws.accept()
            waiting.set()
            try:
                ws.receive()
            except ConnectionClosed as closed:
                ended.append(closed.code)

        net = Network(app)
        await net.connect().send(handshake(path="/"))
        await until(lambda: ended)
        assert ended == [1006]
        await until(lambda: not net.server.calls)

    run(main())


def test_a_read_of_bombs_inflates_as_its_thread_takes_them(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.net.websocket("/", "Sec-WebSocket-Extensions: permessage-deflate")
        await until(desk.ready.is_set)
        await client.send(bombs(40, 900) + frame(PING, b"now") + close(4000))
        await until(lambda: len(desk.connection._inbox) == 2)
        for number in range(40):
            assert (await desk.ask("receive_bytes"))[0] == number
            assert len(desk.connection._inbox) <= 5
        await until(lambda: client.frames()[:1] == [(0x80 | PONG, b"now", False)])
        with pytest.raises(ConnectionClosed) as closed:
            await desk.ask("receive")
        assert closed.value.code == 4000
        await desk.end()
        await client.leave()
        await turns(20)

    run_everywhere(main())


def test_the_rest_of_a_read_is_taken_when_a_handler_ends(run_everywhere: Runner) -> None:
    async def main() -> None:
        desk = Desk("websocket")
        client = await desk.net.websocket("/", "Sec-WebSocket-Extensions: permessage-deflate")
        await until(desk.ready.is_set)
        await client.send(bombs(100, 2000) + close(4000))
        await until(lambda: len(desk.connection._inbox) == 1)
        await desk.end()
        await until(lambda: desk.connection.close_code == 4000)
        await client.leave()
        await turns(20)

    run_everywhere(main())
