"""``SSEConnection``: what an ``async def`` event stream handler gets, on an asyncio transport.

The stream's state and rules are ``app.sse``'s; what is here writes and waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from ..app.sse import SSEBase
from ..errors import ConnectionClosed
from ..protocol.sse import format_event

if TYPE_CHECKING:
    from .http import HTTPProtocol

__all__ = ["SSEConnection"]


class SSEConnection(SSEBase):
    """An event stream for ``async def`` handlers.

    The response begins at the first event; until then an ``HTTPError`` that the handler raises is
    answered with its status. When the client goes away the handler is cancelled. ``send`` queues
    at once and returns an awaitable: await it to wait while the client reads slowly.

    See ``SSEBase`` for its attributes.
    """

    __slots__ = ("_http", "_waiters")

    def __init__(self, *args: Any, http: HTTPProtocol, **options: Any) -> None:
        super().__init__(*args, **options)
        self._http = http
        self._waiters: list[asyncio.Future[None]] = []

    def send(
        self,
        data: Any = None,
        *,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> Awaitable[None]:
        """Send an event.

        Args:
            data: A ``str`` as it is, anything else as JSON; ``None``: an event without data, which
                a browser does not dispatch.
            event: Its type; a browser calls it ``message`` if there is none.
            id: What a client sends back as ``Last-Event-ID`` when it reconnects; ``""`` resets it.
            retry: Milliseconds after which the client is to reconnect.
            comment: Text that clients ignore.

        Returns:
            An awaitable that is over when the client has taken enough of what waits to be sent.

        Raises:
            ConnectionClosed: If the stream is over.
            LocalProtocolError: If a field holds what can't be sent; see ``format_event``.
        """
        if self._over:
            raise ConnectionClosed
        http = self._http
        self._send(
            format_event(data, event=event, id=id, retry=retry, comment=comment, dumps=self.dumps),
            http.server.clock(),
        )
        return http.sent(http.streamed)

    def send_item(self, item: Any) -> Awaitable[None]:
        """Send what a generator yielded: a ``ServerSentEvent``, or the data of an event."""
        self._send(self._item(item), self._http.server.clock())
        return self._http.sent(self._http.streamed)

    def ping(self) -> Awaitable[None]:
        """Send a comment that clients ignore and proxies count as life."""
        return self.send(comment="")

    def close(self) -> Awaitable[None]:
        """End the stream; it is no error if it has ended already. Browsers reconnect."""
        self._end()
        return self._http.server.done

    async def wait_closed(self) -> None:
        """Wait until the stream is over."""
        if self.is_open():
            waiter = self._http.server.loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def _end(self) -> None:
        super()._end()
        self._release()

    def _lost(self) -> None:
        super()._lost()
        self._release()

    def _release(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
