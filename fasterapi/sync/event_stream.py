"""``events``: a server's event stream, read by a thread.

What is asked, what bytes mean and when to connect again is ``http.event_stream``'s; what is here
connects, reads and waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import chain
from operator import length_hint
from types import TracebackType
from typing import Self

from ..errors import ConcurrentReceive, FasterAPIError, LocalProtocolError
from ..http.event_stream import EventStreamBase
from ..protocol.event_source import SourceState, is_event_stream
from ..protocol.sse import ServerSentEvent
from .dial import Dialler
from .stream import READ_SIZE, SocketStream

__all__ = ["SyncEventStream", "events"]

CONNECTING, OPEN, WAITING, CLOSED = (
    SourceState.CONNECTING, SourceState.OPEN, SourceState.WAITING, SourceState.CLOSED,
)  # fmt: skip


class SyncEventStream(EventStreamBase):
    """An event stream that one thread reads: ``with events(url) as stream: for event in stream``.

    Entering it connects, and raises what keeps it from that. Iterating over it ends when the stream
    does for good: the server says so with 204, or its body ends and there is no reconnecting. A
    loop that is left can be gone on with. ``close`` may be called from any thread.

    See ``EventStreamBase`` for its arguments, attributes and errors.
    """

    __slots__ = ("_closing", "_dialler", "_entered", "_lock", "_reading", "_stream")

    def _set_up(self) -> None:
        self._dialler = Dialler(self._route, limits=self._limits)
        self._stream: SocketStream | None = None
        self._lock = threading.Lock()  # guards state and stream; nothing blocks while it is held
        self._reading = threading.Lock()  # of who connects, reads and waits
        self._closing = threading.Event()
        self._entered = False

    def __enter__(self) -> Self:
        self._entered = True
        try:
            with self._reading:
                while not self._opened():
                    self._advance()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[ServerSentEvent]:
        """Iterate over events until the stream ends for good."""
        return chain.from_iterable(self._batches())

    def __next__(self) -> ServerSentEvent:
        """Wait for the next event.

        Raises:
            StopIteration: If there will be none.
        """
        for event in self._events:
            return event
        if not self._fill():
            raise StopIteration
        return next(self._events)

    def close(self) -> None:
        """End the stream; it is no error if it has ended already.

        A thread that waits for an event gets no further one, and one that connects stops.
        """
        with self._lock:
            self._source.close()
            self._closing.set()
            self._dialler.abandon()
            if self._stream is not None:
                self._stream.close()
        if self._reading.acquire(blocking=False):  # else, who reads does the rest
            self._drop()
            self._reading.release()

    def _batches(self) -> Iterator[Iterator[ServerSentEvent]]:
        yield self._events
        while self._fill():
            yield self._events

    def _fill(self) -> bool:
        """Wait until there is an event to take; tell whether there is."""
        if not self._entered:
            raise LocalProtocolError("enter an event stream first: with events(url) as stream: ...")
        if not self._reading.acquire(blocking=False):
            raise ConcurrentReceive("another thread is waiting for an event of this stream")
        try:
            while not length_hint(self._events):
                if self.state is CLOSED:
                    return False
                self._advance()
            return True
        finally:
            if self.state is not OPEN:
                self._drop()
            self._reading.release()

    def _advance(self) -> None:
        """Do the one thing that is next: connect, read, or wait."""
        with self._lock:
            state, due = self.state, self._source.deadline()
        if state is OPEN:
            self._read()
            return
        self._drop()
        if state is WAITING:
            assert due is not None
            self._closing.wait(self._pause(time.monotonic()))
            with self._lock:
                self._source.tick(due)
        else:
            self._connect()

    def _connect(self) -> None:
        try:
            link, reader = self._dialler.open(self._begin())
        except (OSError, FasterAPIError, ValueError) as error:
            self._fail(error)
            return
        with self._lock:
            self._stream = link.stream
            closed = self.state is CLOSED  # by another thread
        if closed:
            self._drop()
            return
        link.stream.keep_alive()
        response = reader.response
        refused = response is None or not is_event_stream(response)
        excerpt = self._dialler.excerpt(link, reader) if refused else b""
        with self._lock:
            if self.state is not CLOSED:  # by another thread
                self._answered(reader, excerpt, time.monotonic())

    def _read(self) -> None:
        assert self._stream is not None
        try:
            data = self._stream.recv(READ_SIZE, self._idle_timeout)
        except OSError as error:
            self._fail(error)
            return
        with self._lock:
            if self.state is not CLOSED:
                self._received(data, time.monotonic())

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        with self._lock:
            due = self._source.deadline()
            if isinstance(error, TimeoutError) and error.errno is None and due is not None:
                self._source.tick(max(now, due))
            if self.state in (OPEN, CONNECTING):
                self._source.lost(error, now)

    def _drop(self) -> None:
        """Close the stream of a connection that is over."""
        with self._lock:  # or close() might shut a descriptor that is another connection's by now
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            stream.release()


events = SyncEventStream
