"""A transport in memory: what a server writes is kept, and a peer may refuse to take it.

It behaves as one of asyncio's does, with the peer's side to it: ``stuck`` is a peer that takes
nothing, ``lose`` a connection that ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

__all__ = ["MemoryTransport"]


def _nobody() -> None:
    """Stand in for somebody who is told of changes."""


class MemoryTransport(asyncio.Transport):
    """The server's end of a connection in memory.

    Args:
        loop: The server's loop.
        changed: Called when something was written, or the connection or its reading has changed.
        context: What the end is told in; by default that of whoever brings it about.
        extra: What ``get_extra_info`` gives: ``peername``, ``sslcontext``.

    Attributes:
        written: What the peer has taken.
        buffer: What a stuck peer has not.
        stuck: Whether the peer takes nothing.
        reading: Whether the server reads.
        ended: Whether the server has ended its half.
        closing: Whether the connection is over, or about to be.
        aborted: Whether the server cut it.
        lost: Whether the server has been told the end, or is going to be in this turn.
        tls: Whether it can't be ended by halves.
        writes: How many there were.
        resumptions: How many times reading was resumed.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        changed: Callable[[], None] = _nobody,
        context: Context | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(extra)
        self.loop = loop
        self.protocol: Any = None
        self.written = bytearray()
        self.buffer = bytearray()
        self.stuck = False
        self.reading = True
        self.ended = False
        self.closing = False
        self.aborted = False
        self.lost = False
        self.tls = bool(extra.get("sslcontext"))
        self.writes = 0
        self.resumptions = 0
        self._changed = changed
        self._context = context
        self._high = 65536
        self._paused = False

    # ------------------------------------------------------------------------ the server's side

    def write(self, data: Any) -> None:
        """Take what the server writes."""
        if self.ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.closing:
            return
        self.writes += 1
        self._changed()
        if not self.stuck:
            self.written += data
            return
        self.buffer += data
        if len(self.buffer) > self._high and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """Give how many bytes the peer has not taken."""
        return len(self.buffer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the high-water mark in bytes; the low one is a quarter of it."""
        self._high = 65536 if high is None else high

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to a protocol."""
        self.protocol = protocol

    def get_protocol(self) -> Any:
        """Give the protocol."""
        return self.protocol

    def is_closing(self) -> bool:
        """Tell whether the connection is over, or about to be."""
        return self.closing

    def can_write_eof(self) -> bool:
        """Tell whether the connection can be ended by halves."""
        return not self.tls

    def write_eof(self) -> None:
        """End the server's half, behind what is written."""
        if self.tls:
            raise NotImplementedError("no half-closed connections over TLS")
        self.ended = True
        self._changed()

    def close(self) -> None:
        """End the connection, behind what is written."""
        self.closing = True
        if not self.buffer:
            self._lose()

    def abort(self) -> None:
        """Cut the connection; what the peer has not taken is lost."""
        self.closing = self.aborted = True
        self.buffer.clear()
        self._lose()

    def pause_reading(self) -> None:
        """Leave what the peer sends unread."""
        if not self.reading:
            raise RuntimeError("reading is paused already")
        self.reading = False

    def resume_reading(self) -> None:
        """Read on."""
        if self.reading:
            raise RuntimeError("reading is not paused")
        self.reading = True
        self.resumptions += 1
        self._changed()

    # -------------------------------------------------------------------------- the peer's side

    def take(self, size: int | None = None) -> None:
        """Have the stuck peer take ``size`` bytes; all of them, and it is stuck no longer."""
        self.stuck = size is not None
        size = len(self.buffer) if size is None else size
        self.written += self.buffer[:size]
        del self.buffer[:size]
        if self._paused and len(self.buffer) <= self._high // 4:
            self._paused = False
            self.protocol.resume_writing()
        if self.closing and not self.buffer:
            self._lose()
        self._changed()

    def lose(self, error: Exception | None = None) -> None:
        """Have the network, or the peer, end the connection."""
        self.closing = True
        self.buffer.clear()
        self._lose(error)

    def _lose(self, error: Exception | None = None) -> None:
        if not self.lost:
            self.lost = True
            self.loop.call_soon(self.connection_lost, error, context=self._context)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the protocol that the connection is gone."""
        self.protocol.connection_lost(error)
        self._changed()
