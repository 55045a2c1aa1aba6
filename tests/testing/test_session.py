"""What WebSockets and event streams have in common: faults of the client itself, and lost ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fasterapi import App
from fasterapi.testing import AsyncTestClient, TestClient, events

from .application import Crash


def new_uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = pytest.importorskip("uvloop").new_event_loop()
    return loop


LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, new_uvloop]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_any_loop_will_do(
    app: App, loop: Callable[[], asyncio.AbstractEventLoop], debug: bool
) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app) as c:
            for path in ("/async", "/def", "/callbacks"):
                async with c.websocket(path, compression=True) as ws:
                    await ws.send("hello" * 100)
                    assert await ws.receive() == "hello" * 100
                    ws.mute()
                    await c.clock.advance(40)
                    assert await ws.wait_closed() == 1011
            async with c.events("/ticks") as stream:
                await stream.receive()
                await c.clock.advance(15)
                assert stream.comments == [""]

    with asyncio.Runner(loop_factory=loop, debug=debug) as runner:
        runner.run(scenario())


def test_what_the_client_can_not_read_is_raised(
    c: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def feed(self: object, data: bytes) -> None:
        raise KeyError("no events")

    monkeypatch.setattr(events.EventStreamParser, "feed", feed)
    with c.events("/ticks") as stream, pytest.raises(KeyError, match="no events"):
        stream.receive()


def test_an_event_of_any_size(app: App) -> None:
    @app.sse("/large")
    async def large(sse: events.AsyncTestEventStream) -> None:
        await sse.send("x" * 2_000_000)  # type: ignore[attr-defined]

    with TestClient(app) as c, c.events("/large") as stream:
        assert len(stream.receive().data) == 2_000_000


def test_a_handler_that_goes_on_without_its_client(app: App) -> None:
    with TestClient(app, grace=0.01) as c:
        late = "no end of the handler of WebSocket /deaf"
        with c.websocket("/deaf") as ws, pytest.raises(TimeoutError, match=late):
            ws.wait_handler(timeout=0.01)
        assert ws.close_code == 1000


def test_an_error_after_the_close_is_raised_when_the_block_is_left(app: App) -> None:
    @app.websocket("/late")
    async def late(ws: object) -> None:
        await ws.close(4000)  # type: ignore[attr-defined]
        raise Crash("after the close")

    with TestClient(app) as c:
        with pytest.raises(Crash, match="after the close"), c.websocket("/late") as ws:
            pass
        assert ws.close_code == 4000


def test_a_connection_that_is_lost_within_an_answer(app: App) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app, grace=0.01) as c:
            for opening in (lambda: c.get("/slow"), lambda: c.websocket("/mute").open()):
                asking = asyncio.create_task(opening())
                await c.settle()
                (wire,) = c._host._wires[-1:]
                wire.drop()
                app.state.log.append("go on")
                with pytest.raises(ConnectionError, match="in the middle of the answer to"):
                    await asking

    asyncio.run(scenario())
