"""What the blocking server refuses to run, and how it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from fasterapi import App, SyncSSEConnection, SyncWebSocket
from fasterapi.sync.styles import check_app


async def coroutine(ws: Any) -> None: ...


async def generator() -> AsyncIterator[str]:
    yield ""


class Callbacks:
    def on_message(self, ws: Any, message: Any) -> None: ...


@pytest.mark.parametrize(
    ("kind", "handler", "what"),
    [
        ("websocket", coroutine, "coroutine is async def,"),
        ("sse", generator, "generator is async def with yield,"),
        ("websocket", Callbacks, "Callbacks is a callback class,"),
        ("get", coroutine, "coroutine is async def,"),
    ],
)
def test_what_needs_a_loop_is_named(kind: str, handler: Any, what: str) -> None:
    app = App()
    getattr(app, kind)("/the/path")(handler)
    with pytest.raises(TypeError, match=f"^/the/path: {what} and the sync server has no event"):
        check_app(app)


def test_plain_functions_pass() -> None:
    app = App()

    @app.websocket("/ws")
    def ws(ws: SyncWebSocket) -> None: ...

    @app.sse("/events")
    def events(sse: SyncSSEConnection) -> None: ...

    @app.sse("/generator")
    def numbers() -> Iterator[int]:
        yield 1

    @app.get("/")
    def page() -> str:
        return ""

    check_app(app)


def test_an_async_lifespan_is_refused_and_a_plain_one_passes() -> None:
    @asynccontextmanager
    async def later(app: App) -> AsyncIterator[None]:
        yield

    @contextmanager
    def now(app: App) -> Iterator[None]:
        yield

    with pytest.raises(TypeError, match="lifespan is async"):
        check_app(App(lifespan=later))
    check_app(App(lifespan=now))
