"""``fasterapi.contrib.uvicorn``: the contract with uvicorn and with ASGI, on real sockets.

The clients are ones that nobody here wrote: websockets, aiohttp, and bare sockets.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import struct
import sys
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import websockets
from uvicorn.protocols.utils import ClientDisconnected
from websockets.asyncio.client import connect

from fasterapi import Limits, LocalProtocolError
from fasterapi.contrib.uvicorn import UvicornHost, WebSocketProtocol
from fasterapi.protocol.origin import SAME_ORIGIN
from tests.blackbox.peer import handshake, text
from tests.protocol.wire import PING, frame

from .uvicorns import Uvicorn

HTTP = ["h11", "httptools", "zttp"]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def recorder() -> tuple[Any, list[Any]]:
    """Make an application that accepts, and a list of what it receives next."""
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        events.append(await receive())

    return app, events


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


# ------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("http", HTTP)
@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_both_kinds_and_of_all_sizes(http: str, compression: str | None) -> None:
    pytest.importorskip(http, reason=f"{http}: pip install {http}")

    async def main() -> None:
        async with (
            Uvicorn(echo, http=http) as server,
            connect(server.url, compression=compression) as ws,
        ):
            for message in ("", "ä" * 70, "x" * 200_000, b"", bytes(range(256)) * 500):
                await ws.send(message)
                assert await ws.recv() == message

    run(main)


def test_aiohttp_as_the_client() -> None:
    async def main() -> None:
        async with (
            Uvicorn(echo) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.url, compress=15) as ws,
        ):
            await ws.send_str("hello " * 100)
            assert await ws.receive_str() == "hello " * 100

    run(main)


def test_many_messages_are_answered_in_their_order() -> None:
    async def main() -> None:
        async with Uvicorn(echo) as server, connect(server.url) as ws:
            for number in range(1000):
                await ws.send(str(number))
            assert [await ws.recv() for _ in range(1000)] == [str(n) for n in range(1000)]

    run(main)


def test_what_arrives_with_the_request_is_not_lost() -> None:
    """It waits with the system until the application has accepted."""
    accept = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await accept.wait()
        await echo(scope, receive, send)

    async def main() -> None:
        async with Uvicorn(app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            await until(lambda: bool(server.state.tasks))
            writer.write(text("early"))
            await asyncio.sleep(0)
            accept.set()
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(7) == b"\x81\x05early"
            writer.close()

    run(main)


def test_a_task_that_waits_elsewhere_does_not_lose_a_message() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(3):  # each of them given up before anything comes
            waiting = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            waiting.cancel()
        await send({"type": "websocket.send", "text": "ready"})
        await send({"type": "websocket.send", "bytes": (await receive())["text"].encode()})

    async def main() -> None:
        async with Uvicorn(app) as server, connect(server.url) as ws:
            assert await ws.recv() == "ready"
            await ws.send("hello")
            assert await ws.recv() == b"hello"

    run(main)


# ----------------------------------------------------------------------------------- scope


@pytest.mark.parametrize("http", HTTP)
def test_the_scope_is_the_one_that_uvicorn_builds(http: str) -> None:
    """Both are asked for the same, and have to say the same."""
    pytest.importorskip(http, reason=f"{http}: pip install {http}")
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "two"})

    async def ask(ws: Any) -> int:
        options = {"http": http, "root_path": "/api", "ws_per_message_deflate": False}
        async with (
            Uvicorn(app, ws=ws, **options) as server,
            connect(
                f"{server.url}/a%20b/%C3%A4?x=1&y=%20",
                subprotocols=["one", "two"],  # type: ignore[list-item]
                additional_headers={"X-Name": "ä", "Cookie": "a=1; b=2"},
                user_agent_header="test",
            ) as client,
        ):
            assert client.subprotocol == "two"
            return server.port

    async def main() -> None:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        ports = [str(await ask(ws)) for ws in (WebSocketProtocol, WebSocketsSansIOProtocol)]
        ours, theirs = map(plain, scopes, ports)
        assert ours == theirs

    def plain(scope: dict[str, Any], port: str) -> dict[str, Any]:
        headers = {
            name.lower(): value.replace(port.encode(), b"PORT")
            for name, value in scope["headers"]
            if name.lower() != b"sec-websocket-key"
        }
        assert scope["client"][0] == "127.0.0.1"
        assert scope["server"] == ("127.0.0.1", int(port))
        return {**scope, "client": None, "server": None, "headers": headers}

    run(main)


def test_the_state_is_a_copy_for_each_connection() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(scope["state"]))
        scope["state"]["more"] = 1
        await send({"type": "websocket.accept"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            for _ in range(2):
                async with connect(server.url):
                    pass
        assert seen == [{"started": True}, {"started": True}]

    run(main)


# -------------------------------------------------------------------------------- handshake


def test_headers_of_uvicorn_and_of_the_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"server", b"mine")]
        await send({"type": "websocket.accept", "headers": headers})

    async def main() -> None:
        async with Uvicorn(app, headers=[("x-more", "1")]) as server, connect(server.url) as ws:
            assert ws.response is not None
            headers = ws.response.headers
            assert headers.get_all("set-cookie") == ["a=1", "b=2"]
            assert headers.get_all("server") == ["uvicorn", "mine"]
            assert headers["x-more"] == "1"

    run(main)


def test_a_subprotocol_that_the_client_does_not_offer_is_the_applications_mistake() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "subprotocol": "other"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            assert await refused(server.url) == (500, b"Internal Server Error")
            assert isinstance(await server.ended(), LocalProtocolError)

    run(main)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (handshake().replace(b"Version: 13", b"Version: 12"), 426),
        (handshake().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    ],
)
def test_a_bad_handshake_never_reaches_the_application(
    request_: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Uvicorn(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request_)
            assert (await reader.read()).startswith(f"HTTP/1.1 {status} ".encode())
            writer.close()
            assert not server.results

    with caplog.at_level(logging.INFO, "uvicorn.error"):
        run(main)
    (line,) = caplog.messages
    assert line.endswith(f'- "WebSocket /ws" {status}')


def test_a_head_that_uvicorn_takes_is_not_too_large() -> None:
    async def main() -> None:
        async with (
            Uvicorn(echo) as server,
            connect(server.url, additional_headers={"Cookie": "x" * 40_000}) as ws,
        ):
            await ws.send("hello")
            assert await ws.recv() == "hello"

    run(main)


def test_close_before_accept_is_403() -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4000})
        events.extend([await receive(), await receive()])
        with pytest.raises(RuntimeError, match="refused"):
            await send({"type": "websocket.accept"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            assert await refused(server.url) == (403, b"")
            assert await server.ended() is None

    run(main)
    assert events == [
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 1006},
    ]


def test_a_denial_is_streamed() -> None:
    """The client has the first part while the application has not made the second."""
    more = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"8")]
        await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"one ", "more_body": True})
        await more.wait()
        with pytest.raises(RuntimeError, match="body"):
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.http.response.body", "body": b"two "})
        assert (await receive())["code"] == 1006

    async def main() -> None:
        async with Uvicorn(app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 429 ")
            assert await reader.readuntil(b"one \r\n") == b"4\r\none \r\n"
            more.set()
            assert await reader.read() == b"4\r\ntwo \r\n0\r\n\r\n"
            writer.close()
            assert await server.ended() is None

    run(main)


@pytest.mark.parametrize(
    ("events", "answer"),
    [
        ([{"status": 404, "headers": [(b"content-length", b"0")]}], (404, b"")),
        ([{"status": 401}, {"body": b"no"}], (401, b"no")),
        ([{"status": 700}], (500, b"Internal Server Error")),
        ([{"status": 404, "headers": [(b"x", b"a\r\nb")]}], (500, b"Internal Server Error")),
        ([], (500, b"Internal Server Error")),
    ],
)
def test_denials(events: list[dict[str, Any]], answer: tuple[int, bytes]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for kind, event in zip(("start", "body"), events, strict=False):
            await send({"type": f"websocket.http.response.{kind}", **event})

    async def main() -> None:
        async with Uvicorn(app) as server:
            assert await refused(server.url) == answer

    run(main)


def test_a_denial_that_is_cut_short_does_not_look_whole() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404})
        await send({"type": "websocket.http.response.body", "body": b"half", "more_body": True})
        raise ValueError

    async def main() -> None:
        async with Uvicorn(app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readuntil(b"0\r\n\r\n")
            writer.close()

    run(main)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nothing_answers_what_comes_after_a_crash(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "asyncio")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise ValueError

    async def main() -> None:
        async with Uvicorn(app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.read() == b""
            writer.write(frame(PING, b"still there?"))
            async with asyncio.timeout(10):
                while server.state.connections:
                    await asyncio.sleep(0.001)
            writer.close()

    factory = asyncio.new_event_loop
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_origins_if_a_deriving_class_says_so() -> None:
    class Strict(WebSocketProtocol):
        origins = SAME_ORIGIN

    async def main() -> None:
        async with Uvicorn(echo, ws=Strict) as server:
            status, _ = await refused(server.url, origin="http://evil.example")
            assert status == 403
            async with connect(server.url, origin=f"http://127.0.0.1:{server.port}"):  # type: ignore[arg-type]
                pass

    run(main)


def test_limit_concurrency_counts_websockets() -> None:
    async def main() -> None:
        async with Uvicorn(echo, limit_concurrency=1) as server, connect(server.url):
            assert (await refused(server.url))[0] == 503

    run(main)


# ------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("event", "code", "reason"),
    [
        ({}, 1000, ""),
        ({"code": 4001, "reason": "enough"}, 4001, "enough"),
        ({"reason": None}, 1000, ""),
    ],
)
def test_the_application_closes(event: dict[str, Any], code: int, reason: str) -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "last"})
        await send({"type": "websocket.close", **event})
        for late in ("send", "close"):
            with pytest.raises(RuntimeError, match=r"after 'websocket\.close'"):
                await send({"type": f"websocket.{late}", "text": "late"})
        events.extend([await receive(), await receive()])

    async def main() -> None:
        async with Uvicorn(app) as server, connect(server.url) as ws:
            assert await ws.recv() == "last"
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (code, reason)
            assert await server.ended() is None

    run(main)
    assert events == [{"type": "websocket.disconnect", "code": code, "reason": reason}] * 2


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4001, "bye")])
def test_the_client_closes(code: int, reason: str) -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        events.append(await receive())
        await send({"type": "websocket.close"})  # as frameworks do, and it is no error
        with pytest.raises(ClientDisconnected):
            await send({"type": "websocket.send", "text": "late"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            async with connect(server.url) as ws:
                await ws.close(code, reason)
            assert await server.ended() is None

    run(main)
    assert events == [{"type": "websocket.disconnect", "code": code, "reason": reason}]


@pytest.mark.parametrize("reset", [True, False])
def test_a_lost_connection_is_1006(reset: bool) -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        events.append(await receive())
        await send({"type": "websocket.send", "text": "late"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            await reader.readuntil(b"\r\n\r\n")
            if reset:
                writer.transport.abort()
            else:
                writer.close()
            assert isinstance(await server.ended(), ClientDisconnected)

    run(main)
    assert events == [{"type": "websocket.disconnect", "code": 1006}]


def test_a_client_that_leaves_before_it_is_answered() -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        events.extend([await receive(), await receive()])
        with pytest.raises(ClientDisconnected):
            await send({"type": "websocket.accept"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            await until(lambda: bool(server.state.tasks))
            writer.close()
            assert await server.ended() is None

    run(main)
    assert events[1] == {"type": "websocket.disconnect", "code": 1006}


@pytest.mark.parametrize("how", ["return", "value", "raise"])
def test_an_application_that_leaves_without_a_word(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What it has sent arrives, and then the connection ends without Close, as in uvicorn."""
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> Any:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        await send({"type": "websocket.send", "text": "last"})
        if how == "raise":
            raise ValueError("mine")
        return 1 if how == "value" else None

    async def main() -> None:
        async with Uvicorn(app) as server, connect(server.url) as ws:
            await ws.send("never read")
            go.set()
            assert await ws.recv() == "last"
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1006
            await server.ended()

    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        run(main)
    assert [record.getMessage().strip() for record in caplog.records] == {
        "return": [],
        "value": ["ASGI callable should return None, but returned '1'."],
        "raise": ["Exception in ASGI application"],
    }[how]
    assert all(record.exc_info for record in caplog.records if how == "raise")


@pytest.mark.parametrize(
    "event", [{"type": "websocket.accept"}, {"type": "websocket.send"}, {"type": "other"}]
)
def test_events_that_make_no_sense(event: dict[str, Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(RuntimeError, match="not answered"):
            await send({"type": "websocket.send", "text": "early"})
        await send({"type": "websocket.accept"})
        with pytest.raises((RuntimeError, LocalProtocolError)):
            await send(event)
        await send({"type": "websocket.close", "code": 4002})

    async def main() -> None:
        async with Uvicorn(app) as server, connect(server.url) as ws:
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 4002

    run(main)


# ---------------------------------------------------------------------- limits, pings, time


def test_a_message_over_ws_max_size(caplog: pytest.LogCaptureFixture) -> None:
    app, events = recorder()

    async def main() -> None:
        options = {"ws_max_size": 100, "root_path": "/root"}
        async with Uvicorn(app, **options) as server, connect(server.url + "/a") as ws:
            await ws.send("x" * 101)
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1009
            await server.ended()

    with caplog.at_level(logging.INFO, "uvicorn.error"):
        run(main)
    assert events[0]["code"] == 1009
    accepted, closed = (message.partition(" - ")[2] for message in caplog.messages)
    assert accepted == '"WebSocket /root/a" [accepted]'
    assert closed.startswith('"WebSocket /root/a" [closed: 1009')


def test_pings_and_what_happens_without_an_answer() -> None:
    app, events = recorder()

    async def main() -> None:
        async with Uvicorn(app, ws_ping_interval=0.05, ws_ping_timeout=0.05) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            await reader.readuntil(b"\r\n\r\n")
            first = await reader.readexactly(2)
            assert first[0] == 0x89
            await reader.readexactly(first[1])
            close = await reader.readexactly(4)
            assert close[0] == 0x88
            assert struct.unpack("!H", close[2:]) == (1011,)
            await server.ended()
            writer.close()

    run(main)
    assert events == [
        {"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"}
    ]


@pytest.mark.parametrize("interval", [None, 0.0])
def test_pings_can_be_switched_off(interval: float | None) -> None:
    async def main() -> None:
        async with Uvicorn(echo, ws_ping_interval=interval) as server, connect(server.url):
            (channel,) = server.state.connections
            assert channel.connection.next_deadline() is None  # type: ignore[union-attr]

    run(main)


def test_a_reader_that_does_not_read_makes_send_wait() -> None:
    sent = []

    class Small(WebSocketProtocol):
        websocket_limits = replace(Limits(), write_high_water=1024)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(10_000):
            await send({"type": "websocket.send", "bytes": bytes(1 << 16)})
            sent.append(number)

    async def main() -> None:
        async with Uvicorn(app, ws=Small, ws_per_message_deflate=False) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(handshake())
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: any(getattr(c, "_paused", False) for c in server.state.connections))
            count = len(sent)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(sent) == count < 10_000
            writer.transport.abort()
            assert isinstance(await server.ended(), ClientDisconnected)

    run(main)


def test_a_handler_that_does_not_receive_stops_the_reading_and_no_message_pauses_it() -> None:
    read = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await read.wait()
        for _ in range(100):
            event = await receive()
            await send({"type": "websocket.send", "text": str(len(event["bytes"]))})

    async def main() -> None:
        async with Uvicorn(app) as server, connect(server.url, compression=None) as ws:
            (channel,) = server.state.connections
            await ws.send(b"x")
            await until(lambda: len(channel.websocket._inbox) == 1)  # type: ignore[union-attr]
            assert channel._reading  # type: ignore[union-attr]
            for _ in range(99):
                await ws.send(bytes(1 << 12))
            await until(lambda: not channel._reading)  # type: ignore[union-attr]
            read.set()
            assert [await ws.recv() for _ in range(100)] == ["1", *["4096"] * 99]
            assert channel._reading  # type: ignore[union-attr]

    run(main)


# --------------------------------------------------------------------------------- shutdown


def test_shutdown_closes_with_1012_and_tells_the_application() -> None:
    app, events = recorder()

    async def main() -> None:
        async with Uvicorn(app) as server, connect(server.url) as ws:
            server.shutdown()
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1012

    run(main)
    assert events == [{"type": "websocket.disconnect", "code": 1012}]


def test_shutdown_of_a_handshake_that_waits_and_of_one_that_comes_later() -> None:
    events = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        events.extend([await receive(), await receive()])

    async def main() -> None:
        async with Uvicorn(app) as server:
            asking = asyncio.create_task(refused(server.url))
            await until(lambda: bool(server.state.tasks))
            server.shutdown()
            assert (await asking)[0] == 503
            assert (await refused(server.url))[0] == 503

    run(main)
    assert events == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]


def test_shutdown_does_not_wait_for_a_client_that_is_being_left() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(handshake())
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(4) == b"\x88\x02\x03\xe8"  # not answered
            await server.ended()
            server.shutdown()
            assert await reader.read() == b""
            writer.close()

    run(main)


# ------------------------------------------------------------------------------ the machinery


def test_accepts_and_refusals_are_logged_as_uvicorn_does(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/no":
            await send({"type": "websocket.close"})
        else:
            await send({"type": "websocket.accept"})

    async def main() -> None:
        async with Uvicorn(app) as server:
            async with connect(server.url + "/yes?a=1"):
                pass
            await refused(server.url + "/no")

    with caplog.at_level(logging.INFO, "uvicorn.error"):
        run(main)
    lines = [message.partition(" - ")[2] for message in caplog.messages]
    assert lines == ['"WebSocket /yes?a=1" [accepted]', '"WebSocket /no" 403']


if sys.version_info >= (3, 12):

    def test_tasks_that_begin_at_once() -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            async with Uvicorn(echo) as server, connect(server.url) as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"

        run(main)


def test_nothing_is_left_of_a_connection() -> None:
    async def main() -> None:
        async with Uvicorn(echo) as server:
            for _ in range(3):
                async with connect(server.url) as ws:
                    assert len(server.state.connections) == len(server.state.tasks) == 1
                    await ws.send("hello")
                    await ws.recv()
            await until(lambda: not server.state.connections and not server.state.tasks)

    run(main)


def test_nothing_is_left_of_a_server() -> None:
    hosts: list[weakref.ref[UvicornHost]] = []

    async def main() -> None:
        async with Uvicorn(echo) as server:
            for _ in range(2):
                async with connect(server.url):
                    (channel,) = server.state.connections
                    hosts.append(weakref.ref(channel.server))  # type: ignore[union-attr]
        assert hosts[0]() is hosts[1]() is not None

    run(main)
    gc.collect()
    assert hosts[0]() is None


def test_context_variables_are_reset_if_uvicorn_says_so() -> None:
    from contextvars import ContextVar

    variable = ContextVar("variable", default="unset")
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(variable.get())
        await send({"type": "websocket.accept"})

    async def main() -> None:
        variable.set("set")
        for reset in (True, False):
            async with Uvicorn(app, reset_contextvars=reset) as server, connect(server.url):
                pass

    run(main)
    assert seen == ["unset", "set"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def refused(url: str, **options: Any) -> tuple[int, bytes]:
    """Ask for a WebSocket, and give the status and the body of the refusal."""
    with pytest.raises(websockets.InvalidStatus) as caught:
        await connect(url, **options)
    response = caught.value.response
    return response.status_code, bytes(response.body or b"")


def test_a_message_in_very_many_fragments() -> None:
    async def main() -> None:
        async with Uvicorn(echo) as server, connect(server.url, compression=None) as ws:
            await ws.send("x" for _ in range(2000))
            assert await ws.recv() == "x" * 2000

    run(main)
