"""``sse_response``: what a WSGI server iterates over, with no server but werkzeug's test client."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from fasterapi import Limits, LocalProtocolError, ServerSentEvent
from fasterapi.contrib.wsgi import sse_response

from .flask_app import app

SLOW = Limits(sse_start_delay=0.01)


def test_a_wsgi_application_of_its_own() -> None:
    response = Client(sse_response(iter([{"a": 1}, ServerSentEvent("x", "kind", "1")]))).get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.data == b'data: {"a":1}\n\nevent: kind\nid: 1\ndata: x\n\n'


def test_a_view_of_flask() -> None:
    response = app.test_client().get("/events?count=2")
    assert response.data == b'data: {"n":0}\n\ndata: {"n":1}\n\n'


def test_a_view_of_django() -> None:
    from .django_app import application, closed

    response = Client(application).get("/events?count=2")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-name"] == "value"
    assert response.data == b"id: 0\ndata: 0\n\nid: 1\ndata: 1\n\n"
    assert closed == ["closed"]


def test_a_response_class() -> None:
    """werkzeug's takes what Django's ``StreamingHttpResponse`` takes."""
    headers = {"X-Name": "value", "Content-Type": "text/event-stream"}
    response = sse_response(["a"], headers=headers, response_class=Response)
    assert isinstance(response, Response)
    assert response.headers["x-name"] == "value"
    assert response.headers.getlist("content-type") == ["text/event-stream"]
    assert b"".join(response.response) == b"data: a\n\n"  # type: ignore[arg-type]


def raises(error: BaseException, *first: str) -> Iterator[str]:
    yield from first
    raise error


def test_an_exception_before_the_first_event_is_raised_at_once() -> None:
    with pytest.raises(KeyError, match="mine"):
        sse_response(raises(KeyError("mine")))
    with pytest.raises(BaseException, match="a test's own"):
        sse_response(raises(BaseException("a test's own")))
    with pytest.raises(LocalProtocolError):
        sse_response([ServerSentEvent("x", "a\nb")])


@pytest.mark.parametrize("kind", [KeyError, BaseException])
def test_an_exception_after_it_ends_the_stream_and_is_logged(
    caplog: pytest.LogCaptureFixture, kind: type[BaseException]
) -> None:
    assert list(items(raises(kind("mine"), "one"))) == [b"data: one\n\n"]
    assert f"generator raised {kind.__name__}" in caplog.text


def test_silence_is_broken_by_comments() -> None:
    go = threading.Event()

    def slow() -> Iterator[str]:
        go.wait(20)
        yield "one"

    stream = items(slow(), keepalive=0.01, limits=SLOW)
    assert next(stream) == b":\n\n"
    go.set()
    assert b"data: one\n\n" in list(stream)


@pytest.mark.parametrize("waits", ["generator", "queue"])
def test_a_client_that_leaves_has_the_generator_closed(waits: str) -> None:
    closed, pause = threading.Event(), threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "tick"
                if waits == "generator":
                    pause.wait(0.01)
        finally:
            closed.set()

    stream = items(endless())
    assert next(stream) == b"data: tick\n\n"
    stream.close()  # type: ignore[attr-defined]
    assert closed.wait(20)
    assert list(stream) == []


@pytest.mark.parametrize("begun", [True, False])
def test_a_response_that_is_never_served_has_the_generator_closed(begun: bool) -> None:
    """A view may abort after it has made the response, and a hook may drop it."""
    closed, go = threading.Event(), threading.Event()

    def endless() -> Iterator[str]:
        try:
            if not begun:
                go.wait(20)
            while True:
                yield "tick"
        finally:
            closed.set()

    sse_response(endless(), limits=SLOW)
    go.set()
    gc.collect()
    assert closed.wait(20)


def test_it_runs_in_the_context_of_the_view() -> None:
    variable = ContextVar("variable", default="unset")
    variable.set("set")
    assert list(items(variable.get() for _ in range(1))) == [b"data: set\n\n"]


async def asynchronous() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("content", ["text", b"bytes", 1, asynchronous()])
def test_what_can_be_no_stream(content: Any) -> None:
    with pytest.raises(TypeError, match="plain generator"):
        sse_response(content)


def items(content: Any, **options: Any) -> Iterator[bytes]:
    """Give what a server iterates over."""
    stream = sse_response(content, response_class=lambda stream, **fields: stream, **options)
    assert iter(stream) is stream
    return stream  # type: ignore[no-any-return]
