"""An asyncio transport with back pressure, deadlines and an orderly end; what runs on it derives.

``HTTPProtocol`` and ``WebSocketProtocol`` are channels. A channel knows bytes and time, and no
protocol: when to write, to pause and to give up is decided by the data of ``protocol.flow``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..limits import MAX_BURST, Limits
from ..protocol.flow import WriteProgress
from ..sync.stream import limit_silence
from .room import Room

if TYPE_CHECKING:
    from .host import Host

__all__ = ["Channel"]


class Channel(asyncio.Protocol):
    """One connection's transport, and what it needs of its server.

    Args:
        server: Whose connection this is: its loop, clock and timers.
        limits: What this peer may cost.

    Attributes:
        transport: Set by ``connection_made`` or ``take_over``.
        client: The peer's address for the log.
        lost: Whether the transport is gone.
        aborted: Whether we cut it; it will be gone in the next turn of the loop.
        peer_ended: Whether the peer has ended its half of the connection.
        corked: Whether ``flush`` is going to be called in this turn of the loop.
        behind: Whether ``flush`` has left something to be made ready in the loop's next turn.
    """

    __slots__ = (
        "_burst", "_linger_until", "_paused", "_progress", "_reading", "_waiters", "aborted",
        "behind", "bucket", "client", "corked", "limits", "lost", "peer_ended", "server",
        "transport",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, server: Host, limits: Limits) -> None:
        self._burst = 0  # sends in this turn of the loop
        self.server = server
        self.limits = limits
        self.client = ""
        self.lost = False
        self.aborted = False
        self.peer_ended = False
        self.corked = False
        self.behind = False
        self.bucket: int | None = None
        self._paused = False
        self._reading = True
        self._progress: WriteProgress | None = None
        self._waiters: list[Room] | None = None
        self._linger_until: float | None = None

    # -------------------------------------------------------------------- for a deriving class

    def shut_down(self) -> None:
        """The server stops: say goodbye."""
        raise NotImplementedError

    def _resumed(self) -> None:
        """The transport takes bytes again."""

    def _deadline(self) -> float | None:
        """Tell when ``_tick`` has something to do."""
        return None

    def _tick(self, now: float) -> None:
        """Do what is due."""

    def flush(self) -> None:
        """Write what is queued."""

    @property
    def queued(self) -> int:
        """Bytes that wait for ``flush``."""
        return 0

    # ------------------------------------------------------------------------------- writing

    def limit_writes(self, limits: Limits) -> None:
        """Have the transport and the system go by a route's limits, where they are others."""
        if limits.write_high_water != self.limits.write_high_water:
            self.transport.set_write_buffer_limits(high=limits.write_high_water)
        if limits.write_timeout != self.limits.write_timeout:
            self._limit_silence(limits.write_timeout)

    def _limit_silence(self, seconds: float) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):  # it is gone already
                limit_silence(sock, seconds)

    def flush_soon(self) -> None:
        """Have ``flush`` called at the end of this turn of the loop, once for all that it brings.

        Every write wakes the peer up. With many connections at work, writing when all of them have
        been served costs fewer wake-ups and larger batches, on both sides.
        """
        if not self.corked:
            self.corked = True
            self.server.flush_soon(self)

    def sent(self, queued: int) -> Awaitable[None]:
        """Write what has just been queued, with whatever else this turn of the loop brings.

        Args:
            queued: Bytes that wait for ``flush``; over the high-water mark they don't.

        Returns:
            An awaitable that is over when more may be sent: at once, or when the peer has taken
            enough, or after so many sends in one turn of the loop that others are due.
        """
        self._burst += 1
        if queued > self.limits.write_high_water:
            self.flush()
        elif not self.corked:
            self.corked = True
            self.server.flush_soon(self)
        if self._paused or self.behind or self._burst > MAX_BURST:
            return self._wait()
        return self.server.done

    def drain(self) -> Awaitable[None]:
        """Give an awaitable that is over when the write buffer is below its high-water mark."""
        return self._wait() if self._paused else self.server.done

    def uncork(self) -> None:
        """Write at the end of a turn of the loop, and let a sender go on who gave way to others."""
        self.corked = False
        self._burst = 0
        self.flush()
        if self._waiters is not None and not self._paused and not self.behind:
            self._wake_waiters()

    def _wait(self) -> Awaitable[None]:
        if not self._paused:
            self.flush_soon()
        rooms = self._waiters
        if rooms is None:
            rooms = self._waiters = []
        # What waits to be sent, and is nobody else's, is this sender's.
        size = self._unsent() - sum(room.size for room in rooms)
        rooms.append(room := Room(self.server.loop, max(0, size)))
        return room

    def _unsent(self) -> int:
        return self.transport.get_write_buffer_size() + self.queued

    def check_buffer(self) -> None:
        """Abort the connection if more waits to be sent than a peer may make us keep.

        Called before each send, so that a single message may be larger than the limit; ``aborted``
        tells what came of it. What somebody has sent and awaits does not count.
        """
        if (unsent := self._unsent()) <= self.limits.max_write_buffer:
            return
        unsent -= sum(room.size for room in self._waiters or () if room.awaited)
        if unsent > self.limits.max_write_buffer:
            self.give_up(
                f"aborted: it reads too slowly, {unsent} bytes wait to be sent, over "
                f"Limits.max_write_buffer ({self.limits.max_write_buffer})"
            )

    def pause_writing(self) -> None:
        """The write buffer is over its high-water mark."""
        self._paused = True
        self._watch_progress()
        self.reschedule()

    def resume_writing(self) -> None:
        """The write buffer is low again."""
        self._paused = False
        self._progress = None
        self._resumed()
        if not self._paused and not self.behind:
            self._wake_waiters()

    def _wake_waiters(self) -> None:
        rooms, self._waiters = self._waiters, None
        for room in rooms or ():
            room.open()

    # ------------------------------------------------------------------------------- reading

    def read(self, wanted: bool) -> None:
        """Pause or resume reading."""
        if wanted is not self._reading and not self.lost and not self.transport.is_closing():
            self._reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # --------------------------------------------------------------------------------- time

    def reschedule(self) -> None:
        """Note the next deadline with the server's timer."""
        deadline = self._earliest()
        if deadline is not None:
            self.server.timers.schedule(self, deadline)

    def on_timer(self, now: float) -> float | None:
        """Do what is due; see ``Timed``."""
        if self.lost:
            return None
        if self._progress is not None:
            self._progress.update(self.transport.get_write_buffer_size(), now)
            if self._progress.stalled(now):
                self.give_up(
                    "aborted: it took no byte for Limits.write_timeout "
                    f"({self.limits.write_timeout:g} s)"
                )
                return None
        if self._linger_until is not None and now >= self._linger_until:
            self._linger(now)
        self._tick(now)
        return self._earliest()

    def _linger(self, now: float) -> None:
        """See to a connection that is to end: a peer that still takes our bytes has more time."""
        self._linger_until = now + self.limits.close_timeout
        if self.transport.get_write_buffer_size():
            self._watch_progress()
        elif self.transport.can_write_eof() or self.transport.is_closing():
            self.transport.abort()
        else:
            self.transport.close()

    def _watch_progress(self) -> None:
        if self._progress is None:
            self._progress = WriteProgress(self.limits)
            self._progress.update(self.transport.get_write_buffer_size(), self.server.clock())

    def _earliest(self) -> float | None:
        if self.lost:
            return None
        if self._progress is None and self._linger_until is None:
            return self._deadline()
        progress = self._progress.deadline() if self._progress is not None else None
        deadlines = [d for d in (self._deadline(), self._linger_until, progress) if d is not None]
        return min(deadlines, default=None)

    # ------------------------------------------------------------------------------ the end

    def give_up(self, fault: str) -> None:
        """End the connection at once, for what the peer did or failed to do."""
        if not self.lost and not self.aborted:
            self.aborted = True
            self.server.fault(self.client, fault)
            self.transport.abort()

    def stop(self) -> None:
        """Say goodbye, for the server stops; to whom it was said before, hang up."""
        if self._linger_until is None:
            self.shut_down()
        else:
            self.transport.close()

    def close_when_written(self) -> None:
        """End the connection when all is written; ``write_timeout`` bounds how long that takes."""
        if self._linger_until is None:
            self._linger_until = self.server.clock() + self.limits.close_timeout
        # Over TLS, closing waits for no more than ssl_shutdown_timeout: that is for later.
        if self.transport.can_write_eof() or not self.transport.get_write_buffer_size():
            self.transport.close()
        self.reschedule()

    def shut_write(self) -> None:
        """End our half when all is written; the rest at the peer's end, or close_timeout later.

        Closing at once, with bytes of the peer's unread, would reset the connection and could cost
        the peer what we wrote last (RFC 9112, section 9.6). A server that stops does not wait.
        """
        if self._linger_until is None and not self.lost:
            if self.server.stopping or not self.transport.can_write_eof():
                self.close_when_written()
                return
            self._linger_until = self.server.clock() + self.limits.close_timeout
            self.read(True)
            try:
                self.transport.write_eof()
            except OSError:
                self.transport.abort()  # the peer has reset the connection
                return
            self.reschedule()

    def connection_lost(self, error: Exception | None) -> None:
        """The transport is gone; whoever waits goes on."""
        self.lost = True
        if isinstance(error, TimeoutError):  # the system's, for which the server has set a time
            self.server.fault(
                self.client,
                "lost: it acknowledged nothing for Limits.write_timeout "
                f"({self.limits.write_timeout:g} s), or answers no more",
            )
        self._paused = False
        self._progress = None
        self.server.timers.cancel(self)
        self._wake_waiters()
