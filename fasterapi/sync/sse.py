"""``SyncSSEConnection``: what a ``def`` event stream handler gets.

The stream's state and rules are ``app.sse``'s. What is here keeps the handler's thread and the
keeper of deadlines apart, and waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..app.sse import SSEBase

__all__ = ["SyncSSEConnection"]


class SyncSSEConnection(SSEBase):
    """An event stream for ``def`` handlers; every method may be called from any thread.

    The response begins at the first event; until then an ``HTTPError`` that the handler raises is
    answered with its status. ``send`` blocks while the client reads slowly. A thread can't be
    cancelled: when the client goes away the next ``send`` raises ``ConnectionClosed``, which a
    handler may let escape, and ``wait_closed`` returns at once.

    See ``SSEBase`` for its attributes.
    """

    __slots__ = ("_clock", "_done", "_lock")

    def __init__(self, *args: Any, clock: Callable[[], float], **options: Any) -> None:
        super().__init__(*args, **options)
        self._clock = clock
        self._lock = threading.RLock()
        self._done = threading.Event()

    def send(
        self,
        data: Any = None,
        *,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> None:
        """Send an event.

        Args:
            data: A ``str`` as it is, anything else as JSON; ``None``: an event without data, which
                a browser does not dispatch.
            event: Its type; a browser calls it ``message`` if there is none.
            id: What a client sends back as ``Last-Event-ID`` when it reconnects; ``""`` resets it.
            retry: Milliseconds after which the client is to reconnect.
            comment: Text that clients ignore.

        Raises:
            ConnectionClosed: If the stream is over.
            LocalProtocolError: If a field holds what can't be sent; see ``format_event``.
        """
        self._send(self._event(data, event, id, retry, comment), self._clock())

    def send_item(self, item: Any) -> None:
        """Send what a generator yielded: a ``ServerSentEvent``, or the data of an event."""
        self._send(self._item(item), self._clock())

    def ping(self) -> None:
        """Send a comment that clients ignore and proxies count as life."""
        self.send(comment="")

    def close(self) -> None:
        """End the stream; it is no error if it has ended already. Browsers reconnect."""
        self._end()

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Wait until the stream is over.

        Returns:
            Whether it is; False after ``timeout`` seconds.
        """
        return self._done.wait(timeout)

    def _start(self) -> None:
        with self._lock:
            super()._start()

    def _end(self) -> None:
        super()._end()
        self._done.set()

    def _lost(self) -> None:
        super()._lost()
        self._done.set()
