"""Handlers: their kind, how they are called, and what is refused when they are registered."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from fasterapi import SSEConnection, WebSocket, protocol
from fasterapi.app.handlers import Handler, Style
from fasterapi.protocol import Request

REQUEST = Request("GET", "/x")


def make(function: Callable[..., Any], *params: str) -> Handler:
    return Handler(function, "/the/path", params)


async def coroutine(ws: WebSocket) -> str:
    return f"coroutine {ws}"


def function(ws: object) -> str:
    return f"function {ws}"


async def async_generator(ws: object) -> AsyncIterator[str]:
    yield "async generator"


def generator(ws: object) -> Iterator[str]:
    yield "generator"


class AsyncObject:
    async def __call__(self, ws: object) -> None: ...

    async def method(self, ws: object) -> None: ...

    @staticmethod
    async def static(ws: object) -> None: ...

    @classmethod
    def of_class(cls, ws: object) -> Iterator[str]:
        yield "x"


class PlainObject:
    """Runs the coroutine function that it wraps to its end: a call gives the result."""

    def __init__(self, wrapped: Callable[..., Any]) -> None:
        functools.update_wrapper(self, wrapped)

    def __call__(self, ws: object) -> None: ...


class StreamObject:
    async def __call__(self, ws: object) -> AsyncIterator[str]:
        yield "x"


def handing_on(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(wrapped)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return wrapper


def awaiting(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(wrapped)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    return wrapper


def streaming(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(wrapped)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        yield wrapped(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("given", "style"),
    [
        (coroutine, Style.COROUTINE),
        (function, Style.FUNCTION),
        (async_generator, Style.ASYNC_GENERATOR),
        (generator, Style.GENERATOR),
        (lambda ws: None, Style.FUNCTION),
        (functools.partial(coroutine), Style.COROUTINE),
        (functools.partial(functools.partial(generator)), Style.GENERATOR),
        (functools.partial(function), Style.FUNCTION),
        (AsyncObject(), Style.COROUTINE),
        (functools.partial(AsyncObject()), Style.COROUTINE),
        (AsyncObject().method, Style.COROUTINE),
        (AsyncObject.static, Style.COROUTINE),
        (AsyncObject.of_class, Style.GENERATOR),
        (PlainObject(coroutine), Style.FUNCTION),
        (StreamObject(), Style.ASYNC_GENERATOR),
        (handing_on(coroutine), Style.COROUTINE),
        (handing_on(function), Style.FUNCTION),
        (handing_on(async_generator), Style.ASYNC_GENERATOR),
        (handing_on(generator), Style.GENERATOR),
        (handing_on(functools.partial(coroutine)), Style.COROUTINE),
        (handing_on(AsyncObject()), Style.COROUTINE),
        (awaiting(function), Style.COROUTINE),
        # The kind is that of the outermost function that shows one.
        (handing_on(awaiting(function)), Style.COROUTINE),
        (handing_on(handing_on(streaming(function))), Style.GENERATOR),
        (awaiting(generator), Style.COROUTINE),
        (contextlib.asynccontextmanager(async_generator), Style.ASYNC_GENERATOR),
    ],
)
def test_the_kind_of_a_handler(given: Callable[..., Any], style: Style) -> None:
    handler = make(given)
    assert handler.style is style
    assert handler.function is given
    assert handler.takes_connection


def test_styles_that_yield() -> None:
    assert [style for style in Style if style.is_generator] == [
        Style.ASYNC_GENERATOR,
        Style.GENERATOR,
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (coroutine, "coroutine"),
        (functools.partial(functools.partial(function)), "function"),
        (handing_on(function), "function"),
        (AsyncObject().method, "AsyncObject.method"),
        (AsyncObject(), "AsyncObject"),
    ],
)
def test_the_name_of_a_handler(given: Callable[..., Any], name: str) -> None:
    assert make(given).name == name


# ------------------------------------------------------------------------------------ arguments


def call(given: Callable[..., Any], **params: Any) -> Any:
    return make(given, *params).call("the connection", REQUEST, params)


def test_arguments_are_found_by_name() -> None:
    def handler(request: object, room: str, ws: object, n: int) -> object:
        return request, room, ws, n

    assert call(handler, n=7, room="lobby") == (REQUEST, "lobby", "the connection", 7)


def test_only_what_is_taken_is_given() -> None:
    assert call(lambda ws: ws, room="lobby") == "the connection"
    assert call(lambda room: room, room="lobby") == "lobby"
    assert call(lambda: "nothing", room="lobby") == "nothing"
    assert call(lambda request: request, room="lobby") is REQUEST


def test_a_request_is_known_by_its_annotation_too() -> None:
    def direct(r: Request, ws: object) -> object:
        return r, ws

    def qualified(ws: object, r: protocol.Request, request: object) -> object:
        return ws, r, request

    def evaluated(a: Any, b: Any) -> object:
        return a, b

    evaluated.__annotations__ = {"a": Request}
    assert call(direct) == (REQUEST, "the connection")
    assert call(qualified) == ("the connection", REQUEST, REQUEST)
    assert call(evaluated) == (REQUEST, "the connection")


def test_annotations_of_the_connection_are_only_hints() -> None:
    def handler(sse: SSEConnection) -> object:
        return sse

    assert make(handler).style is Style.FUNCTION
    assert call(handler) == "the connection"


def test_defaults_stand_unless_the_path_has_the_name() -> None:
    def handler(ws: object, page: int = 1, *args: Any, size: int = 10, **kwargs: Any) -> object:
        return ws, page, args, size, kwargs

    assert call(lambda page=1: page) == 1
    assert call(handler, size=20, other=1) == ("the connection", 1, (), 20, {})


def test_what_partial_has_filled_is_filled() -> None:
    def handler(database: str, ws: object, room: str, color: str) -> object:
        return database, ws, room, color

    first = functools.partial(handler, "db")
    assert call(functools.partial(first, color="red"), room="x") == (
        "db", "the connection", "x", "red",
    )  # fmt: skip
    assert call(functools.partial(first, color="red"), room="x", color="blue")[3] == "blue"


def test_methods_and_keyword_only_parameters() -> None:
    class Room:
        def enter(self, *, ws: object, n: int) -> object:
            return self, ws, n

    room = Room()
    assert call(room.enter, n=3) == (room, "the connection", 3)


def test_a_decorator_gets_what_the_function_behind_it_takes() -> None:
    @handing_on
    def handler(ws: object, room: str) -> object:
        return ws, room

    assert call(handler, room="x") == ("the connection", "x")


def test_a_path_parameter_comes_before_a_connection_of_that_name() -> None:
    handler = make(lambda ws: ws, "ws")
    assert not handler.takes_connection
    assert handler.call("the connection", REQUEST, {"ws": "x"}) == "x"


class Callbacks:
    """A handler whose object serves one WebSocket."""

    def __init__(self, ws: object, room: str, request: Request) -> None:
        self.given = ws, room, request

    def on_message(self, ws: object, message: str) -> None: ...

    def on_close(self, ws: object, code: int, reason: str) -> None: ...


class Silent:
    on_message = staticmethod(print)


def test_a_class_is_made_into_an_object_for_each_connection() -> None:
    handler = make(Callbacks, "room")
    assert (handler.style, handler.name) == (Style.CALLBACKS, "Callbacks")
    assert handler.takes_connection
    made = handler.call("the connection", REQUEST, {"room": "lobby"})
    assert made.given == ("the connection", "lobby", REQUEST)


def test_a_class_need_not_take_the_connection_for_its_methods_do() -> None:
    handler = make(Silent, "room")
    assert handler.takes_connection
    assert isinstance(handler.call("the connection", REQUEST, {"room": "lobby"}), Silent)


# ------------------------------------------------------------------------------------- refusals


def positional(ws: object, /) -> None: ...


def needy(ws: object, room: str, size: int) -> None: ...


class NoCallback:
    def on_open(self, ws: object) -> None: ...


class AsyncCallback:
    async def on_message(self, ws: object, message: str) -> None: ...


class StreamCallback:
    def on_message(self, ws: object, message: str) -> None: ...

    async def on_drain(self, ws: object) -> AsyncIterator[str]:
        yield "x"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (NoCallback, "NoCallback is a class, and needs a method on_message(ws, message)"),
        (AsyncCallback, "AsyncCallback.on_message() is async; callbacks run in the event loop"),
        (StreamCallback, "StreamCallback.on_drain() is async"),
        (None, "a handler has to be a function, not None"),
        ("echo", "a handler has to be a function, not 'echo'"),
        (positional, "positional() has the positional-only parameter 'ws'"),
        (
            needy,
            "nothing fills the parameter 'size' of needy(); "
            "beside the connection, 'ws', it may take room, request",
        ),
        (iter, "iter() does not tell its parameters"),
    ],
)
def test_what_can_not_be_called_is_refused_with_its_path(given: Any, message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)) as raised:
        make(given, "room")
    assert str(raised.value).startswith("/the/path: ")
