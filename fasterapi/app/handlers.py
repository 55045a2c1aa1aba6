"""Handlers: which kind of function one is, and how it is called.

An ``async def`` runs in the event loop, a ``def`` in a thread; each may be a generator where it
makes an event stream. Arguments are found by name when the handler is registered, so that a
mistake is an error at start-up and not in the first request.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from ..protocol.http import Request

__all__ = ["Handler", "Style"]

_REQUEST = "request"


class Style(Enum):
    """The kinds of functions that a handler can be."""

    COROUTINE = "async def"
    FUNCTION = "def"
    ASYNC_GENERATOR = "async def with yield"
    GENERATOR = "def with yield"


class Handler:
    """A function and the way to call it.

    Args:
        function: The handler. Its parameters are the path's parameters, by name; ``request``; and
            first of all, whatever its name, the connection.
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
        "_connection",
        "_names",
        "_request",
        "function",
        "name",
        "style",
        "takes_connection",
    )

    def __init__(self, function: Callable[..., Any], path: str, params: Sequence[str]) -> None:
        if inspect.isclass(function):
            raise TypeError(f"{path}: {function.__name__} is a class; a handler is a function")
        if not callable(function):
            raise TypeError(f"{path}: a handler has to be a function, not {function!r}")
        self.function = function
        self.name = _name(function)
        self.style = _style(function)
        self._names: list[str] = []
        self._connection: str | None = None
        self._request: str | None = None
        for parameter in inspect.signature(function).parameters.values():
            self._bind(parameter, path, params)
        self.takes_connection = self._connection is not None

    def call(self, connection: object, request: Request, params: Mapping[str, Any]) -> Any:
        """Call the handler.

        Args:
            connection: The session; for a plain route, the request.
            request: The request.
            params: Values of the path's parameters.
        """
        arguments = {name: params[name] for name in self._names}
        if self._request is not None:
            arguments[self._request] = request
        if self._connection is not None:
            arguments[self._connection] = connection
        return self.function(**arguments)

    def _bind(self, parameter: inspect.Parameter, path: str, params: Sequence[str]) -> None:
        """Decide what fills one parameter."""
        name = parameter.name
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise TypeError(f"{path}: {self.name}() has the positional-only parameter {name!r}")
        if name in params:
            self._names.append(name)
        elif name == _REQUEST or parameter.annotation in (Request, "Request"):
            self._request = name
        elif self._connection is None and parameter.default is parameter.empty:
            self._connection = name
        elif parameter.default is parameter.empty:
            known = ", ".join([*params, _REQUEST])
            raise TypeError(
                f"{path}: nothing fills the parameter {name!r} of {self.name}(); "
                f"beside the connection it may take {known}"
            )


def _unwrap(function: Callable[..., Any]) -> Callable[..., Any]:
    """Find the function behind partials, decorators and objects with ``__call__``."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not inspect.isroutine(function) and not inspect.isclass(function):
            function = function.__call__  # type: ignore[operator]  # the caller checked: callable
        else:
            return function


def _name(function: Callable[..., Any]) -> str:
    return getattr(_unwrap(function), "__qualname__", type(function).__name__)


def _style(function: Callable[..., Any]) -> Style:
    # A wrapper's own kind counts first: a plain function may wrap a coroutine function with
    # ``functools.wraps`` and run it to its end.
    function = function.func if isinstance(function, functools.partial) else function
    if not inspect.isroutine(function):
        function = function.__call__  # type: ignore[operator]
    for candidate in (function, _unwrap(function)):
        if inspect.isasyncgenfunction(candidate):
            return Style.ASYNC_GENERATOR
        if inspect.iscoroutinefunction(candidate):
            return Style.COROUTINE
        if inspect.isgeneratorfunction(candidate):
            return Style.GENERATOR
    return Style.FUNCTION
