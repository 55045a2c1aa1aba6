"""Handlers: which kind of function one is, and how it is called.

An ``async def`` runs in the event loop, a ``def`` in a thread; each may be a generator where it
makes an event stream. A class is a callback handler: its methods are called in the event loop.
Arguments are found by name when the handler is registered, so that a mistake is an error at
start-up and not in the first request. Annotations are hints: which class of connection a handler
gets is decided by its kind and not by what it says.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any

from ..protocol.http import Request

__all__ = ["NO_PARAMS", "Handler", "Style"]

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})
"""The path parameters of a route that has none."""

_REQUEST = "request"


class Style(Enum):
    """The kinds of functions that a handler can be."""

    COROUTINE = "async def"
    FUNCTION = "def"
    ASYNC_GENERATOR = "async def with yield"
    GENERATOR = "def with yield"
    CALLBACKS = "class"

    @property
    def is_generator(self) -> bool:
        """Whether it yields."""
        return self in (Style.ASYNC_GENERATOR, Style.GENERATOR)


class Handler:
    """A function and the way to call it.

    Args:
        function: The handler. Its parameters are the path's parameters, by name; ``request``, or
            one that is annotated ``Request``; and first of all others, whatever its name, the
            connection. Those that have a default need not be filled. What the path has and the
            handler does not take is left out.
        path: The route's pattern, for error messages.
        params: Names of the path's parameters.

    Attributes:
        function: As given.
        name: Its name, for the log.
        style: Its kind.
        takes_connection: Whether it has a parameter for the connection.

    Raises:
        TypeError: If it can't be called, or has a parameter that nothing fills.
    """

    __slots__ = (
        "_connection", "_names", "_requests", "function", "name", "style", "takes_connection",
    )  # fmt: skip

    def __init__(self, function: Callable[..., Any], path: str, params: Sequence[str]) -> None:
        if not callable(function):
            raise TypeError(f"{path}: a handler has to be a function, not {function!r}")
        self.function = function
        self.name = _name(function)
        self.style = _style(function)
        self._names: list[str] = []
        self._requests: list[str] = []
        self._connection: str | None = None
        for parameter in _parameters(function, f"{path}: {self.name}()"):
            self._bind(parameter, path, params)
        self.takes_connection = self._connection is not None
        if self.style is Style.CALLBACKS:
            _check_callbacks(function, f"{path}: {self.name}")
            self.takes_connection = True

    def call(self, connection: object, request: Request, params: Mapping[str, Any]) -> Any:
        """Call the handler.

        Args:
            connection: The session; for a plain route, the request.
            request: The request.
            params: Values of the path's parameters.
        """
        arguments = {name: params[name] for name in self._names} if self._names else {}
        for name in self._requests:
            arguments[name] = request
        if self._connection is not None:
            arguments[self._connection] = connection
        return self.function(**arguments)

    def _bind(self, parameter: inspect.Parameter, path: str, params: Sequence[str]) -> None:
        """Decide what fills one parameter."""
        name, required = parameter.name, parameter.default is parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(
                f"{path}: {self.name}() has the positional-only parameter {name!r}; "
                "handlers are called with names"
            )
        if name in params:
            self._names.append(name)
        elif name == _REQUEST or _is_request(parameter.annotation):
            self._requests.append(name)
        elif self._connection is None and required:
            self._connection = name
        elif required:
            known = ", ".join([*params, _REQUEST])
            raise TypeError(
                f"{path}: nothing fills the parameter {name!r} of {self.name}(); "
                f"beside the connection, {self._connection!r}, it may take {known}"
            )


_CALLBACKS = ("on_open", "on_message", "on_drain", "on_close")


def _check_callbacks(function: Any, who: str) -> None:
    """Check a class whose methods are called: plain ones, ``on_message`` at least."""
    if not callable(getattr(function, "on_message", None)):
        raise TypeError(f"{who} is a class, and needs a method on_message(ws, message)")
    for name in _CALLBACKS:
        method = getattr(function, name, None)
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise TypeError(
                f"{who}.{name}() is async; callbacks run in the event loop and can't wait: "
                "use a plain method, or an async function as the handler"
            )


def _parameters(function: Callable[..., Any], who: str) -> Sequence[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:
        raise TypeError(f"{who} does not tell its parameters; wrap it in a function") from None


def _is_request(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == Request.__name__
    return annotation is Request


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__qualname__", type(function).__qualname__)
    return name


_STYLES: Sequence[tuple[Callable[[Any], bool], Style]] = (
    (inspect.isasyncgenfunction, Style.ASYNC_GENERATOR),
    (inspect.iscoroutinefunction, Style.COROUTINE),
    (inspect.isgeneratorfunction, Style.GENERATOR),
)


def _style(function: Any) -> Style:
    """Find out what a call gives.

    A decorator's plain function (``functools.wraps``) is taken to hand on what the function behind
    it gives. An object with ``__call__`` is what that method is: it may well run a coroutine to its
    end and give the result.
    """
    if inspect.isclass(function):
        return Style.CALLBACKS
    for fits, style in _STYLES:
        if fits(function):
            return style
    if isinstance(function, functools.partial):
        return _style(function.func)
    if not inspect.isroutine(function):
        return _style(function.__call__)
    if hasattr(function, "__wrapped__"):
        return _style(function.__wrapped__)
    return Style.FUNCTION
