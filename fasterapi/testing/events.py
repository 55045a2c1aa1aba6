"""``AsyncTestEventStream``: an event stream as an ``EventSource`` reads it, and its bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..errors import FasterAPIError
from ..protocol.sse import ServerSentEvent
from ..protocol.sse_parser import EventStreamParser
from .http import Exchange, Refused, Reply
from .session import CLIENT_LIMITS, Session

if TYPE_CHECKING:
    from .host import Host
    from .server import Wire

__all__ = ["AsyncTestEventStream", "StreamEnded"]


class StreamEnded(FasterAPIError):
    """The server has ended the event stream: no event follows."""


class AsyncTestEventStream(Session):
    """An event stream of the app under test; made by ``AsyncTestClient.events``.

    It is there as soon as the request is on its way: a handler's first event begins the response,
    or ``Limits.sse_start_delay`` on the client's clock. A refusal is raised by whatever waits
    first, or at the end of the ``with`` block.
    """

    def __init__(self, host: Host, wire: Wire, name: str, exchange: Exchange) -> None:
        super().__init__(host, wire, name)
        self._exchange = exchange
        self._parser = EventStreamParser(limits=CLIENT_LIMITS)
        self._events: deque[ServerSentEvent] = deque()
        self._received = 0
        self._over = False
        self._told = False  # that it is refused

    # ------------------------------------------------------------------------------- receiving

    async def receive(self, *, timeout: float | None = None) -> ServerSentEvent:
        """Wait for the next event.

        Args:
            timeout: Seconds of real time; by default the client's.

        Raises:
            TimeoutError: If none came in time; it says what did.
            StreamEnded: If none will come.
            Refused: If the response is no event stream.
            Exception: What the handler raised; see ``AsyncTestClient``.
        """
        await self._wait(lambda: self._events or self._ended, timeout, "event")
        await self._check()
        if self._events:
            return self._events.popleft()
        await self._concluded(timeout)
        raise StreamEnded(f"{self._name} ended after {self._received} events")

    async def __aiter__(self) -> AsyncIterator[ServerSentEvent]:
        """Iterate over the events to the end of the stream."""
        while True:
            try:
                event = await self.receive()
            except StreamEnded:
                return
            yield event

    async def wait_ended(self, *, timeout: float | None = None) -> None:
        """Wait until the server ends the stream; events that came before stay to be received.

        Raises:
            TimeoutError: If it goes on.
            Refused: If the response is no event stream.
            Exception: What the handler raised; see ``AsyncTestClient``.
        """
        await self._wait(lambda: self._ended, timeout, "end")
        await self._check()
        await self._concluded(timeout)

    async def wait_response(self, *, timeout: float | None = None) -> Reply:
        """Wait for the head of the response, and give it; a refusal is not raised here.

        Raises:
            TimeoutError: If it did not come in time.
            Exception: What the handler raised; see ``AsyncTestClient``.
        """
        await self._wait(lambda: self._exchange.head or self._over, timeout, "response")
        await self._wait(lambda: not self._refused or self._ended, timeout, "response")
        self._host.raise_crash()
        self._told = True
        return self._exchange.reply

    @property
    def body(self) -> bytes:
        """The stream as it came so far, comments and all."""
        return bytes(self._exchange.body)

    @property
    def comments(self) -> list[str]:
        """The comments that have come, such as those that keep a connection alive."""
        lines = self.body.decode("utf-8", "replace").splitlines()
        return [line[1:].removeprefix(" ") for line in lines if line.startswith(":")]

    @property
    def last_event_id(self) -> str:
        """What a browser would send as ``Last-Event-ID`` now; ``""``: nothing."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds after which the server has clients come back, if it said so."""
        return self._parser.retry

    # ------------------------------------------------------------------------------ underneath

    async def close(self) -> None:
        """Leave: the connection ends, and an ``async def`` handler is cancelled."""
        self._wire.close()
        await self._host.settle()

    @property
    def _ended(self) -> bool:
        return self._over or self._exchange.complete

    @property
    def _refused(self) -> bool:
        head = self._exchange.head
        if head is None:
            return False
        kind = (head.headers.get("content-type") or "").partition(";")[0].strip().lower()
        return head.status != 200 or kind != "text/event-stream"

    async def _check(self) -> None:
        """Raise if the response is no event stream, when all of it is there."""
        if self._refused:
            await self._wait(lambda: self._ended, None, "response")
            await self._concluded()
            self._told = True
            raise Refused(f"{self._name} is no event stream", self._exchange.reply)

    def _take(self, data: bytes) -> None:
        piece = self._exchange.feed(data)
        if piece and not self._refused:
            events = self._parser.feed(piece)
            self._received += len(events)
            self._events += events

    def _take_end(self) -> None:
        self._over = True
        self._wire.close()

    def _so_far(self) -> str:
        if self._exchange.head is None:
            return (
                "no response: it begins with the first event, or after Limits.sse_start_delay on "
                "the client's clock"
            )
        state = "ended" if self._ended else "open"
        last = f"; the last bytes: {self.body[-120:]!r}" if self.body else ""
        return f"{self._exchange.head.status}, {state}; {self._received} events{last}"

    async def _leave(self) -> None:
        await self.close()
        await self._concluded()
        await self._host.settle()
        if self._refused and not self._told:
            await self._check()
