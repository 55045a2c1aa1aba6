"""``events``: a server's event stream, read by a task.

What is asked, what bytes mean and when to connect again is ``http.event_stream``'s; what is here
connects, reads and waits.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from operator import length_hint
from types import TracebackType
from typing import Self

from ..errors import ConcurrentReceive, FasterAPIError, LocalProtocolError
from ..http.event_stream import EventStreamBase
from ..http.h1_client import ResponseReader
from ..protocol.event_source import SourceState, is_event_stream
from ..protocol.sse import ServerSentEvent
from ..sync.stream import keep_alive
from .dial import Dialler
from .link import Link

__all__ = ["EventStream", "events"]

_PIECE = 64 * 1024
"""Bytes that are made events of at once, so that these stay in the processor's cache."""

CONNECTING, OPEN, WAITING, CLOSED = (
    SourceState.CONNECTING, SourceState.OPEN, SourceState.WAITING, SourceState.CLOSED,
)  # fmt: skip


class EventStream(EventStreamBase):
    """An event stream that one task reads: ``async with events(url) as stream``.

    Entering it connects, and raises what keeps it from that. ``async for event in stream`` ends
    when the stream does for good: the server says so with 204, or its body ends and there is no
    reconnecting. A loop that is left can be gone on with. What one read brings is handed out
    without waiting in between; while it is, nothing more is read than the transport's buffer holds.

    See ``EventStreamBase`` for its arguments, attributes and errors.
    """

    __slots__ = ("_closing", "_dial", "_dialler", "_entered", "_link", "_reading")

    def _set_up(self) -> None:
        self._dialler = Dialler(self._route, limits=self._limits)
        self._dial: asyncio.Task[tuple[Link, ResponseReader]] | None = None
        self._link: Link | None = None
        self._closing = asyncio.Event()
        self._reading = False
        self._entered = False

    async def __aenter__(self) -> Self:
        self._entered = True
        try:
            while not self._opened():
                await self._advance()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent:
        """Wait for the next event.

        Raises:
            StopAsyncIteration: If there will be none.
        """
        for event in self._events:
            return event
        if not await self._fill():
            raise StopAsyncIteration
        return next(self._events)

    async def close(self) -> None:
        """End the stream; it is no error if it has ended already.

        A task that waits for an event gets no further one, and one that connects stops.
        """
        self._source.close()
        self._closing.set()
        if self._dial is not None:
            self._dial.cancel()
        await self._drop()

    async def _fill(self) -> bool:
        """Wait until there is an event to take; tell whether there is."""
        if not self._entered:
            raise LocalProtocolError(
                "enter an event stream first: async with events(url) as stream: ..."
            )
        if self._reading:
            raise ConcurrentReceive("another task is waiting for an event of this stream")
        self._reading = True
        try:
            while not length_hint(self._events):
                if self.state is CLOSED:
                    return False
                await self._advance()
            return True
        finally:
            self._reading = False
            if self.state is not OPEN:
                await self._drop()

    async def _advance(self) -> None:
        """Do the one thing that is next: connect, read, or wait."""
        loop = asyncio.get_running_loop()
        state = self.state
        if state is OPEN:
            await self._read(loop)
            return
        await self._drop()
        if state is WAITING:
            due = self._source.deadline()
            assert due is not None
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause(loop.time())):
                    await self._closing.wait()
            self._source.tick(due)
        else:
            await self._connect(loop)

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            link, reader = await self._open()
        except (OSError, FasterAPIError, ValueError) as error:
            if self.state is CONNECTING:  # and not closed by another task
                self._source.lost(error, loop.time())
            return
        self._link = link
        if self.state is CLOSED:
            await self._drop()
            return
        if sock := link.transport.get_extra_info("socket"):
            keep_alive(sock)
        response = reader.response
        refused = response is None or not is_event_stream(response)
        excerpt = await self._dialler.excerpt(link, reader) if refused else b""
        if self.state is CONNECTING:
            self._answered(reader, excerpt, loop.time())

    async def _open(self) -> tuple[Link, ResponseReader]:
        """Dial in a task, which ``close`` can cancel without cancelling ours."""
        dial = self._dial = asyncio.create_task(self._dialler.open(self._begin()))
        try:
            await asyncio.wait((dial,))
        except BaseException:  # we are cancelled, and it has to give back what it holds
            dial.cancel()
            await asyncio.wait((dial,))
            if not dial.cancelled() and dial.exception() is None:
                dial.result()[0].transport.abort()
            raise
        finally:
            self._dial = None
        if dial.cancelled():
            raise ConnectionAbortedError("closed while it was connecting")
        return dial.result()

    async def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        link, due = self._link, self._source.deadline()
        assert link is not None
        try:
            data = await link.read(_PIECE, due=due)
        except OSError as error:
            now = loop.time()
            if isinstance(error, TimeoutError) and error.errno is None and due is not None:
                self._source.tick(max(now, due))
            elif self.state is OPEN:
                self._source.lost(error, now)
            return
        if self.state is OPEN:
            self._received(data, loop.time())

    async def _drop(self) -> None:
        """Close the transport of a connection that is over, and wait until it is."""
        link, self._link = self._link, None
        if link is not None:
            link.transport.abort()
            if not self._reading:  # else, who reads notices
                with suppress(OSError):
                    while await link.read():
                        pass


events = EventStream
