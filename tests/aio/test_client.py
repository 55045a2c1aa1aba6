"""The asyncio client against our own server, and in memory against a clock of our own.

Other libraries' servers are in ``tests/interop``; what was asked and which answers are taken is
``tests/http``'s, dialling is ``tests/test_dialling``'s.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fasterapi import (
    ConnectionClosed,
    HandshakeError,
    InvalidMessage,
    Limits,
    LocalProtocolError,
    Reconnect,
    State,
    WebSocket,
    connect,
    serve,
)
from fasterapi.aio.client import ClientHost, _leave, begin
from fasterapi.aio.link import Link
from fasterapi.http.h1_client import ResponseReader, write_request
from fasterapi.http.websocket_request import WebSocketRequest
from fasterapi.protocol import Role, ServerHandshake, WebSocketConnection
from fasterapi.testing import Clock, MemoryTransport
from tests.cycles import counted, descriptors
from tests.serving import client_app

from .conftest import Runner
from .memory import turns, until

AT_ONCE = Reconnect(delay=0.0, jitter=0.0)


@asynccontextmanager
async def serving(seen: list[Any] | None = None, **options: Any) -> AsyncIterator[str]:
    server = serve(client_app([] if seen is None else seen), port=0, access_log=False, **options)
    async with server:
        yield server.url.replace("http", "ws", 1)


def test_a_message_there_and_back(run_everywhere: Runner) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with serving(seen) as url:
            async with connect(url) as ws:
                assert (ws.state, ws.is_open()) == (State.OPEN, True)
                await ws.send("hello")
                assert await ws.receive_text() == "hello"
                await ws.send(b"\x00" * 100_000)
                assert await ws.receive_bytes() == b"\x00" * 100_000
                assert 0 < await ws.ping() == ws.latency
            assert (ws.state, ws.close_code) == (State.CLOSED, 1000)
        assert seen == [(1000, "")]

    run_everywhere(main())


def test_what_a_client_knows_of_its_connection(run: Runner) -> None:
    async def main() -> None:
        async with (
            serving() as url,
            connect(f"{url}/request?a=b", subprotocols=["x", "chat"], headers={"X-Y": "z"}) as ws,
        ):
            query, *fields = await ws.receive_json()
            assert query == "a=b"
            assert ["x-y", "z"] in fields
            assert ws.subprotocol == "chat"
            assert ws.response is not None
            assert (ws.response.status, ws.response.headers["upgrade"]) == (101, "websocket")
            assert (ws.request.path, ws.request.client) == ("/request", url.removeprefix("ws://"))

    run(main())


def test_what_only_servers_do(run: Runner) -> None:
    async def main() -> None:
        async with serving() as url, connect(url) as ws:
            for refused in (ws.accept, ws.reject):
                with pytest.raises(LocalProtocolError, match="its server has accepted it"):
                    await refused()

    run(main())


def test_an_await_opens_too_and_close_waits_for_the_transport_s_end(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with serving() as url:
            ws = await connect(url)
            await ws.send("x")
            assert await ws.receive() == "x"
            await ws.close(4000, "done")
            assert ws._channel is not None
            assert ws._channel.lost
            assert (ws.close_code, ws.close_reason) == (4000, "done")
            await ws.close()  # no error
            await ws.wait_closed()

    run_everywhere(main())


def test_what_is_entered_again_opens_another(run_everywhere: Runner) -> None:
    opened: list[WebSocket] = []

    async def main() -> None:
        async with serving() as url:
            connecting = connect(url)
            async with connecting as outer:
                async with connecting as inner:
                    await inner.send("inner")
                assert inner.close_code == 1000
                await outer.send("outer")
                assert await outer.receive() == "outer"
            together = asyncio.Barrier(3)

            async def work() -> None:
                async with connecting as ws:
                    opened.append(ws)
                    await together.wait()
                await together.wait()

            await asyncio.gather(work(), work(), work())
            assert len(set(opened)) == 3
            assert [ws.close_code for ws in (outer, *opened)] == [1000] * 4

    run_everywhere(main())


def test_the_server_s_close(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with serving() as url, connect(f"{url}/close") as ws:
            assert await ws.receive() == "last words"
            with pytest.raises(ConnectionClosed) as caught:
                await ws.receive()
            assert (caught.value.code, caught.value.reason) == (4001, "enough")
            with pytest.raises(ConnectionClosed):
                await ws.send("too late")

    run_everywhere(main())


def test_many_messages_of_a_server_that_closes_behind_them(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with serving() as url, connect(f"{url}/push") as ws:
            assert len([message async for message in ws]) == 1000

    run_everywhere(main())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("a bug"), 1011),
        (InvalidMessage(1007, "no JSON"), 1007),
        (ConnectionClosed(1000), 1000),
        (asyncio.CancelledError(), 1001),
        (BaseException("no Exception, and a bug"), 1011),
    ],
)
def test_how_a_block_that_fails_closes(run: Runner, error: BaseException, code: int) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with serving(seen) as url:
            with pytest.raises(type(error)):
                async with connect(url):
                    raise error
        assert seen == [(code, "")]

    run(main())


def test_a_refusal(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with serving() as url:
            with pytest.raises(HandshakeError, match="403 Forbidden: members only") as caught:
                async with connect(f"{url}/reject"):
                    pass
            assert (caught.value.status, caught.value.body) == (403, b"members only")
            assert ("x-why", "because") in [(n.lower(), v) for n, v in caught.value.headers]
            with pytest.raises(HandshakeError, match="404"):
                await connect(f"{url}/nowhere")

    run_everywhere(main())


def test_a_unix_socket_and_a_given_one(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "s")
        async with serving(uds=path):
            async with connect("ws://localhost/", uds=path) as ws:
                await ws.send("x")
                assert await ws.receive() == "x"
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            async with connect("ws://localhost/", sock=sock) as ws:
                await ws.send("y")
                assert await ws.receive() == "y"

    run(main())


def test_compression_is_agreed_on_unless_it_is_turned_off(run: Runner) -> None:
    async def main() -> None:
        async with serving() as url:
            for options, count in (({}, 1), ({"compression": None}, 0)):
                async with connect(url, **options) as ws:  # type: ignore[arg-type]
                    assert ws._connection is not None
                    assert len(ws._connection.extensions) == count
                    await ws.send("hello " * 1000)
                    assert await ws.receive() == "hello " * 1000

    run(main())


# ------------------------------------------------------------------------------ reconnecting


def test_a_loop_opens_again_what_the_server_closes(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with serving() as url:
            messages = []
            async for ws in connect(f"{url}/close", reconnect=AT_ONCE):
                messages += [message async for message in ws]
                if len(messages) == 3:
                    break
            assert messages == ["last words"] * 3

    run_everywhere(main())


def test_a_given_socket_makes_a_loop_of_one(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "s")
        async with serving(uds=path):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
            connecting = connect("ws://localhost/close", sock=sock)
            assert [[message async for message in ws] async for ws in connecting] == [
                ["last words"]
            ]

    run(main())


def test_a_loop_that_is_left_closes_what_is_open(run: Runner) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with serving(seen) as url:
            async for ws in connect(url):
                await ws.send("x")
                break
            await ws.wait_closed()
            gc.collect()
        assert seen == [(1000, "")]

    run(main())


def test_a_loop_raises_what_stays_as_it_is(run: Runner) -> None:
    async def main() -> None:
        async with serving() as url:
            with pytest.raises(HandshakeError, match="403"):
                async for _ in connect(f"{url}/reject", reconnect=AT_ONCE):
                    pytest.fail("it was refused")

    run(main())


def test_a_loop_ends_when_its_policy_says_so(run: Runner) -> None:
    asked: list[Exception] = []

    def retries(error: Exception, transient: bool) -> bool:
        asked.append(error)
        return len(asked) < 3

    async def main() -> None:
        async with serving() as url:
            policy = Reconnect(delay=0.0, jitter=0.0, retries=retries)
            count = 0
            async for _ in connect(f"{url}/close", reconnect=policy):
                count += 1
            assert count == 3

    run(main())
    assert [getattr(error, "code", None) for error in asked] == [4001, 4001, 4001]


def test_a_loop_goes_on_when_the_server_is_back(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fasterapi.client")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        policy = Reconnect(delay=0.0, jitter=0.0, first=True)
        loop = connect(f"ws://127.0.0.1:{port}/", reconnect=policy, limits=_quick()).__aiter__()
        first = asyncio.ensure_future(anext(loop))
        while "Connect call failed" not in caplog.text:
            await asyncio.sleep(0)
        server = serve(client_app([]), port=port, access_log=False)
        async with server:
            ws = await first
            await ws.send("x")
            assert await ws.receive() == "x"
        with pytest.raises(ConnectionClosed):
            await ws.receive()
        await loop.aclose()

    run(main())
    assert "connecting again in 0.0 s" in caplog.text


def _quick() -> Limits:
    return Limits(max_reconnect_delay=0.01)


# ---------------------------------------------------------------------------------- in memory


class Pair:
    """A client on a transport in memory, and the server's half of the protocol."""

    def __init__(self, rest: bytes = b"", *, ended: bool = False, lost: bool = False) -> None:
        self.clock = Clock()
        self.host = ClientHost(self.clock)
        self.host.use(asyncio.get_running_loop())
        attempt = WebSocketRequest("ws://test/", {"compression": None}).attempt()
        handshake = ServerHandshake(attempt.opening.request)
        reader = ResponseReader()
        head = b"".join(
            [b"HTTP/1.1 101 X\r\n"]
            + [f"{n}: {v}\r\n".encode() for n, v in handshake.accept().headers]
            + [b"\r\n"]
        )
        response = reader.receive_data(head + rest)
        assert response is not None
        assert write_request(attempt.opening.request)
        link = Link()
        self.transport = MemoryTransport(self.host.loop, lambda: None)
        link.connection_made(self.transport)
        if ended:
            link.eof_received()
        if lost:
            link.connection_lost(None)
        self.server = WebSocketConnection(Role.SERVER)
        self.ws = begin(self.host, link, reader, attempt.session(response))
        assert self.ws._channel is not None
        self.channel = self.ws._channel

    def heard(self) -> list[Any]:
        """Give the events of what the client has written since the last time."""
        data = bytes(self.transport.written)
        del self.transport.written[:]
        return list(self.server.receive_data(data))

    async def advance(self, seconds: float) -> None:
        """Let time go by, and the deadlines be seen to."""
        self.clock.now += seconds
        self.host.timers.walk(self.clock.now)
        await turns()


def test_a_server_that_vanishes_is_noticed_by_keepalive(run: Runner) -> None:
    async def main() -> None:
        pair = Pair()
        waiting = asyncio.ensure_future(pair.ws.receive())
        await turns()
        await pair.advance(21)
        [ping] = pair.heard()
        assert type(ping).__name__ == "Ping"
        assert not waiting.done()
        await pair.advance(21)
        with pytest.raises(ConnectionClosed, match="1011 keepalive ping timeout"):
            await waiting
        # Nor does anybody answer the Close: the transport goes when its time is over.
        await pair.advance(0.1)
        assert not pair.transport.lost
        await pair.advance(6)
        assert pair.transport.lost

    run(main())


def test_any_byte_is_a_sign_of_life(run: Runner) -> None:
    async def main() -> None:
        pair = Pair()
        for _ in range(3):
            await pair.advance(15)
            pair.channel.data_received(b"\x8a\x00")
        await pair.advance(15)
        assert pair.heard() == []
        pair.transport.abort()
        await turns()
        assert pair.ws.close_code == 1006

    run(main())


@pytest.mark.parametrize("lost", [False, True])
def test_a_server_that_said_all_before_anybody_listened(run: Runner, lost: bool) -> None:
    async def main() -> None:
        pair = Pair(b"\x81\x02hi\x88\x02\x03\xe8", ended=True, lost=lost)
        assert await pair.ws.receive() == "hi"
        with pytest.raises(ConnectionClosed, match="1000"):
            await pair.ws.receive()
        await pair.ws.close()
        assert pair.channel.lost

    run(main())


def test_a_server_that_sends_ahead_is_paused(run: Runner) -> None:
    async def main() -> None:
        frame = b"\x82\x7e\xff\xff" + bytes(65535)
        pair = Pair(frame * 3)
        assert not pair.channel._reading
        assert [len(await pair.ws.receive()) for _ in range(3)] == [65535] * 3
        assert pair.channel._reading
        pair.transport.abort()
        await turns()

    run(main())


def test_a_client_leaves_the_end_of_the_transport_to_the_server(run: Runner) -> None:
    async def main() -> None:
        pair = Pair()
        closing = asyncio.ensure_future(pair.ws.close(1000))
        await turns()
        [closed] = pair.heard()
        assert closed.code == 1000
        pair.channel.data_received(pair.server.data_to_send())
        await turns()
        assert pair.ws.state is State.CLOSED
        assert not closing.done()
        assert not pair.transport.lost
        pair.channel.eof_received()
        await turns()
        assert closing.done()
        assert pair.transport.lost

    run(main())


def test_who_is_cancelled_while_leaving_hangs_up(run: Runner) -> None:
    # As the end of a program does with a loop over connect() that it has cancelled already.
    async def main() -> None:
        pair = Pair()
        leaving = asyncio.ensure_future(_leave(pair.ws, None))
        await turns()
        assert [event.code for event in pair.heard()] == [1000]
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await turns()
        assert pair.transport.lost

    run(main())


@counted
def test_a_thousand_cycles_leave_nothing_behind() -> None:
    async def main() -> None:
        async with serving() as url:
            async with connect(url):
                pass
            gc.collect()
            files, tasks = descriptors(), len(asyncio.all_tasks())
            for _ in range(20):
                await asyncio.gather(*(_cycle(url) for _ in range(50)))
            gc.collect()
            # The server's ends go when it has seen ours go.
            await until(lambda: descriptors() <= files)
            assert len(asyncio.all_tasks()) == tasks

    asyncio.run(asyncio.wait_for(main(), 50))


async def _cycle(url: str) -> None:
    async with connect(url, compression=None) as ws:
        await ws.send("x")
        assert await ws.receive() == "x"
