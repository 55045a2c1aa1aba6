"""Event streams in WSGI frameworks, Flask and Django among them, under any WSGI server.

    @app.get("/events")                          # Flask
    def events():
        return sse_response(generate())

    def events(request):                         # Django
        return sse_response(generate(), response_class=StreamingHttpResponse)

The generator runs in a thread of its own, so that silence can be broken by comments: only by
writing does a WSGI server notice that a client has left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from queue import Empty, Full, Queue
from typing import Any, Self
from weakref import finalize

from ..app.log import server as log
from ..app.sse import EVENT_STREAM, format_item
from ..limits import DEFAULT_LIMITS, MAX_UNREAD_EVENTS, Limits
from ..protocol.headers import HeaderPairs, Headers
from ..protocol.sse import KEEPALIVE, to_json

__all__ = ["EventStreamApplication", "sse_response"]

_POLL = 0.25
"""Seconds after which a generator whose events nobody takes looks whether its client has left."""


def sse_response(
    content: Iterable[Any],
    *,
    headers: HeaderPairs = (),
    keepalive: float | None = DEFAULT_LIMITS.sse_keepalive,
    limits: Limits = DEFAULT_LIMITS,
    dumps: Callable[[Any], str] = to_json,
    response_class: Callable[..., Any] | None = None,
) -> Any:
    """Make a response of a generator of events.

    An exception before the first event is raised here, so that the framework answers it; a later
    one ends the stream and is logged.

    Args:
        content: Gives events: a ``ServerSentEvent``, or the data of one, ``str`` as it is and
            anything else as JSON. It runs in a copy of the present context.
        headers: Further header fields.
        keepalive: Seconds of silence after which a comment is sent; ``None``: none.
        limits: ``sse_start_delay`` is how long the first event, or an exception, is waited for.
        dumps: Writes JSON.
        response_class: Makes the response from an iterator of bytes, ``headers`` and
            ``content_type``, as Django's ``StreamingHttpResponse`` does; by default the result is a
            WSGI application, which Flask takes for a response.

    Raises:
        TypeError: If ``content`` can't be iterated over without an event loop.
        Exception: Whatever the generator raised before its first event.
    """
    if isinstance(content, (str, bytes)) or not isinstance(content, Iterable):
        raise TypeError(f"an event stream is made of a plain generator, not of {content!r}")
    given = Headers(headers)
    names = {name.lower() for name, _ in given}
    fields = [*(f for f in EVENT_STREAM if f[0].lower() not in names), *given]
    stream = _Stream(content, keepalive, dumps)
    stream.start(limits.sse_start_delay)
    if response_class is None:
        return EventStreamApplication(stream, fields)
    kept = {name: value for name, value in fields if name.lower() != "content-type"}
    return response_class(stream, headers=kept, content_type=dict(fields)["Content-Type"])


class EventStreamApplication:
    """A WSGI application that answers with one event stream."""

    def __init__(self, stream: Iterable[bytes], fields: list[tuple[str, str]]) -> None:
        self._stream = stream
        self._fields = fields

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        start_response("200 OK", self._fields)
        return self._stream


class _Stream:
    """Formatted events, and comments where there are none in time; for one reader.

    The thread of the generator does not know it: if the framework drops the response unserved, the
    generator is closed as for a client that has left.
    """

    def __init__(
        self, content: Iterable[Any], keepalive: float | None, dumps: Callable[[Any], str]
    ) -> None:
        self._keepalive = keepalive
        self._source = _Source(content, dumps)
        self._leave = finalize(self, self._source.leave)
        self._leave.atexit = False
        self._first: list[bytes | None] = []
        self._over = False

    def start(self, delay: float) -> None:
        """Start the generator; raise what it raises before its first event."""
        run = copy_context().run
        thread = threading.Thread(
            target=run, args=(self._source.run,), name="fasterapi-sse", daemon=True
        )
        thread.start()
        try:
            first = self._source.queue.get(timeout=delay)
        except Empty:
            return
        if isinstance(first, BaseException):
            self._over = True
            raise first
        self._first.append(first)

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over what is to be written."""
        return self

    def __next__(self) -> bytes:
        """Wait for an event, or for the time of a comment."""
        if self._over:
            raise StopIteration
        try:
            queue = self._source.queue
            item = self._first.pop() if self._first else queue.get(timeout=self._keepalive)
        except Empty:
            return KEEPALIVE
        if isinstance(item, BaseException):
            log.error("an event stream's generator raised %s", type(item).__name__, exc_info=item)
            item = None
        if item is None:
            self._over = True
            raise StopIteration
        return item

    def close(self) -> None:
        """Take that the client has left, as WSGI servers say it: the generator is closed."""
        self._over = True
        self._leave()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()


class _Source:
    """A generator in a thread of its own.

    Attributes:
        queue: What it gives, formatted; then ``None`` at its end, or what it raised.
    """

    def __init__(self, content: Iterable[Any], dumps: Callable[[Any], str]) -> None:
        self.queue: Queue[bytes | BaseException | None] = Queue(MAX_UNREAD_EVENTS)
        self._content = content
        self._dumps = dumps
        self._left = False

    def leave(self) -> None:
        """Take that nobody reads any more."""
        self._left = True

    def run(self) -> None:
        """Run the generator to its end, or until nobody reads."""
        last: BaseException | None = None
        try:
            try:
                for item in self._content:
                    if not self._put(format_item(item, self._dumps)):
                        break
            finally:
                if hasattr(self._content, "close"):
                    self._content.close()
        except BaseException as error:  # noqa: BLE001  # the reader raises it, or logs it
            last = error
        self._put(last)

    def _put(self, item: bytes | BaseException | None) -> bool:
        """Hand something over; tell whether anybody is left to take it."""
        while not self._left:
            try:
                self.queue.put(item, timeout=_POLL)
            except Full:
                continue
            return not self._left
        return False
