"""``SSEResponse`` from endpoints of FastAPI and Starlette."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from fasterapi import HTTPError, ServerSentEvent, SSEResponse
from fasterapi.contrib.sse_response import _StreamHost

from .asgi_server import LEAVE, REQUEST, Server, scope


def get(app: Any, path: str, *headers: tuple[bytes, bytes], **more: Any) -> Server:
    asked = scope("http", path, **more)
    asked["headers"] = [*asked["headers"], *headers]
    return Server(app, asked, REQUEST)


def ask(app: Any, path: str, *headers: tuple[bytes, bytes], **more: Any) -> Server:
    """Ask, and wait for the whole answer."""

    async def main() -> Server:
        server = get(app, path, *headers, **more)
        await server.end()
        assert not server.sent[-1].get("more_body")
        return server

    return asyncio.run(main())


async def numbers(count: int, fails: BaseException | None = None) -> AsyncIterator[Any]:
    for number in range(count):
        yield {"n": number}
    if fails is not None:
        raise fails


def test_async_generators() -> None:
    api = FastAPI()

    @api.post("/answers")
    async def answers(request: Request) -> SSEResponse:
        assert await request.body() == b""
        return SSEResponse(numbers(2), headers={"X-Name": "value"})

    exchange = ask(api, "/answers", method="POST")
    assert exchange.status == 200
    assert exchange.body == b'data: {"n":0}\n\ndata: {"n":1}\n\n'
    assert exchange.headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert exchange.headers[b"x-name"] == b"value"


def test_plain_generators_run_in_a_thread() -> None:
    threads = []

    def events() -> Iterator[Any]:
        threads.append(threading.current_thread())
        yield ServerSentEvent("text", "kind", "1", 5)
        yield "two\nlines"

    api = FastAPI()

    @api.get("/events")
    def stream() -> SSEResponse:
        return SSEResponse(events())

    exchange = ask(api, "/events")
    assert exchange.body == (
        b"event: kind\nid: 1\nretry: 5\ndata: text\n\ndata: two\ndata: lines\n\n"
    )
    assert threads != [threading.main_thread()]


def test_anything_to_iterate_over_and_json_of_ones_own() -> None:
    class Numbers:
        def __init__(self) -> None:
            self._left = iter((1, 2))

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> int:
            try:
                return next(self._left)
            except StopIteration:
                raise StopAsyncIteration from None

    assert ask(SSEResponse(Numbers()), "/").body == b"data: 1\n\ndata: 2\n\n"
    response = SSEResponse([1, "text"], dumps=lambda value: f"<{value}>")
    assert ask(response, "/").body == b"data: <1>\n\ndata: text\n\n"


@pytest.mark.parametrize("content", ["text", b"bytes", 1, None])
def test_what_can_be_no_stream(content: Any) -> None:
    with pytest.raises(TypeError, match="generator"):
        SSEResponse(content)


def test_middleware_and_background_tasks_of_the_framework() -> None:
    done = []
    api = FastAPI(
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"])],
    )

    @api.get("/events")
    async def events(tasks: BackgroundTasks) -> SSEResponse:
        tasks.add_task(done.append, "done")
        response = SSEResponse(numbers(1))
        response.set_cookie("a", "b")  # Starlette's own
        return response

    exchange = ask(api, "/events", (b"origin", b"http://other.example"))
    assert exchange.headers[b"access-control-allow-origin"] == b"*"
    assert exchange.headers[b"set-cookie"].startswith(b"a=b;")
    assert done == ["done"]


def test_a_head_request() -> None:
    async def endpoint(request: Any) -> SSEResponse:
        return SSEResponse(numbers(2))

    exchange = ask(Starlette(routes=[Route("/", endpoint)]), "/", method="HEAD")
    assert (exchange.status, exchange.body) == (200, b"")
    assert exchange.headers[b"content-type"].startswith(b"text/event-stream")


def failing(error: BaseException, after: int) -> FastAPI:
    api = FastAPI()

    @api.get("/events")
    async def events() -> SSEResponse:
        return SSEResponse(numbers(after, error))

    return api


def test_an_exception_before_the_first_event_is_the_frameworks() -> None:
    assert ask(failing(HTTPException(418, "tea"), 0), "/events").status == 418
    exchange = ask(failing(HTTPError(409, "not now"), 0), "/events")
    assert (exchange.status, exchange.body) == (409, b"not now\n")

    async def main(kind: type[BaseException], *sent: int) -> None:
        exchange = get(failing(kind("mine"), 0), "/events")
        with pytest.raises(kind, match="mine"):  # after the framework's 500, for the server
            await exchange.end()
        assert [event["status"] for event in exchange.sent if "status" in event] == list(sent)

    asyncio.run(main(ValueError, 500))
    asyncio.run(main(BaseException))  # Starlette leaves it to the server, and so do we


def test_a_thread_may_be_late_to_say_what_it_has_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = _StreamHost.crashed

    def late(host: _StreamHost, *args: Any) -> None:
        for _ in range(9):  # turns of the loop, in which the answer goes its way
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), host.loop).result(10)
        crashed(host, *args)

    monkeypatch.setattr(_StreamHost, "crashed", late)

    def fails() -> Iterator[str]:
        raise HTTPException(418, "tea")
        yield ""

    api = FastAPI()

    @api.get("/events")
    async def events() -> SSEResponse:
        return SSEResponse(fails())

    assert ask(api, "/events").status == 418


@pytest.mark.parametrize("kind", [ValueError, BaseException])
def test_an_exception_after_the_first_event_ends_the_stream_and_is_logged(
    caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    with caplog.at_level(logging.ERROR, "fasterapi.server"):
        exchange = ask(failing(kind("mine"), 1), "/events")
    assert (exchange.status, exchange.body) == (200, b'data: {"n":0}\n\n')
    (record,) = caplog.records
    assert f"numbers raised {kind.__name__}" in record.getMessage()


@pytest.mark.parametrize("wait", ["async", "thread"])
def test_a_client_that_leaves_has_the_generator_closed(wait: str) -> None:
    ended: list[str] = []
    go = threading.Event()

    async def forever() -> AsyncIterator[str]:
        try:
            while True:
                yield "tick"
                await asyncio.sleep(0.001)
        finally:
            ended.append("left")

    def blocking() -> Iterator[str]:
        try:
            while True:
                yield "tick"
                go.wait(0.001)
        finally:
            ended.append("left")

    async def main() -> None:
        response = SSEResponse(forever() if wait == "async" else blocking())
        exchange = get(response, "/")
        await exchange.until(lambda: b"data: tick\n\n" * 3 in exchange.body)
        exchange.give(LEAVE)
        await exchange.end()
        assert ended == ["left"]

    asyncio.run(main())


def test_silence_is_broken_by_comments() -> None:
    async def slow() -> AsyncIterator[str]:
        yield "one"
        await asyncio.Event().wait()

    async def main() -> None:
        exchange = get(SSEResponse(slow(), keepalive=0.05), "/")
        await exchange.until(lambda: b"data: one\n\n:\n\n:\n\n" in exchange.body)
        exchange.give(LEAVE)
        await exchange.end()

    asyncio.run(main())


def test_a_server_that_cancels() -> None:
    ended = []

    async def forever() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            ended.append("left")

    async def main() -> None:
        exchange = get(SSEResponse(forever()), "/")
        await exchange.until(lambda: b"one" in exchange.body)
        exchange.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await exchange.end()
        async with asyncio.timeout(10):
            while not ended:
                await asyncio.sleep(0)

    asyncio.run(main())


def test_a_receive_that_fails_ends_the_stream_and_is_raised() -> None:
    ended = []

    async def forever() -> AsyncIterator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            ended.append("left")

    async def main() -> None:
        exchange = get(SSEResponse(forever()), "/")
        await exchange.until(lambda: b"one" in exchange.body)
        exchange.give(RuntimeError("the body was read already"))
        with pytest.raises(RuntimeError, match="read already"):
            await exchange.end()
        assert ended == ["left"]

    asyncio.run(main())
