"""Paths to routes.

A pattern is a path with parameters in braces: ``{name}`` is one segment or a part of one,
``{name:int}`` and ``{name:float}`` the same as a number, ``{name:path}`` any number of segments,
none included. The first route that was registered and fits is taken. A slash at the end counts.

Paths are compared as they were received, percent-encoded but brought into one spelling (RFC 3986,
section 6.2.2), and parameters are decoded afterwards: an encoded slash never divides a segment, but
it may be in a value. ``..`` may be, too: check a value before you open a file by that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

from .handlers import NO_PARAMS, Handler
from .options import HTTPOptions, SSEOptions, WebSocketOptions

__all__ = ["Match", "Pattern", "Route", "RouteKind", "Router", "check_path"]

Options = WebSocketOptions | SSEOptions | HTTPOptions


class RouteKind(Enum):
    """What a route answers with."""

    __hash__ = object.__hash__  # a member is one object; Enum's own is Python, and slow

    WEBSOCKET = "WebSocket"
    SSE = "event stream"
    HTTP = "HTTP"


_VERBS = {RouteKind.WEBSOCKET: "websocket", RouteKind.SSE: "sse"}
_PARAMETER = re.compile(r"\{([^{}]*)\}")
# Numbers fit into 64 bits, and into ``int`` and ``float`` without a surprise.
_TYPES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "int": (r"-?[0-9]{1,18}", int),
    "float": (r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", float),
    "path": (r".*", str),
}
# What a segment may hold unencoded (RFC 3986, section 3.3), beside what ``quote`` leaves alone.
_SAFE = "!$&'()*+,;=:@"
_CANONICAL = re.compile(r"[A-Za-z0-9\-._~/!$&'()*+,;=:@]*\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def check_path(path: object, kind: RouteKind, methods: Sequence[str]) -> None:
    """Refuse what is no text, such as the handler below a decorator without its parentheses.

    Raises:
        TypeError: With what to write.
    """
    if isinstance(path, str):
        return
    if not callable(path):
        raise TypeError(f"a path is a text such as '/path', not {path!r}")
    verb = _VERBS.get(kind, methods[0].lower())
    name = getattr(path, "__qualname__", repr(path))
    raise TypeError(f"{name} stands where the path belongs: write @app.{verb}('/path') above it")


class Pattern:
    """A path with parameters, compiled.

    Attributes:
        text: As given.
        params: The parameters' names.
        shape: What it fits, as an expression: equal for patterns that differ in names only.
        exact: The only path that it fits, in canonical form; ``None`` if it has parameters.

    Raises:
        ValueError: If it makes no sense, or paths could be read in several ways.
    """

    __slots__ = ("_regex", "_types", "exact", "params", "shape", "text")

    def __init__(self, text: str) -> None:
        if not text.startswith("/"):
            raise ValueError(f"a path begins with '/': {text!r}")
        self.text = text
        self._types: dict[str, Callable[[str], Any]] = {}
        shape, expression, position = "", "", 0
        for match in _PARAMETER.finditer(text):
            literal = re.escape(self._literal(text[position : match.start()]))
            name, part = self._parameter(match[1])
            shape += f"{literal}({part})"
            expression += f"{literal}(?P<{name}>{part})"
            position = match.end()
        end = self._literal(text[position:])
        self.shape = shape + re.escape(end)
        self.params = tuple(self._types)
        self.exact = None if self.params else end
        self._regex = re.compile(expression + re.escape(end))
        self._check_ambiguity()

    def match(self, path: str) -> dict[str, Any] | None:
        """Give the parameters' values, or ``None`` if the path does not fit.

        Args:
            path: In canonical form, as ``canonical_path`` makes it.
        """
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        try:
            return {
                name: self._types[name](unquote(value, errors="strict"))
                for name, value in found.groupdict().items()
            }
        except UnicodeDecodeError:
            return None

    def _literal(self, part: str) -> str:
        if "{" in part or "}" in part:
            raise ValueError(f"{self.text!r}: a brace without its partner")
        if "?" in part or "#" in part:
            raise ValueError(f"{self.text!r}: a path has no '?' and no '#'")
        try:
            return canonical_path(part)
        except ValueError as error:
            raise ValueError(f"{self.text!r}: {error}") from None

    def _parameter(self, text: str) -> tuple[str, str]:
        """Read what is between braces; give the name and the expression that fits a value."""
        name, colon, kind = text.partition(":")
        if not name.isidentifier():
            raise ValueError(f"{self.text!r}: {name!r} is no name for a parameter")
        if name in self._types:
            raise ValueError(f"{self.text!r}: the parameter {name!r} stands twice")
        if colon and kind not in _TYPES:
            raise ValueError(f"{self.text!r}: {kind!r} is none of {', '.join(_TYPES)}")
        expression, self._types[name] = _TYPES[kind or "str"]
        return name, expression

    def _check_ambiguity(self) -> None:
        # Several ways to read a path are hard to predict, and trying them all takes time that
        # grows with a power of the path's length: a client could stop the loop with one request.
        kinds = [match[1].partition(":")[2] or "str" for match in _PARAMETER.finditer(self.text)]
        if kinds.count("path") > 1:
            raise ValueError(f"{self.text!r}: only one parameter can be a path")
        for segment in self.text.split("/"):
            kinds = [match[1].partition(":")[2] or "str" for match in _PARAMETER.finditer(segment)]
            if kinds.count("str") + kinds.count("path") > 1:
                raise ValueError(
                    f"{self.text!r}: where one parameter of {segment!r} ends and the next begins "
                    "is not clear; let all but one be numbers, or take the segment apart yourself"
                )


def canonical_path(path: str) -> str:
    """Spell a path in the one way that is compared (RFC 3986, section 6.2.2).

    What must be percent-encoded is, with capital digits, and nothing else is.

    Raises:
        ValueError: If a percent sign does not begin an encoded byte, or it is not valid Unicode.
    """
    if _CANONICAL.match(path):
        return path
    if _BAD_ESCAPE.search(path):
        raise ValueError("a percent sign without two hexadecimal digits behind it")
    # Segment by segment, so that an encoded slash stays one.
    return "/".join(quote(unquote_to_bytes(part), safe=_SAFE) for part in path.split("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A pattern, what it answers to, and with what.

    Attributes:
        kind: What it answers with.
        pattern: The path.
        methods: HTTP methods; HEAD beside GET, but for a WebSocket.
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


class Match(NamedTuple):
    """A route that answers, and the values of its path's parameters."""

    route: Route
    params: Mapping[str, Any]


class Router:
    """Routes in the order of their registration.

    Attributes:
        routes: The routes; ``add`` to them.
    """

    def __init__(self) -> None:
        self.routes: list[Route] = []
        # With their places in the order. Paths without parameters are looked up, not tried.
        self._exact: dict[str, list[tuple[int, Match]]] = {}
        self._patterns: list[tuple[int, Route]] = []

    def add(self, route: Route) -> None:
        """Register a route.

        Raises:
            ValueError: If one that fits the same paths, kind and method is there already.
        """
        for method, rival in self.rivals(route).items():
            raise ValueError(f"{route.path}: {rival.handler.name}() answers {method} here already")
        exact, place = route.pattern.exact, len(self.routes)
        if exact is None:
            self._patterns.append((place, route))
        else:
            self._exact.setdefault(exact, []).append((place, Match(route, NO_PARAMS)))
        self.routes.append(route)

    def rivals(self, route: Route) -> dict[str, Route]:
        """Give the routes that leave nothing for this one, by the method that they answer.

        A WebSocket and another route may share a path: a request says which of them it is for.
        """
        is_websocket = route.kind is RouteKind.WEBSOCKET
        return {
            method: known
            for known in self.routes
            if known.pattern.shape == route.pattern.shape
            and (known.kind is RouteKind.WEBSOCKET) is is_websocket
            for method in known.methods
            if method in route.methods
        }

    def match(self, raw_path: str) -> Sequence[Match]:
        """Give every route that fits a path, the first registered first, and its parameters.

        Args:
            raw_path: As received, percent-encoded; one that is encoded badly fits nothing.
        """
        try:
            path = canonical_path(raw_path)
        except ValueError:
            return []
        exact = self._exact.get(path, ())
        if not self._patterns:
            return [match for _, match in exact]
        found = list(exact)
        for place, route in self._patterns:
            params = route.pattern.match(path)
            if params is not None:
                found.append((place, Match(route, params)))
        found.sort(key=lambda item: item[0])
        return [match for _, match in found]
