"""``EventResponse``: an event stream that a plain route returns, over a generator of its own.

It becomes what a route for event streams is: a match whose handler is the generator. So what is
true of the one is true of the other, whoever serves it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.headers import HeaderPairs, Headers
from ..protocol.sse import ServerSentEvent
from .app import Match
from .handlers import NO_PARAMS, Handler
from .options import SSEOptions
from .routing import Pattern, Route, RouteKind

__all__ = ["EventResponse"]

_PATTERN = Pattern("/")


class EventResponse:
    """The response; ``fasterapi.SSEResponse`` is this and, where it is installed, Starlette's, too.

    Args:
        content: What the events are made of: a generator, or anything to iterate over, async or
            not; a plain one runs in a thread. Each item is a ``ServerSentEvent``, or the data of an
            event: ``str`` as it is, anything else as JSON.
        headers: Header fields of the response.
        keepalive: Seconds of silence after which a comment is sent; ``None``: none.
        limits: What a client may cost.
        dumps: Writes JSON; by default as the app does.

    Raises:
        TypeError: If ``content`` can't be iterated over.
        ValueError: If an option makes no sense.
    """

    def __init__(
        self,
        content: AsyncIterable[Any] | Iterable[Any],
        *,
        headers: HeaderPairs = (),
        keepalive: float | None = DEFAULT_LIMITS.sse_keepalive,
        limits: Limits = DEFAULT_LIMITS,
        dumps: Callable[[Any], str] | None = None,
    ) -> None:
        if isinstance(content, (str, bytes)) or not isinstance(content, (AsyncIterable, Iterable)):
            raise TypeError(f"an event stream is made of a generator, not of {content!r}")
        self._content = content
        self._dumps = dumps
        self._options = SSEOptions(
            limits=limits, headers=Headers(headers), keepalive=keepalive, origins=(),
            credentials=False,
        )  # fmt: skip

    def match(self, extra: HeaderPairs = ()) -> Match:
        """Give the route that would serve this stream.

        Args:
            extra: Further header fields.
        """
        options = self._options
        if fields := Headers(extra):
            options = SSEOptions(
                limits=options.limits, headers=Headers([*options.headers, *fields]),
                keepalive=options.keepalive, origins=(), credentials=False,
            )  # fmt: skip
        function: Any
        if isinstance(self._content, AsyncIterable):
            function = _async_stream(self._content, self._item)
        else:
            function = _stream(self._content, self._item)
        function.__qualname__ = getattr(self._content, "__qualname__", type(self).__qualname__)
        handler = Handler(function, _PATTERN.text, ())
        route = Route(
            kind=RouteKind.SSE, pattern=_PATTERN, methods=(), handler=handler, options=options
        )
        return Match(route, NO_PARAMS)

    def _item(self, item: Any) -> Any:
        if self._dumps is None or isinstance(item, (str, ServerSentEvent)):
            return item
        return self._dumps(item)


def _async_stream(content: AsyncIterable[Any], make: Callable[[Any], Any]) -> Callable[..., Any]:
    async def stream() -> AsyncIterator[Any]:
        try:
            async for item in content:
                yield make(item)
        finally:
            if hasattr(content, "aclose"):
                await content.aclose()

    return stream


def _stream(content: Iterable[Any], make: Callable[[Any], Any]) -> Callable[..., Any]:
    def stream() -> Iterator[Any]:
        try:
            for item in content:
                yield make(item)
        finally:
            if hasattr(content, "close"):
                content.close()

    return stream
