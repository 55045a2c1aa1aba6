"""The client for plain tests: the same verbs as the other, in the thread of the test."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_type_hints

import pytest

from fasterapi import App, Limits, WebSocket
from fasterapi.testing import (
    AsyncTestClient,
    AsyncTestClock,
    AsyncTestEventStream,
    AsyncTestWebSocket,
    TestClient,
    TestClock,
    TestEventStream,
    TestWebSocket,
)
from fasterapi.testing.client import ClientOptions, HandshakeOptions, StreamOptions

TWINS: list[tuple[type, type]] = [
    (AsyncTestClient, TestClient),
    (AsyncTestClock, TestClock),
    (AsyncTestWebSocket, TestWebSocket),
    (AsyncTestEventStream, TestEventStream),
]
ONLY_BLOCKING = {"run"}
ITERATION = {"__aiter__": "__iter__", "__aenter__": "__enter__", "__aexit__": "__exit__"}


def verbs(kind: type) -> dict[str, Any]:
    return {
        ITERATION.get(name, name): getattr(kind, name)
        for name in dir(kind)
        if not name.startswith("_") or name in [*ITERATION, *ITERATION.values()]
    }


@pytest.mark.parametrize(
    ("options", "function", "blocking", "rest"),
    [
        (ClientOptions, AsyncTestClient.__init__, TestClient.__init__, ["app", "debug"]),
        (HandshakeOptions, AsyncTestClient.websocket, TestClient.websocket, ["path"]),
        (StreamOptions, AsyncTestClient.events, TestClient.events, ["path"]),
    ],
)
def test_options_are_those_of_the_other(
    options: type, function: Any, blocking: Any, rest: list[str]
) -> None:
    names = {"App": App, "Limits": Limits}
    theirs = get_type_hints(function, None, names)
    expected = {k: v for k, v in theirs.items() if k not in ("app", "path", "return")}
    assert get_type_hints(options, None, names) == expected
    assert list(inspect.signature(blocking).parameters) == ["self", *rest, "options"]


@pytest.mark.parametrize(("awaited", "blocking"), TWINS)
def test_both_forms_have_the_same_verbs_and_arguments(awaited: type, blocking: type) -> None:
    theirs, ours = verbs(awaited), verbs(blocking)
    attributes = {"response", "subprotocol", "auto_pong"}  # set by __init__ there, properties here
    assert ours.keys() - attributes - ONLY_BLOCKING == theirs.keys()
    for name, verb in theirs.items():
        if not inspect.isfunction(verb) or name in ("websocket", "events"):  # see above
            continue
        one, other = inspect.signature(verb), inspect.signature(ours[name])
        assert list(one.parameters.values()) == list(other.parameters.values()), name


def test_where_a_loop_runs_the_other_form_is_the_one(app: App) -> None:
    async def scenario() -> None:
        client = TestClient(app, headers={"X-Name": "ours"})
        with pytest.raises(RuntimeError, match=r"use 'async with TestClient\(app\) as c'"), client:
            pass
        async with client as c:
            assert isinstance(c, AsyncTestClient)
            async with c.websocket("/async") as ws:
                await ws.send("hello")
                assert await ws.receive() == "hello"
                assert ws.response.status == 101
            assert (await c.get("/nowhere")).status == 404
            assert ("X-Name", "ours") in c._merged(())
            await c.clock.advance(1)

    asyncio.run(scenario())


def test_in_a_loop_too_the_end_raises_what_the_lifespan_does() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        yield
        raise KeyError("shutdown")

    async def scenario() -> None:
        with pytest.raises(KeyError, match="shutdown"):
            async with TestClient(App(lifespan=lifespan)):
                pass

    asyncio.run(scenario())


def test_async_handlers_run_in_the_thread_of_the_test(app: App) -> None:
    threads: list[threading.Thread] = []

    @app.websocket("/where")
    async def where(ws: WebSocket) -> None:
        threads.append(threading.current_thread())
        await ws.receive()

    with TestClient(app) as c, c.websocket("/where") as ws:
        ws.send("a")
    assert threads == [threading.main_thread()]


def test_a_coroutine_in_the_loop_of_the_app(app: App) -> None:
    with TestClient(app, debug=True) as c:
        assert c.run(asyncio.sleep(0, "result")) == "result"

        async def debugging() -> bool:
            return asyncio.get_running_loop().get_debug()

        assert c.run(debugging())


def test_the_loop_is_closed_when_start_up_fails() -> None:
    def lifespan(app: App) -> Any:
        raise KeyError("start-up")

    client = TestClient(App(lifespan=lifespan))
    with pytest.raises(KeyError), client:
        pass
    late = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="block has ended"):
        client.run(late)
    late.close()


def test_a_client_outside_of_its_block(app: App) -> None:
    client = TestClient(app)
    with pytest.raises(RuntimeError, match="use the client in its 'with' block"):
        client.get("/")
    with client:
        with pytest.raises(RuntimeError, match="entered once"), client:
            pass
        assert client.get("/").status == 200
    for use in (lambda: client.get("/"), client.settle, client.connect, client.__enter__):
        with pytest.raises(RuntimeError, match="'with' block has ended"):
            use()
