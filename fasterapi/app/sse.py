"""What an event stream is to an application, without a way to wait: the base of both adapters'.

An ``SSEBase`` begins the response at the first event, formats events, and knows when a keep-alive
comment is due. Whoever derives from it adds what a transport can do: write, wait, and tell the
time. The rules are the WHATWG's, "Server-sent events". Here is no socket, no loop and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConnectionClosed, HTTPError, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.headers import Headers
from ..protocol.http import Request, Response
from ..protocol.sse import KEEPALIVE, ServerSentEvent, format_event
from .exchange import Exchange
from .handlers import NO_PARAMS
from .outcome import is_crash, unwrap
from .responses import error_response

__all__ = ["EVENT_STREAM", "SSEBase", "format_item"]

EVENT_STREAM = (
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
)
"""The header fields that every event stream has, unless it sets them itself."""


class SSEBase:
    """The state that ``SSEConnection`` and ``SyncSSEConnection`` share.

    Args:
        request: The request that asked for it.
        exchange: Where the response goes.
        path_params: What the route's pattern matched.
        headers: Header fields of the response beside the ones that every event stream has.
        keepalive: Seconds of silence after which a comment is sent; ``None``: none.
        limits: Of this route.
        dumps: JSON to text.
        now: The time at which the request came, in seconds.

    Attributes:
        request: The request: path, query, headers, cookies, client, body.
        path_params: Values of the path's parameters by name.
        last_event_id: What the client says it saw last; ``""`` on a first connection. It comes
            from the client: check it before you use it.
    """

    __slots__ = (
        "_exchange", "_headers", "_keepalive", "_last_sent", "_limits", "_over", "_started",
        "dumps", "last_event_id", "path_params", "request",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        exchange: Exchange,
        *,
        path_params: Mapping[str, Any] | None = None,
        headers: Headers | None = None,
        keepalive: float | None = DEFAULT_LIMITS.sse_keepalive,
        limits: Limits = DEFAULT_LIMITS,
        dumps: Callable[[Any], str],
        now: float = 0.0,
    ) -> None:
        self.request = request
        self.path_params: Mapping[str, Any] = path_params or NO_PARAMS
        self.last_event_id = _last_event_id(request)
        self.dumps = dumps
        self._exchange = exchange
        self._headers = headers or Headers()
        self._keepalive = keepalive
        self._limits = limits
        self._last_sent = now
        self._started = False
        self._over = False

    def is_open(self) -> bool:
        """Tell whether events can be sent."""
        return not self._over

    # ----------------------------------------------------------------- for a deriving class

    def _event(
        self,
        data: Any,
        event: str | None,
        id: str | None,
        retry: int | None,
        comment: str | None,
    ) -> bytes:
        """Format an event.

        Raises:
            ConnectionClosed: If the stream is over.
            LocalProtocolError: As ``format_event`` says.
        """
        if self._over:
            raise ConnectionClosed
        return format_event(
            data, event=event, id=id, retry=retry, comment=comment, dumps=self.dumps
        )

    def _item(self, item: Any) -> bytes:
        """Format what a generator yields: an event, or the data of one; errors as ``_event``."""
        if self._over:
            raise ConnectionClosed
        return format_item(item, self.dumps)

    def _send(self, data: bytes, now: float) -> None:
        """Write formatted events, and the head of the response before the first ones."""
        if self._over:
            raise ConnectionClosed
        if not self._started:
            self._start()
        self._last_sent = now
        self._exchange.send_data(data)

    def _start(self) -> None:
        """Write the head of the response, once."""
        if not self._started:
            self._exchange.start_stream(self._response())
            self._started = True  # not earlier: another thread may be about to send

    def _response(self) -> Response:
        given = {name.lower() for name, _ in self._headers}
        ours = [field for field in EVENT_STREAM if field[0].lower() not in given]
        return Response(200, [*ours, *self._headers])

    def _next_deadline(self) -> float | None:
        """Tell when to call ``_tick``, in seconds."""
        if self._over:
            return None
        if not self._started:
            return self._last_sent + self._limits.sse_start_delay
        return None if self._keepalive is None else self._last_sent + self._keepalive

    def _tick(self, now: float) -> None:
        """Begin the response of a handler that takes its time, or send a keep-alive comment."""
        deadline = self._next_deadline()
        if deadline is None or now < deadline:
            return
        if self._started:
            self._send(KEEPALIVE, now)
        else:
            self._start()
            self._last_sent = now

    def _end(self) -> None:
        """End the stream in order; once is enough."""
        if not self._over:
            self._start()
            self._over = True
            self._exchange.end()

    def _lost(self) -> None:
        """The client is gone."""
        self._over = True

    def _conclude(self, error: BaseException | None, value: object = None) -> bool:
        """Do what is left when the handler has ended.

        Args:
            error: What escaped the handler.
            value: What it returned instead. A ``Response``, of a handler that has sent nothing,
                is the answer: status 204 has a browser not come back.

        Returns:
            Whether the handler crashed.
        """
        if isinstance(value, Response) and not self._started and not self._over:
            self._respond(value)
            return False
        error = unwrap(error)
        ended = error is None or isinstance(error, ConnectionClosed)
        crashed = is_crash(error) and not ended
        if self._over:
            return crashed
        if ended or self._started:
            self._end()
            return crashed
        if isinstance(error, HTTPError):
            crashed = False
            response = error_response(error.status, error.detail, headers=error.headers)
        else:
            response = error_response(500 if crashed else 503)
        self._respond(response)
        return crashed

    def _respond(self, response: Response) -> None:
        """Answer without a stream."""
        self._over = True
        try:
            self._exchange.respond(response)
        except LocalProtocolError:
            self._over = False  # it can't be sent: there has been no answer
            raise


def format_item(item: Any, dumps: Callable[[Any], str]) -> bytes:
    """Format what a generator yields: a ``ServerSentEvent``, or the data of an event.

    Raises:
        LocalProtocolError: As ``format_event`` says.
    """
    if isinstance(item, ServerSentEvent):
        event = None if item.event == "message" else item.event
        return format_event(
            item.data, event=event, id=item.id or None, retry=item.retry, dumps=dumps
        )
    return format_event(item, dumps=dumps)


def _last_event_id(request: Request) -> str:
    """Read ``Last-Event-ID``, which is UTF-8; one that no event could have had counts as none."""
    value = request.headers.get("last-event-id", "") or ""
    try:
        value = value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return ""
    return "" if any(c in value for c in "\0\r\n") else value
