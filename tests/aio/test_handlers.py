"""Handlers at work: in tasks and in threads, their ends, their crashes, what they see."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest

from fasterapi import (
    App,
    ConnectionClosed,
    HTTPError,
    Limits,
    Request,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
    serve,
)
from tests.blackbox.peer import Peer
from tests.protocol.wire import TEXT, frame

from .conftest import Runner
from .memory import Network, get, handshake, turns, until

WHERE: ContextVar[str] = ContextVar("WHERE", default="nowhere")


# ----------------------------------------------------------------------------- tasks and threads


def test_each_kind_of_handler_runs_where_it_belongs(run_everywhere: Runner) -> None:
    async def main() -> None:
        app = App()
        seen: dict[str, bool] = {}
        loop_thread = threading.current_thread()

        def note(name: str) -> None:
            seen[name] = threading.current_thread() is loop_thread

        @app.get("/coroutine")
        async def coroutine() -> None:
            note("coroutine")

        @app.get("/function")
        def function() -> None:
            note("function")

        @app.sse("/sse-coroutine")
        async def sse_coroutine(sse: SSEConnection) -> None:
            note(type(sse).__name__)

        @app.sse("/sse-function")
        def sse_function(sse: SyncSSEConnection) -> None:
            note(type(sse).__name__)

        @app.sse("/async-generator")
        async def async_generator() -> AsyncIterator[str]:
            note("async generator")
            yield "x"

        @app.sse("/generator")
        def generator() -> Iterator[str]:
            note("generator")
            yield "x"

        net = Network(app)
        for route in app.routes:
            client = net.connect()
            await client.send(get(route.path))
            await until(lambda client=client: client.transport.written)
        await until(lambda: not net.server.calls)
        assert seen == {
            "coroutine": True, "function": False,
            "SSEConnection": True, "SyncSSEConnection": False,
            "async generator": True, "generator": False,
        }  # fmt: skip

    run_everywhere(main())


def test_each_kind_of_websocket_handler(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.websocket("/async")
        async def coroutine(ws: WebSocket) -> None:
            await ws.send(type(ws).__name__)

        @app.websocket("/sync")
        def function(ws: SyncWebSocket) -> None:
            ws.send(type(ws).__name__)

        net = Network(app)
        for path, name in (("/async", "WebSocket"), ("/sync", "SyncWebSocket")):
            client = await net.websocket(path)
            await until(lambda client=client: b"\x88" in client.transport.written)
            assert client.messages() == [name]
            await client.leave()
        await until(lambda: not net.server.calls)

    run(main())


@pytest.mark.parametrize("path", ["/async", "/sync", "/ws-async", "/ws-sync"])
def test_handlers_see_the_context_of_the_start_up(run_everywhere: Runner, path: str) -> None:
    """Over a socket, for that is where a loop might lose it."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        WHERE.set("in the lifespan")
        yield

    app = App(lifespan=lifespan)

    @app.get("/async")
    async def coroutine() -> str:
        return WHERE.get()

    @app.get("/sync")
    def function() -> str:
        return WHERE.get()

    @app.websocket("/ws-async")
    async def ws_coroutine(ws: WebSocket) -> None:
        await ws.send(WHERE.get())
        WHERE.set("in a handler")

    @app.websocket("/ws-sync")
    def ws_function(ws: SyncWebSocket) -> None:
        ws.send(WHERE.get())
        WHERE.set("in a handler")

    def ask(address: tuple[str, int]) -> str:
        with Peer(address) as peer:
            if "ws" in path:
                peer.send(handshake(path=path))
                peer.read_head()
                return str(peer.read_message())
            peer.send(get(path))
            return peer.read_body(peer.read_head()).decode()

    async def main() -> None:
        async with serve(app, port=0, access_log=False) as server:
            for _ in range(2):
                told = await asyncio.to_thread(ask, ("127.0.0.1", server.port))
                assert told == "in the lifespan"

    run_everywhere(main())


# --------------------------------------------------------------------------------------- crashes


def crashes(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("path", ["/", "/sync"])
def test_a_crash_is_logged_with_where_it_happened(
    run: Runner, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    async def main() -> None:
        app = App()

        @app.get("/")
        async def broken() -> None:
            raise LookupError("meant to")

        @app.get("/sync")
        def broken_too() -> None:
            raise LookupError("meant to")

        net = Network(app)
        client = net.connect()
        await client.send(get(path))
        await until(lambda: client.transport.written)
        assert client.response()[0] == 500
        await until(lambda: not net.server.calls)  # a thread says so when it has answered

    run(main())
    # A thread of an earlier test may have something to say, too.
    (record,) = [record for record in crashes(caplog) if vars(record).get("target") == path]
    assert f'"GET {path}": ' in record.getMessage()
    assert "broken" in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "meant to"


def test_exiting_in_a_thread_is_a_crash_and_no_more(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        app = App()

        @app.get("/")
        def leave() -> None:
            sys.exit(3)

        @app.websocket("/ws")
        def leave_too(ws: SyncWebSocket) -> None:
            ws.accept()
            sys.exit(3)

        net = Network(app)
        client = net.connect()
        await client.send(get("/"))
        await until(lambda: client.transport.written)
        assert client.response()[0] == 500
        client = await net.websocket("/ws")
        await until(lambda: client.transport.written)
        assert client.closing()[0] == 1011
        await client.leave()
        await until(lambda: not net.server.calls)

    run(main())
    assert len(crashes(caplog)) == 2
    assert "SystemExit: 3" in caplog.text


def test_a_cancelled_handler_is_no_crash(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app = App()

        @app.get("/")
        async def cancelled() -> None:
            raise asyncio.CancelledError

        client = Network(app).connect()
        await client.send(get("/"))
        assert client.response()[0] == 503

    run(main())
    assert crashes(caplog) == []


def test_a_handler_may_let_the_end_of_its_client_escape(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        app = App()

        @app.sse("/")
        def ticks(sse: SyncSSEConnection) -> None:
            sse.send("one")
            assert sse.wait_closed(10)
            sse.send("two")

        @app.get("/plain")
        async def plain() -> None:
            raise ConnectionClosed

        net = Network(app)
        client = await net.stream()
        await client.leave()
        await until(lambda: not net.server.calls)
        client = net.connect()
        await client.send(get("/plain"))
        assert client.response()[0] == 500  # it was not its client's end

    run(main())
    assert len(crashes(caplog)) == 1


def test_a_callback_handler_that_crashes_is_answered(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        app = App()

        @app.websocket("/")
        class Broken:
            def on_open(self, ws: WebSocket) -> None:
                raise HTTPError(403, "not you") if "no" in ws.request.query else LookupError

            def on_message(self, ws: WebSocket, message: str | bytes) -> None: ...

        for path, status in (("/?no=1", 403), ("/", 500)):
            client = Network(app).connect()
            await client.send(handshake(path=path))
            assert client.response()[0] == status

    run(main())
    assert len(crashes(caplog)) == 1


# --------------------------------------------------------------------------------------- threads


def test_more_handlers_than_threads(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        app = App(limits=Limits(max_threads=2))
        gate = threading.Event()

        @app.get("/")
        def slow() -> str:
            gate.wait(10)
            return "done"

        @app.websocket("/ws")
        def socket(ws: SyncWebSocket) -> None: ...

        @app.get("/async")
        async def quick() -> str:
            return "quick"

        net = Network(app)
        clients = [net.connect() for _ in range(3)]
        for client in clients:
            await client.send(get("/"))
        head = clients[2].head()
        assert head.status == 503
        assert head.headers["retry-after"] in set("12345")
        assert clients[2].taken() == b"all threads are busy\n"
        socket_client = net.connect()
        await socket_client.send(handshake(path="/ws"))
        assert socket_client.response()[0] == 503
        await clients[2].send(get("/async"))
        assert clients[2].response() == (200, b"quick")
        gate.set()
        await until(lambda: all(client.transport.written for client in clients[:2]))
        await until(lambda: net.server.pool._idle == 2)  # an answer is written a little earlier
        await clients[2].send(get("/"))
        await until(lambda: clients[2].transport.written)
        assert clients[2].response() == (200, b"done")
        await until(lambda: not net.server.calls)

    run(main())
    assert caplog.text.count("503: all threads are busy, over Limits.max_threads (2)") == 2


# ------------------------------------------------------------------------ the end of the server


def test_the_server_waits_for_handlers_and_then_cancels_them(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        app = App()
        ends: list[str] = []

        @app.get("/long")
        async def long() -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise

        @app.get("/short")
        async def short() -> str:
            await turns(10)
            ends.append("done")
            return "done"

        net = Network(app)
        long_client, short_client = net.connect(), net.connect()
        await short_client.send(get("/short"))
        await long_client.send(get("/long"))
        await net.server.stop(grace=0.05)
        assert ends == ["done", "cancelled"]
        assert short_client.response() == (200, b"done")
        assert (net.server.calls, net.server.connections) == (set(), set())
        await net.server.stop()  # once is enough

    run(main())
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage() == "grace over: cutting 1 connections, cancelling 1 handlers"


def test_a_handler_that_refuses_to_end_does_not_hold_the_server_up(run: Runner) -> None:
    async def main() -> None:
        app = App()
        release = asyncio.Event()

        @app.get("/")
        async def stubborn() -> None:
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()

        net = Network(app)
        client = net.connect()
        await client.send(get("/"))
        await net.server.stop(grace=0.01)
        assert len(net.server.calls) == 1
        release.set()
        await turns()

    run(main())


def test_a_handshake_is_judged_before_the_handler_runs(run: Runner) -> None:
    async def main() -> None:
        app = App(origins=["https://good.test"])
        called: list[Any] = []

        @app.websocket("/")
        async def handler(ws: WebSocket) -> None:
            called.append(ws)

        for fields, status in (
            (["Origin: https://evil.test"], 403),
            (["Sec-WebSocket-Version: 8"], 426),
            (["Sec-WebSocket-Extensions: ,;="], 400),
        ):
            client = Network(app).connect()
            await client.send(handshake(*fields, path="/") + frame(TEXT, b"x"))
            assert client.response()[0] == status
            assert client.is_over
        assert called == []

    run(main())


def test_a_request_knows_its_handlers_arguments(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.get("/{a:int}/{rest:path}")
        def everything(request: Request, a: int, rest: str) -> list[Any]:
            return [request.method, a, rest, request.query["q"]]

        client = Network(app).connect()
        await client.send(get("/7/x/y?q=z"))
        await until(lambda: client.transport.written)
        assert client.response() == (200, b'["GET",7,"x/y","z"]')

    run(main())
