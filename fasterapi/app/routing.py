"""Paths to routes.

A pattern is a path with parameters in braces: ``{name}`` is one segment, ``{name:int}`` and
``{name:float}`` one that is a number, ``{name:path}`` the rest of the path, which may be empty. The
first route that was registered and fits is taken. A slash at the end counts. Patterns are matched
against the path as it was received, and parameters are percent-decoded afterwards, so that an
encoded slash never divides a segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote, unquote

from .handlers import Handler
from .options import HTTPOptions, SSEOptions, WebSocketOptions

__all__ = ["Pattern", "Route", "RouteKind", "Router"]

Options = WebSocketOptions | SSEOptions | HTTPOptions


class RouteKind(Enum):
    """What a route answers with."""

    WEBSOCKET = "WebSocket"
    SSE = "event stream"
    HTTP = "HTTP"


_PARAMETER = re.compile(r"\{([^{}]*)\}")
_TYPES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "int": (r"-?[0-9]{1,18}", int),
    "float": (r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", float),
    "path": (r".*", str),
}


class Pattern:
    """A path with parameters, compiled.

    Attributes:
        text: As given.
        params: The parameters' names.

    Raises:
        ValueError: If it makes no sense.
    """

    def __init__(self, text: str) -> None:
        if not text.startswith("/"):
            raise ValueError(f"a path begins with '/': {text!r}")
        self.text = text
        self._types: dict[str, Callable[[str], Any]] = {}
        expression, position = "", 0
        for match in _PARAMETER.finditer(text):
            expression += _literal(text[position : match.start()], text)
            expression += self._parameter(match[1])
            position = match.end()
        self._regex = re.compile(expression + _literal(text[position:], text), re.DOTALL)
        self.params = tuple(self._types)

    def match(self, raw_path: str) -> dict[str, Any] | None:
        """Give the parameters' values, or ``None`` if the path does not fit."""
        found = self._regex.fullmatch(raw_path)
        if found is None:
            return None
        try:
            return {
                name: self._types[name](unquote(value, errors="strict"))
                for name, value in found.groupdict().items()
            }
        except ValueError:
            return None  # percent-encoded bytes that are no UTF-8

    def _parameter(self, text: str) -> str:
        name, _, kind = text.partition(":")
        kind = kind or "str"
        if not name.isidentifier():
            raise ValueError(f"{self.text!r}: {name!r} is no name for a parameter")
        if name in self._types:
            raise ValueError(f"{self.text!r}: the parameter {name!r} stands twice")
        if kind not in _TYPES:
            raise ValueError(f"{self.text!r}: {kind!r} is none of {', '.join(_TYPES)}")
        expression, self._types[name] = _TYPES[kind]
        return f"(?P<{name}>{expression})"


def _literal(part: str, text: str) -> str:
    if "{" in part or "}" in part:
        raise ValueError(f"{text!r}: a brace without its partner")
    if "?" in part or "#" in part:
        raise ValueError(f"{text!r}: a path has no '?' and no '#'")
    # A pattern may be written in plain text; the path on the wire is percent-encoded.
    return re.escape(quote(part, safe="/%:@!$&'()*+,;=~-._"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A pattern, what it answers to, and with what.

    Attributes:
        kind: What it answers with.
        pattern: The path.
        methods: HTTP methods, HEAD beside GET.
        handler: The function.
        options: Those of its kind.
    """

    kind: RouteKind
    pattern: Pattern
    methods: tuple[str, ...]
    handler: Handler
    options: Options

    @property
    def path(self) -> str:
        """The pattern's text."""
        return self.pattern.text


class Router:
    """Routes in the order of their registration."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(self, route: Route) -> None:
        """Register a route.

        Raises:
            ValueError: If one of the same path, kind and method is there already.
        """
        if self.knows(route):
            raise ValueError(
                f"{route.path}: there is a route of this path, kind and method already"
            )
        self.routes.append(route)

    def knows(self, route: Route) -> bool:
        """Tell whether a route of the same path, kind and a same method is there already."""
        is_websocket = route.kind is RouteKind.WEBSOCKET
        return any(
            known.path == route.path
            and (known.kind is RouteKind.WEBSOCKET) is is_websocket
            and set(known.methods) & set(route.methods)
            for known in self.routes
        )

    def match(self, raw_path: str) -> Sequence[tuple[Route, dict[str, Any]]]:
        """Give every route that fits a path, the first registered first, and its parameters."""
        return [
            (route, params)
            for route in self.routes
            if (params := route.pattern.match(raw_path)) is not None
        ]
