"""An event stream that a client reads: all of it but how to connect and to wait.

The request, the response's body and the ``EventSource`` come together here: bytes become events
that wait to be taken, and what ends a connection becomes what is to be done next. The adapters
derive from it. Here is no socket, no loop and no clock.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from operator import length_hint
from types import EllipsisType
from typing import Any, TypedDict, Unpack

from ..errors import InvalidResponse
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.event_source import EventSource, SourceState, is_event_stream
from ..protocol.headers import HeaderPairs
from ..protocol.http import Response
from ..protocol.reconnect import Reconnect
from ..protocol.sse import ServerSentEvent
from ..protocol.uri import HTTP_SCHEMES, parse_uri
from .event_request import EventRequest
from .h1_client import ResponseBody, ResponseReader
from .opening import USER_AGENT, Opening
from .route import Route

__all__ = ["EventStreamBase"]

_log = logging.getLogger("fasterapi.client")


class _Unknown(TypedDict):
    """Options that there are not: type checkers allow none, and whoever gives one is told."""


class EventStreamBase:
    """An event stream of a server, read with or without reconnecting.

    Args:
        url: ``http://`` or ``https://``; a user and password become an ``Authorization`` header.
        method: The method; by default GET, or POST if there is a body.
        body: The request's body, text as UTF-8.
        json: What to send as JSON instead.
        headers: Further header fields.
        last_event_id: The ID of the last event that has been seen, to go on behind it.
        reconnect: When to connect again. ``True``: as browsers do, see ``Reconnect``, of which one
            may be given. ``False``: never. By default ``True`` for GET and ``False`` for all other
            methods: they are not sent again unasked.
        idle_timeout: Seconds without a byte after which the connection counts as lost. ``None``:
            never. Most servers send a comment every 15 to 30 seconds.
        open_timeout: Seconds that a connection may take from the first look-up of a name to the
            response's head; ``None``: no bound; by default ``Limits.open_timeout``.
        user_agent: The ``User-Agent`` header; ``None``: none.
        proxy: A proxy's URL; ``True``: the one that the environment names; ``None``: none.
        ssl: An ``ssl.SSLContext`` for ``https``; by default the system's certificates decide.
        server_hostname: The name that the server's certificate has to have, instead of the URL's.
        uds: Path of a unix socket to connect to, instead of the URL's host and port.
        sock: A connected socket to use instead; there is no reconnecting then.
        limits: ``max_event_size``, ``open_timeout``, ``max_redirects``, ``max_reconnect_delay`` and
            those of heads count.

    Attributes:
        url: As given.
        response: The head of the response that is read, or was read last; ``None`` before.

    Raises:
        TypeError: If there is no such option, or ``reconnect`` is something else.
        ValueError: If options don't fit together, or the URL is no good.
        InvalidArgument: A ``ValueError``, too: if the method, a header field or the last event ID
            can't be sent, or the client writes a header field itself.

    Raises, when it is entered and when it is iterated over:
        HandshakeError: If the answer is no event stream; it has status, headers and the beginning
            of the body.
        OSError: If the connection fails, or is lost, and there is no further attempt. Among them
            ``TimeoutError`` for ``open_timeout`` and ``idle_timeout``.
        EventStreamError: If an event is over a limit, or has an ID that can't be sent back.
        InvalidResponse, ProxyError, RedirectError: As their names say.
    """

    __slots__ = (
        "_batch", "_before", "_body", "_events", "_idle_timeout", "_limits", "_request", "_route",
        "_source", "response", "url",
    )  # fmt: skip

    def __init__(
        self,
        url: str,
        *,
        method: str | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        headers: HeaderPairs = (),
        last_event_id: str | None = None,
        reconnect: bool | Reconnect | None = None,
        idle_timeout: float | None = None,
        open_timeout: float | EllipsisType | None = ...,
        user_agent: str | None = USER_AGENT,
        proxy: bool | str | None = True,
        ssl: Any = None,
        server_hostname: str | None = None,
        uds: str | None = None,
        sock: Any = None,
        limits: Limits = DEFAULT_LIMITS,
        **unknown: Unpack[_Unknown],
    ) -> None:
        if unknown:
            raise TypeError(f"events() has no option {min(unknown)!r}")
        if not isinstance(open_timeout, EllipsisType):
            limits = replace(limits, open_timeout=open_timeout)
        self.url = url
        self.response: Response | None = None
        self._idle_timeout = idle_timeout
        self._limits = limits
        self._request = EventRequest(
            url, method=method, body=body, json=json, headers=headers, user_agent=user_agent
        )
        self._route = Route(
            uri=parse_uri(url, HTTP_SCHEMES), ssl=ssl, server_hostname=server_hostname, uds=uds,
            sock=sock, proxy=proxy,
        )  # fmt: skip
        self._source = EventSource(
            reconnect=self._route.policy(reconnect, self._request.method == "GET"),
            last_event_id=self._request.last_event_id if last_event_id is None else last_event_id,
            idle_timeout=idle_timeout,
            limits=limits,
        )
        self._body: ResponseBody | None = None
        self._batch: list[ServerSentEvent] = []
        self._events = iter(self._batch)  # what of it waits to be taken
        self._before = ""  # the last event ID before the batch
        self._begin().to_send()  # raises now what would be raised later
        self._set_up()

    def _set_up(self) -> None:
        """Take what a deriving class has beside it."""

    @property
    def state(self) -> SourceState:
        """Where it stands: connecting, open, waiting to reconnect, or closed."""
        return self._source.state

    @property
    def last_event_id(self) -> str:
        """The ID of the last event that was taken; ``""`` if there is none.

        Kept somewhere and given to another stream, it makes that one go on from here.
        """
        waiting = length_hint(self._events)
        if not waiting:
            return self._source.last_event_id
        taken = len(self._batch) - waiting
        return self._batch[taken - 1].id if taken else self._before

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream has asked for, in milliseconds, if it has."""
        return self._source.retry

    @property
    def reconnects(self) -> int:
        """How often the stream has begun anew."""
        return max(self._source.connections - 1, 0)

    # ----------------------------------------------------------------- for a deriving class

    def _opened(self) -> bool:
        """Tell whether entering it is over: it has been open, for however short, or never will."""
        return self._source.connections > 0 or self._source.state is SourceState.CLOSED

    def _begin(self) -> Opening:
        """Give the next attempt to connect.

        Raises:
            EventStreamError: If the stream's last event ID can't be sent.
        """
        return self._request.opening(
            self._source.header_fields(), limits=self._limits, fixed=self._route.fixed
        )

    def _answered(self, reader: ResponseReader, excerpt: bytes, now: float) -> None:
        """Take the answer to an attempt.

        Args:
            reader: What has read its head.
            excerpt: The beginning of its body, if it is no event stream.
            now: The time, in seconds.

        Raises:
            HandshakeError: If there is no event stream to be had.
        """
        response = self.response = reader.response
        assert response is not None
        if not is_event_stream(response):
            response.body = excerpt
            self._source.answered(response, now)
            return
        try:
            self._body = reader.body()
        except InvalidResponse as error:
            self._source.lost(error, now)
            return
        self._source.answered(response, now)
        rest = reader.take_rest()
        if rest or self._body.finished:
            self._received(rest, now)

    def _received(self, data: bytes, now: float) -> None:
        """Take bytes of the connection; ``b""`` is its end.

        Raises:
            EventStreamError: If an event is over a limit.
            ConnectionResetError, InvalidResponse: If the body is not whole, or malformed, and
                there is no further attempt.
        """
        body = self._body
        assert body is not None
        try:
            if data:
                data = body.receive_data(data)
            elif not body.finished:
                body.receive_eof()
        except (ConnectionResetError, InvalidResponse) as error:
            self._source.lost(error, now)
            return
        if data or body.finished:  # a fault behind the last event comes with what is next
            self._before = self._source.last_event_id
            self._batch = self._source.receive_data(data, now)
            self._events = iter(self._batch)
        if body.finished:
            self._source.lost(None, now)

    def _pause(self, now: float) -> float:
        """Give the seconds until the next attempt, and tell the log why there is one."""
        source = self._source
        why = "it has ended" if source.fault is None else describe(source.fault)
        _log.log(
            logging.INFO if source.fault is None else logging.WARNING,
            "event stream %s: %s; connecting again in %.1f s",
            self._route.uri, why, source.delay,
            extra={
                "url": str(self._route.uri), "fault": why, "delay": source.delay,
                "last_event_id": source.last_event_id,
            },
        )  # fmt: skip
        return max((source.deadline() or now) - now, 0.0)


def describe(error: Exception) -> str:
    """Say what went wrong, in one line."""
    return str(error) or type(error).__name__
