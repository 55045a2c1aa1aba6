"""Handlers of every kind of route, in threads of the blocking server."""

from __future__ import annotations

import contextvars
import urllib.request
from collections.abc import AsyncIterator

import pytest

from fasterapi import App, HTTPError, SSEResponse
from fasterapi.sync import serve

from .pairs import SECONDS
from .serving import LIMITS, application, dial, get, refused


def test_every_kind_of_route() -> None:
    with serve(application(), port=0) as server:
        assert get(server.url) == b"<h1>hello</h1>"
        assert get(f"{server.url}/events") == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        with dial(server) as ws:
            ws.send("hello")
            assert ws.recv(SECONDS) == "hello"


def test_an_event_stream_that_a_plain_route_returns() -> None:
    app = App(limits=LIMITS)

    @app.get("/")
    def events() -> SSEResponse:
        return SSEResponse(iter(range(3)))

    @app.get("/async")
    def other() -> SSEResponse:
        async def numbers() -> AsyncIterator[int]:
            yield 1

        return SSEResponse(numbers())

    with serve(app, port=0) as server:
        assert get(server.url) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert refused(f"{server.url}/async")[0] == 500  # there is no loop to run it in


def test_a_route_that_comes_later_and_needs_a_loop(caplog: pytest.LogCaptureFixture) -> None:
    app = application()
    with serve(app, port=0) as server:

        @app.get("/late")
        async def late() -> str:
            return "never"

        assert refused(f"{server.url}/late")[0] == 500
        assert "no event loop" in caplog.text


def test_a_handler_has_a_context_of_its_own() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    app = App()

    @app.get("/")
    def tell() -> str:
        before = variable.get()
        variable.set("by the last request")
        return before

    variable.set("at the start")
    with serve(app, port=0) as server:
        assert [get(server.url), get(server.url)] == [b"at the start"] * 2


def test_errors_of_handlers(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/{what}")
    def fail(what: str) -> str:
        if what == "refused":
            raise HTTPError(418, "short and stout")
        if what == "exits":
            raise SystemExit
        raise RuntimeError("meant to")

    with serve(app, port=0) as server:
        for path, status in ("refused", 418), ("crash", 500), ("exits", 500):
            assert refused(f"{server.url}/{path}")[0] == status
    assert caplog.text.count("raised RuntimeError") == 2
    assert "SystemExit in a thread" in caplog.text


def test_a_head_request_to_an_event_stream_runs_no_handler() -> None:
    with serve(application(), port=0) as server:
        request = urllib.request.Request(f"{server.url}/events", method="HEAD")
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
