"""Lifespans, errors that no connection shows, and what an app leaves behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fasterapi import App, SyncWebSocket, WebSocket
from fasterapi.testing import AsyncTestClient, LeftBehind, TestClient, host

from .application import Crash


def test_a_lifespan_runs_around_the_block(app: App) -> None:
    for _ in range(2):
        with TestClient(app):
            assert app.state.log[-1] == "start-up"
        assert app.state.log[-1] == "shutdown"
    assert len(app.state.log) == 4


def test_a_lifespan_is_left_in_the_task_that_entered_it() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(600):
            app.state.worker = tasks.create_task(asyncio.Event().wait())
            yield
            app.state.worker.cancel()

    with TestClient(App(lifespan=lifespan)) as c:
        assert c.get("/").status == 404
    assert c.app.state.worker.cancelled()


@pytest.mark.parametrize("moment", ["start-up", "shutdown"])
def test_what_a_lifespan_raises(moment: str) -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        if moment == "start-up":
            raise Crash(moment)
        yield
        raise Crash(moment)

    entered = False
    with pytest.raises(Crash, match=moment), TestClient(App(lifespan=lifespan)):
        entered = True
    assert entered is (moment == "shutdown")


@pytest.mark.parametrize("moment", ["start-up", "shutdown"])
def test_a_lifespan_that_hangs(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_CUT", 0.0)

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        if moment == "start-up":
            await asyncio.Event().wait()
        yield
        await asyncio.Event().wait()

    client = TestClient(App(lifespan=lifespan), timeout=0.01, grace=0.01)
    late = rf"no end of the app's {moment} within .* s; so far: the app's lifespan is at work, at "
    with pytest.raises(TimeoutError, match=late + r".*test_host.py:\d+"), client:
        pass


def test_several_errors_are_a_group(app: App) -> None:
    with pytest.raises(ExceptionGroup) as group, TestClient(app) as c:
        for ws in [c.websocket("/callbacks-crash") for _ in range(2)]:
            ws.send("go")
    assert [type(error) for error in group.value.exceptions] == [Crash, Crash]


def test_the_tests_own_error_goes_first(app: App) -> None:
    with pytest.raises(KeyError) as own, TestClient(app) as c:
        c.websocket("/async-crash")
        raise KeyError("the test's own")
    assert own.value.__notes__ == ["and on the server: Crash('async def')"]


def test_what_a_callback_of_the_loop_raises(app: App) -> None:
    @app.websocket("/later")
    async def later(ws: WebSocket) -> None:
        def fail() -> None:
            raise Crash("call_soon")

        asyncio.get_running_loop().call_soon(fail)
        await ws.receive()

    with TestClient(app) as c, c.websocket("/later") as ws, pytest.raises(Crash) as crash:
        ws.receive()
    assert any("reported to the event loop" in note for note in crash.value.__notes__)


def test_the_loop_gets_its_own_exception_handler_back(app: App) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        contexts = []
        loop.set_exception_handler(lambda _, context: contexts.append(context["message"]))
        with pytest.raises(Crash):
            async with AsyncTestClient(app) as c:
                loop.call_exception_handler({"message": "one", "exception": Crash()})
                await c.get("/")
        loop.call_exception_handler({"message": "two"})
        assert contexts == ["one", "two"]

    asyncio.run(scenario())


def test_a_task_that_outlives_the_app(app: App) -> None:
    tasks: list[asyncio.Task[object]] = []

    @app.get("/start")
    async def start() -> str:
        tasks.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))
        return "started"

    forgotten = r"the task 'forgotten' of Event.wait\(\)"
    with pytest.raises(LeftBehind, match=forgotten), TestClient(app) as c:
        c.get("/start")
    assert tasks[0].cancelled()
    with TestClient(app, check_leftovers=False) as c:
        c.get("/start")


def test_a_thread_that_outlives_the_app(app: App) -> None:
    go = threading.Event()

    @app.get("/start")
    def start() -> str:
        threading.Thread(target=go.wait, name="forgotten").start()
        return "started"

    try:
        with pytest.raises(LeftBehind, match="the thread 'forgotten'"), TestClient(app) as c:
            c.get("/start")
    finally:
        go.set()


def test_a_handler_in_a_thread_that_does_not_end(app: App) -> None:
    go = threading.Event()

    @app.websocket("/stubborn")
    def stubborn(ws: SyncWebSocket) -> None:
        ws.accept()
        go.wait()

    still = r"the handler stubborn\(\) is at work, at .*test_host.py:\d+"
    try:
        with (
            pytest.raises(LeftBehind, match=still),
            TestClient(app, timeout=0.01, grace=0.01) as c,
        ):
            c.websocket("/stubborn", timeout=5)
    finally:
        go.set()


def test_handlers_that_wait_at_the_end_are_cancelled(app: App) -> None:
    with TestClient(app, grace=0.01) as c:
        c.websocket("/deaf")


def test_what_a_test_itself_has_running_is_not_the_apps(app: App) -> None:
    async def scenario() -> None:
        mine = asyncio.create_task(asyncio.Event().wait())
        async with AsyncTestClient(app) as c:
            await c.get("/")
        mine.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/ws", "/def", "/calls", "/page", "/events"])
def test_a_check_in_a_handler_that_fails_as_pytest_says_it(path: str) -> None:
    app = App()

    @app.websocket("/ws")
    async def ws(ws: WebSocket) -> None:
        await ws.receive()
        pytest.fail("in a handler")

    @app.websocket("/def")
    def in_a_thread(ws: SyncWebSocket) -> None:
        ws.receive()
        pytest.fail("in a handler")

    @app.websocket("/calls")
    class Calls:
        def on_message(self, ws: WebSocket, message: str) -> None:
            pytest.fail("in a handler")

    @app.get("/page")
    async def page() -> None:
        pytest.fail("in a handler")

    @app.sse("/events")
    async def events() -> AsyncIterator[int]:
        yield 1
        pytest.fail("in a handler")

    # What pytest raises for that is no Exception.
    with pytest.raises(pytest.fail.Exception, match="in a handler"), TestClient(app) as c:
        if path == "/page":
            c.get(path)
        elif path == "/events":
            with c.events(path) as stream:
                list(stream)
        else:
            with c.websocket(path) as client:
                client.send("x")
