"""``SSEConnection`` on a transport in memory: events, silence, back pressure, the client's end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fasterapi import (
    App,
    ConnectionClosed,
    HTTPError,
    Limits,
    LocalProtocolError,
    ServerSentEvent,
    SSEConnection,
)

from .conftest import Runner
from .memory import Network, get, turns, until

LIMITS = Limits(
    sse_keepalive=15, sse_start_delay=0.5, write_timeout=30, close_timeout=2,
    write_high_water=10_000, max_write_buffer=50_000,
)  # fmt: skip


class Application(App):
    """Each handler notes in ``ends`` how it ended."""

    def __init__(self) -> None:
        super().__init__(limits=LIMITS)
        self.ends: list[Any] = []
        self.gate = asyncio.get_running_loop().create_future()

        @self.sse("/sleep")
        async def sleep(sse: SSEConnection) -> None:
            await sse.send("first")
            try:
                await asyncio.sleep(1000)
            finally:
                await turns(3)  # what is done at the end is done to its end
                self.ends.append("slept")

        @self.sse("/generate")
        async def generate() -> AsyncIterator[Any]:
            try:
                yield "first"
                yield {"n": 2}
                yield ServerSentEvent("three", event="count", id="3", retry=5)
                await asyncio.sleep(1000)
            finally:
                await turns(3)
                self.ends.append("generated")

        @self.sse("/wait")
        async def wait(sse: SSEConnection) -> None:
            await self.gate
            await sse.send("at last")

        @self.sse("/large")
        async def large(sse: SSEConnection) -> None:
            try:
                await sse.send("x" * 200_000)
                await sse.send("small")
            except BaseException as error:
                self.ends.append(type(error))
                raise

        @self.sse("/hasty")
        async def hasty(sse: SSEConnection) -> None:
            while sse.is_open():
                try:
                    sse.send("x" * 1000)
                except ConnectionClosed as closed:
                    self.ends.append(closed.code)
                    raise


def test_events_on_the_wire(run_everywhere: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.sse("/")
        async def events(sse: SSEConnection) -> None:
            await sse.send("one")
            await sse.send({"two": 2}, event="count", id="2", retry=100)
            await sse.send(comment="aside")
            await sse.ping()
            sse.send("not awaited")
            with pytest.raises(LocalProtocolError):
                sse.send("x", id="a\0b")
            with pytest.raises(LocalProtocolError):
                sse.send()

        client = await Network(app).stream()
        assert client.chunks() == (
            b"data: one\n\n"
            b'event: count\nid: 2\nretry: 100\ndata: {"two":2}\n\n'
            b": aside\n\n"
            b": \n\n"
            b"data: not awaited\n\n"
        )
        assert not client.is_over  # the next request may follow

    run_everywhere(main())


def test_what_one_turn_sends_is_one_chunk(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.sse("/")
        async def events(sse: SSEConnection) -> None:
            for number in range(3):
                await sse.send(str(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await sse.send("later")

        client = await Network(app).stream()
        assert client.taken() == (
            b"1b\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\n\r\nd\r\ndata: later\n\n\r\n0\r\n\r\n"
        )

    run(main())


def test_generators(run: Runner) -> None:
    async def main() -> None:
        app = Application()
        client = await Network(app).stream("/generate")
        await turns()
        assert client.chunks() == (
            b'data: first\n\ndata: {"n":2}\n\nevent: count\nid: 3\nretry: 5\ndata: three\n\n'
        )
        await client.leave()
        await turns()
        assert app.ends == ["generated"]

    run(main())


@pytest.mark.parametrize("path", ["/sleep", "/generate"])
@pytest.mark.parametrize("how", ["finish", "leave"])
def test_a_client_that_leaves_cancels_its_handler_once(
    run_everywhere: Runner, caplog: pytest.LogCaptureFixture, path: str, how: str
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        app = Application()
        net = Network(app)
        client = await net.stream(path)
        await getattr(client, how)()
        await turns(10)
        assert len(app.ends) == 1
        assert (net.server.calls, net.server.connections) == (set(), set())

    run_everywhere(main())
    assert [record.levelno for record in caplog.records] == [logging.INFO] * 2
    assert "left by the client after" in caplog.records[-1].getMessage()


def test_a_comment_after_silence_only(run: Runner) -> None:
    async def main() -> None:
        app = Application()
        net = Network(app)
        client = await net.stream("/sleep")
        assert client.chunks() == b"data: first\n\n"
        await net.pass_time(14.9, step=0.1)
        assert client.taken() == b""
        await net.pass_time(0.2, step=0.1)
        comment = client.chunks()
        assert comment.startswith(b":")
        await net.pass_time(14.8, step=0.1)
        assert client.taken() == b""
        await net.pass_time(0.3, step=0.1)
        assert client.chunks() == comment
        await client.leave()

    run(main())


def test_a_response_begins_though_its_handler_waits(run: Runner) -> None:
    async def main() -> None:
        app = Application()
        net = Network(app)
        client = net.connect()
        await client.send(get("/wait"))
        await net.pass_time(0.45)
        assert client.taken() == b""
        await net.pass_time(0.15)
        assert client.head().status == 200
        app.gate.set_result(None)
        await turns()
        assert client.chunks() == b"data: at last\n\n"

    run(main())


def test_a_handler_that_fails_after_the_response_has_begun(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        app = Application()
        net = Network(app)
        client = net.connect()
        await client.send(get("/wait"))
        await net.pass_time(0.6)
        app.gate.set_exception(HTTPError(404))
        await turns()
        assert client.head().status == 200
        assert client.taken() == b"0\r\n\r\n"

    run(main())
    assert "HTTPError" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"), [(HTTPError(404), 404), (RuntimeError("meant to"), 500)]
)
def test_a_handler_that_fails_before_the_response_has_begun(
    run: Runner, caplog: pytest.LogCaptureFixture, error: Exception, status: int
) -> None:
    async def main() -> None:
        app = Application()
        app.gate.set_exception(error)
        client = Network(app).connect()
        await client.send(get("/wait"))
        assert client.response()[0] == status
        await client.send(get("/nowhere"))
        assert client.response()[0] == 404

    run(main())
    assert ("Traceback" in caplog.text) is (status == 500)


def test_a_slow_reader_is_waited_for(run: Runner) -> None:
    """Its keep-alive comments are, too: there is no silence while bytes wait."""

    async def main() -> None:
        app = Application()
        net = Network(app)
        client = net.connect()
        client.transport.stuck = True
        await client.send(get("/large"))
        while len(client.transport.buffer) > 2000:
            await net.pass_time(20, step=1)
            client.transport.take(2000)
        await turns()
        assert (app.ends, client.transport.aborted) == ([], False)
        client.transport.take()
        await turns()
        assert client.head().status == 200
        assert client.chunks() == b"data: " + 200_000 * b"x" + b"\n\ndata: small\n\n"

    run(main())


def test_a_reader_that_takes_nothing_is_cut_off(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        app = Application()
        net = Network(app)
        client = net.connect()
        client.transport.stuck = True
        await client.send(get("/large"))
        await net.pass_time(29, step=1)
        assert not client.transport.aborted
        await net.pass_time(2, step=1)
        assert client.transport.aborted
        assert app.ends == [asyncio.CancelledError]
        await until(lambda: net.server.calls == set())

    run(main())
    assert "Limits.write_timeout (30 s)" in caplog.text


def test_one_who_does_not_wait_is_cut_off(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        app = Application()
        client = Network(app).connect()
        client.transport.stuck = True
        await client.send(get("/hasty"))
        assert client.transport.aborted
        assert app.ends == [1006]

    run(main())
    assert "over Limits.max_write_buffer (50000)" in caplog.text


def test_closing_and_waiting_for_it(run: Runner) -> None:
    async def main() -> None:
        app = App()
        seen: list[Any] = []

        @app.sse("/")
        async def events(sse: SSEConnection) -> None:
            waiting = asyncio.ensure_future(sse.wait_closed())
            await sse.send("one")
            await sse.close()
            await sse.close()
            await waiting
            await sse.wait_closed()
            seen.append(sse.is_open())
            with pytest.raises(ConnectionClosed):
                sse.send("too late")

        client = await Network(app).stream()
        assert client.chunks() == b"data: one\n\n"
        assert seen == [False]

    run(main())


def test_a_stopping_server_ends_streams(run: Runner) -> None:
    async def main() -> None:
        app = Application()
        net = Network(app)
        clients = [await net.stream("/sleep"), await net.stream("/generate")]
        await net.server.stop()
        for client in clients:
            assert client.taken().endswith(b"0\r\n\r\n")
            assert client.transport.closing
        assert sorted(app.ends) == ["generated", "slept"]
        assert net.server.calls == set()

    run(main())


def test_what_the_request_says(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.sse("/{room}", headers=[("X-Room", "yes"), ("Cache-Control", "no-cache")])
        async def events(sse: SSEConnection, room: str) -> None:
            await sse.send([room, dict(sse.path_params), sse.last_event_id, sse.request.path])

        net = Network(app)
        client = net.connect()
        await client.send(get("/blue", "Last-Event-ID: 41"))
        head = client.head()
        assert (head.headers["x-room"], head.headers["cache-control"]) == ("yes", "no-cache")
        assert client.chunks() == b'data: ["blue",{"room":"blue"},"41","/blue"]\n\n'

    run(main())


def test_a_head_request_runs_no_handler(run: Runner) -> None:
    async def main() -> None:
        app = Application()
        client = Network(app).connect()
        await client.send(get("/sleep", method="HEAD"))
        head = client.head()
        assert head.status == 200
        assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (client.taken(), app.ends, client.is_over) == (b"", [], False)

    run(main())


def test_http_1_0_is_not_chunked(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.sse("/")
        async def events(sse: SSEConnection) -> None:
            await sse.send("one")

        client = Network(app).connect()
        await client.send(get("/", "Connection: keep-alive", version="1.0"))
        head = client.head()
        assert "transfer-encoding" not in head.headers
        assert (client.taken(), client.is_over) == (b"data: one\n\n", True)

    run(main())


def test_a_route_s_write_limits_count_while_its_stream_lasts(run: Runner) -> None:
    async def main() -> None:
        app = App()
        waited: list[bool] = []

        @app.sse("/", limits=Limits(write_high_water=1000))
        async def events(sse: SSEConnection) -> None:
            await sse.send("first")
            await stuck.wait()
            sent = sse.send("x" * 2000)
            waited.append(sent is not net.server.done)
            await sent

        net = Network(app)
        stuck = asyncio.Event()
        client = await net.stream()
        client.transport.stuck = True
        stuck.set()
        await turns()
        assert waited == [True]
        assert client.transport._high == 1000
        client.transport.take()
        await turns()
        assert client.transport._high == Limits().write_high_water

    run(main())
