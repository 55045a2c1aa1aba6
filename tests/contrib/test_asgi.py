"""``App`` as an ASGI application, with a server of a few lines: what the real ones do not show."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from fasterapi import App, Limits, Request, SSEConnection, WebSocket
from fasterapi.aio.channel import Channel
from fasterapi.aio.host import Host
from fasterapi.contrib.asgi_exchange import split_body, to_request
from fasterapi.contrib.asgi_signals import StopSignals
from fasterapi.contrib.asgi_transport import ASGITransport

from .asgi_server import CONNECT, REQUEST, Server, scope


def echo_app(limits: Limits | None = None) -> App:
    app = App(limits=limits or Limits())

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    return app


# ------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"path": "/a b", "raw_path": b"/a%20b"}, "/a%20b"),
        ({"path": "/a b", "raw_path": None}, "/a%20b"),
        ({"path": "/a", "raw_path": b"/a?x=1", "query_string": b"x=1"}, "/a?x=1"),
        ({"path": "/rt/a", "raw_path": b"/rt/a", "root_path": "/rt"}, "/a"),
        ({"path": "/rt", "raw_path": b"/rt", "root_path": "/rt"}, "/"),
        ({"path": "/rtx", "raw_path": b"/rtx", "root_path": "/rt"}, "/rtx"),
        ({"path": "/a", "raw_path": b"/a", "root_path": "/rt"}, "/a"),
        ({"path": "/r t/a", "raw_path": b"/r%20t/a", "root_path": "/r t"}, "/a"),
    ],
)
def test_the_path_is_the_one_below_root_path(given: dict[str, Any], target: str) -> None:
    assert to_request(scope("http", **given)).target == target


def test_requests_of_scopes() -> None:
    request = to_request(scope("http", "/", client=("::1", 5), method="POST"), b"body")
    assert (request.method, request.body, request.client) == ("POST", b"body", "[::1]:5")
    assert request.headers["host"] == "localhost"
    assert to_request(scope("http", "/", client=None)).client == ""
    offered = to_request(scope("websocket", "/", subprotocols=["a", "b"], scheme="wss"))
    assert offered.headers["sec-websocket-protocol"] == "a, b"
    assert (offered.scheme, offered.method) == ("https", "GET")


def test_mounts_in_mounts_and_paths_of_ones_own() -> None:
    app = App()

    @app.get("/{name}")
    async def page(request: Request, name: str) -> str:
        return f"{name} {request.path}"

    outer = Starlette(routes=[Mount("/one", routes=[Mount("/two", app)])])

    async def main() -> None:
        sent = await Server(outer, scope("http", "/one/two/x"), REQUEST).end()
        assert (sent[0]["status"], sent[1]["body"]) == (200, b"x /x")

    asyncio.run(main())


def test_an_unknown_scope() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="webtransport"):
            await Server(App(), scope("webtransport", "/")).end()

    asyncio.run(main())


def test_a_client_that_leaves_before_its_request_is_whole() -> None:
    async def main() -> None:
        first = {"type": "http.request", "body": b"x", "more_body": True}
        server = Server(echo_app(), scope("http", "/"), first, {"type": "http.disconnect"})
        assert await server.end() == []

    asyncio.run(main())


def test_connections_over_the_limit() -> None:
    async def main() -> None:
        app = echo_app(Limits(max_connections=1))
        first = Server(app, scope("websocket", "/ws"), CONNECT)
        await first.until(lambda: bool(first.sent))
        sent = await Server(app, scope("http", "/"), REQUEST).end()
        assert sent[0]["status"] == 503
        first.give({"type": "websocket.disconnect", "code": 1001})
        await first.end()

    asyncio.run(main())


# ------------------------------------------------------------------------------- WebSockets


def test_a_server_without_denials_closes() -> None:
    async def main() -> None:
        sent = await Server(echo_app(), scope("websocket", "/nowhere"), CONNECT).end()
        assert sent == [{"type": "websocket.close"}]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        ({"code": 4001, "reason": "bye"}, 4001, "bye"),
        ({"code": 1005}, 1005, ""),
        ({"code": 1006, "reason": None}, 1006, ""),
        ({}, 1005, ""),
    ],
)
def test_how_the_client_has_left(event: dict[str, Any], code: int, reason: str) -> None:
    seen = []
    app = App()

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.accept()
        await ws.wait_closed()
        seen.append((ws.close_code, ws.close_reason))

    async def main() -> None:
        server = Server(app, scope("websocket", "/ws"), CONNECT)
        await server.until(lambda: bool(server.sent))
        server.give({"type": "websocket.disconnect", **event})
        await server.end()

    asyncio.run(main())
    assert seen == [(code, reason)]


def test_a_server_that_takes_private_close_codes_only(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.accept()
        raise ValueError("mine")

    async def main() -> None:
        server = Server(app, scope("websocket", "/ws"), CONNECT)
        server.refuses = lambda event: ValueError("code") if event.get("code") == 1011 else None
        assert (await server.end())[-1] == {
            "type": "websocket.close",
            "code": 4011,
            "reason": "",
        }

    with caplog.at_level(logging.INFO, "fasterapi.server"):
        asyncio.run(main())
    assert any("does not take 'websocket.close'" in message for message in caplog.messages)


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("any")])
def test_a_server_that_takes_nothing_more_has_lost_the_client(error: Exception) -> None:
    async def main() -> None:
        server = Server(echo_app(), scope("websocket", "/ws"), CONNECT)
        await server.until(lambda: bool(server.sent))
        server.refuses = lambda event: error
        server.give({"type": "websocket.receive", "text": "hello"})
        await server.end()

    asyncio.run(main())


def test_a_server_that_is_slow_makes_send_wait_and_one_that_hangs_is_given_up() -> None:
    sent = []
    limits = replace(Limits(), write_high_water=1000, write_timeout=0.2)
    app = App(limits=limits)

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        for number in range(1000):
            await ws.send(bytes(400))
            sent.append(number)

    async def main() -> None:
        server = Server(app, scope("websocket", "/ws"), CONNECT)
        server.takes.clear()
        await server.until(lambda: len(sent) > 2)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(sent) < 20
        server.takes.set()
        await server.until(lambda: len(sent) > 100)
        server.takes.clear()
        await server.end()  # after write_timeout
        assert len(sent) < 1000

    asyncio.run(main())


def test_a_handler_that_is_behind_is_not_asked_for_more() -> None:
    read = asyncio.Event()
    app = App(limits=replace(Limits(), receive_high_water=1000))

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.accept()
        await read.wait()
        async for message in ws:
            await ws.send(message)

    async def main() -> None:
        messages = [{"type": "websocket.receive", "text": str(n) * 100} for n in range(100)]
        server = Server(app, scope("websocket", "/ws"), CONNECT, *messages)
        await server.until(lambda: bool(server.sent))
        for _ in range(50):
            await asyncio.sleep(0)
        assert server._incoming.qsize() > 80
        read.set()
        await server.until(lambda: len(server.sent) == 101)
        assert [event["text"] for event in server.sent[1:]] == [str(n) * 100 for n in range(100)]
        server.give({"type": "websocket.disconnect", "code": 1000})
        await server.end()

    asyncio.run(main())


# ------------------------------------------------------------------- the lifespan, and the stop


@pytest.mark.parametrize("started", [True, False])
def test_requests_to_an_app_that_nobody_has_started(
    started: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        yield

    app = App(lifespan=lifespan)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            if started:
                await stack.enter_async_context(app.lifespan_context())
            for _ in range(2):
                await Server(app, scope("http", "/"), REQUEST).end()

    asyncio.run(main())
    told = [record for record in caplog.records if "app.lifespan_context()" in record.message]
    assert len(told) == (0 if started else 1)


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_a_lifespan_that_fails(phase: str, caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        if phase == "startup":
            raise ValueError("mine")
        yield
        raise ValueError("mine")

    async def main() -> None:
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = await Server(App(lifespan=lifespan), {"type": "lifespan"}, *events).end()
        assert sent[-1] == {"type": f"lifespan.{phase}.failed", "message": "ValueError('mine')"}
        assert len(sent) == (1 if phase == "startup" else 2)

    asyncio.run(main())
    assert "failed" in caplog.text


def test_a_signal_ends_what_is_open_and_goes_on_to_the_server() -> None:
    told: list[int] = []
    app = App()

    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        await sse.send("one")
        await asyncio.Event().wait()

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        async for _ in ws:
            pass

    @app.websocket("/callbacks")
    class Callbacks:
        def on_message(self, ws: WebSocket, message: object) -> None:
            raise AssertionError

    async def main() -> None:
        stream = Server(app, scope("http", "/events"), REQUEST)
        socket = Server(app, scope("websocket", "/ws"), CONNECT)
        callbacks = Server(app, scope("websocket", "/callbacks"), CONNECT)
        await stream.until(lambda: len(stream.sent) > 1 and bool(socket.sent and callbacks.sent))
        assert signal.getsignal(signal.SIGTERM) is not handler
        signal.raise_signal(signal.SIGTERM)
        assert (await stream.end())[-1] == {
            "type": "http.response.body", "body": b"", "more_body": False,
        }  # fmt: skip
        assert (await socket.end())[-1]["code"] == 1001
        assert (await callbacks.end())[-1]["code"] == 1001
        assert (await Server(app, scope("http", "/"), REQUEST).end())[0]["status"] == 503

    def handler(number: int, frame: object) -> None:
        told.append(number)

    previous = signal.signal(signal.SIGTERM, handler)
    try:
        asyncio.run(main())
        assert told == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_signals_are_left_alone_where_nobody_handles_them_or_somebody_came_later() -> None:
    loop = asyncio.new_event_loop()
    signals = StopSignals(loop, lambda: None)
    previous = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with signals:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, first := lambda number, frame: None)
        with signals:
            signal.signal(signal.SIGTERM, later := lambda number, frame: None)
        assert signal.getsignal(signal.SIGTERM) is later
        signal.signal(signal.SIGTERM, first)
        with signals, signals:
            pass
        assert signal.getsignal(signal.SIGTERM) is first
        loop.close()
        with signals:
            signal.raise_signal(signal.SIGTERM)  # the loop is gone, and the server is told
    finally:
        signal.signal(signal.SIGTERM, previous)
        loop.close()


def test_a_server_that_cancels() -> None:
    ended = []
    app = App()

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        try:
            await ws.receive()
        finally:
            ended.append(True)

    async def main() -> None:
        server = Server(app, scope("websocket", "/ws"), CONNECT)
        await server.until(lambda: bool(server.sent))
        server.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await server.end()
        await server.until(lambda: bool(ended))

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong", [PermissionError("says a middleware"), asyncio.CancelledError(), {"no": "type"}]
)
def test_a_receive_that_fails_has_lost_the_client(wrong: Any) -> None:
    ended = []
    app = App()

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        try:
            async for message in ws:
                await ws.send(message)
        finally:
            ended.append(ws.close_code)

    async def main() -> None:
        server = Server(app, scope("websocket", "/ws"), CONNECT)
        await server.until(lambda: bool(server.sent))
        server.give(wrong)
        if isinstance(wrong, asyncio.CancelledError):
            await server.end()
        else:
            with pytest.raises(KeyError if isinstance(wrong, dict) else type(wrong)):
                await server.end()
        assert ended == [1006]
        assert not app._asgi_host.connections

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["websocket", "http"])
def test_a_receive_that_fails_before_the_request_is_read(kind: str) -> None:
    app = echo_app()

    async def main() -> None:
        server = Server(app, scope(kind, "/ws"))
        server.give(PermissionError())
        with pytest.raises(PermissionError):
            await server.end()
        assert not app._asgi_host.connections

    asyncio.run(main())


def test_a_send_that_is_cancelled_has_lost_the_client() -> None:
    async def main() -> None:
        server = Server(echo_app(), scope("websocket", "/ws"), CONNECT)
        await server.until(lambda: bool(server.sent))
        server.refuses = lambda event: asyncio.CancelledError()
        server.give({"type": "websocket.receive", "text": "hello"})
        await server.end()

    asyncio.run(main())


def slow_transport(loop: asyncio.AbstractEventLoop, limits: Limits) -> ASGITransport:
    protocol: Any = Channel(Host(limits, access_log=False), limits)
    transport = ASGITransport(loop, protocol, {}, asyncio.Event().wait, lambda fault: None)  # type: ignore[arg-type]
    transport.set_write_buffer_limits(high=10 * limits.write_high_water)
    return transport


def test_progress_within_an_event_is_assumed_and_its_end_is_seen() -> None:
    """A server takes a message as a whole, however long its client reads it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        loop.time = lambda: now  # type: ignore[method-assign]
        transport = slow_transport(loop, Limits(write_high_water=1000, write_timeout=10))
        for size in (2500, 300):
            transport._queue({"type": "websocket.send", "bytes": bytes(size)})
        assert transport.get_write_buffer_size() == 2800
        taken = asyncio.Event()

        async def send(event: Any) -> None:
            await taken.wait()

        carrier = loop.create_task(transport.carry(send))
        await asyncio.sleep(0)
        assert transport.get_write_buffer_size() == 2800
        now += 5
        assert transport.get_write_buffer_size() == 2300
        now += 500
        assert transport.get_write_buffer_size() == 800
        taken.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert transport.get_write_buffer_size() == 0
        carrier.cancel()
        del loop.time  # type: ignore[method-assign]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("event", "pieces"),
    [
        ({"type": "a", "body": b"", "more_body": True}, [(b"", True)]),
        ({"type": "a", "body": b"abc"}, [(b"abc", False)]),
        ({"type": "a", "body": b"abcdefg"}, [(b"abc", True), (b"def", True), (b"g", False)]),
        ({"type": "a", "body": b"abcd", "more_body": True}, [(b"abc", True), (b"d", True)]),
    ],
)
def test_long_bodies_go_out_in_pieces(
    event: dict[str, Any], pieces: list[tuple[bytes, bool]]
) -> None:
    split = split_body(event, 3)
    assert [(e["body"], e.get("more_body", False)) for e in split] == pieces
    assert {e["type"] for e in split} == {"a"}
    assert split_body({"type": "b"}, 3) == [{"type": "b"}]
