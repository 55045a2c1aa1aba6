"""A stream of an HTTP/2 connection as an asyncio transport, for whatever runs on one.

Bytes written become data of the stream, and its data are the bytes read; pausing, resuming and
closing mean what they mean on a socket. The one timetable that asyncio keeps is kept here too: a
protocol hears of the end by ``connection_lost``, once, and never from within its own call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..http.h2_frames import ErrorCode
from ..http.h2_stream import HTTP2Stream

if TYPE_CHECKING:
    from .h2 import HTTP2Protocol

__all__ = ["StreamTransport"]

_HIGH_WATER = 64 * 1024


class StreamTransport(asyncio.Transport):
    """One stream, seen as a connection.

    Args:
        owner: The connection that carries it.
        stream: The stream.

    Attributes:
        stream: As given.
    """

    __slots__ = (
        "_closing", "_eof", "_held", "_high", "_loop", "_lost", "_low", "_owner", "_paused",
        "_protocol", "_reading", "_resuming", "stream",
    )  # fmt: skip

    def __init__(self, owner: HTTP2Protocol, stream: HTTP2Stream) -> None:
        super().__init__()
        self.stream = stream
        self._owner = owner
        self._loop = owner.server.loop
        self._protocol: asyncio.Protocol
        self._reading = True
        self._held = bytearray()  # came while reading was paused; a window bounds it
        self._eof = False  # so did the peer's end
        self._resuming = False
        self._paused = False  # the protocol was asked to write no more
        self._closing = False
        self._lost = False
        self.set_write_buffer_limits()

    # -------------------------------------------------------------------- from the connection

    def feed(self, data: bytes) -> None:
        """Hand on data, or keep it while reading is paused."""
        if self._held or not self._reading:
            self._held += data
        elif not self._lost:
            self.stream.consumed(len(data))
            self._protocol.data_received(data)

    def feed_eof(self) -> None:
        """Hand on the end of the peer's half, behind all data."""
        if self._held or not self._reading:
            self._eof = True
        elif not self._lost and not self._protocol.eof_received():
            self.close()

    def progressed(self) -> None:
        """Some of what was written has been sent."""
        if self._paused and self.stream.queued <= self._low and not self._lost:
            self._paused = False
            self._protocol.resume_writing()
        if self._closing and self.stream.ended:
            self._finish(None)

    def lose(self, error: Exception | None) -> None:
        """Tell the protocol that the stream is gone, by the peer's doing or with its connection."""
        if not self._lost:
            self._closing = self._lost = True
            self._held.clear()
            self._protocol.connection_lost(error)

    # -------------------------------------------------------------------------------- reading

    def is_reading(self) -> bool:
        """Tell whether data is handed on."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Keep what comes, and give the peer no credit for it."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand on what has come, and what comes."""
        self._reading = True
        if (self._held or self._eof) and not self._resuming:
            self._resuming = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._resuming = False
        if self._held and self._reading and not self._lost:
            data = bytes(self._held)
            self._held.clear()
            self.stream.consumed(len(data))
            self._protocol.data_received(data)
        if self._eof and not self._held and self._reading and not self._lost:
            self._eof = False
            self.feed_eof()
        self._owner.flush_soon()

    # -------------------------------------------------------------------------------- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue data, and have the connection send what it can in this turn of the loop."""
        if self._lost:
            return
        self.stream.write(data)
        if self.stream.queued > self._high:
            self._owner.flush()
            if self.stream.queued > self._high and not self._paused and not self._lost:
                self._paused = True
                self._protocol.pause_writing()
        self._owner.flush_soon()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Queue all of it."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Tell that either half can end by itself."""
        return True

    def write_eof(self) -> None:
        """End our half when all is sent."""
        self.stream.write_eof()
        self._owner.flush_soon()

    def get_write_buffer_size(self) -> int:
        """Count what waits to be sent, in bytes."""
        return self.stream.queued

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks at which the protocol is asked to pause and to resume, in bytes."""
        self._high = _HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Give the two marks, the low one first."""
        return self._low, self._high

    # ---------------------------------------------------------------------------------- the end

    def is_closing(self) -> bool:
        """Tell whether the end is near, or past."""
        return self._closing

    def close(self) -> None:
        """End the stream when all is sent."""
        if self._closing:
            return
        self._closing = True
        self.stream.close()
        self._owner.flush_soon()
        if self.stream.ended:
            self._finish(None)

    def abort(self) -> None:
        """End the stream at once; what waits is dropped."""
        self._closing = True
        self.stream.reset(ErrorCode.CANCEL)
        self._owner.flush_soon()
        self._finish(None)

    def _finish(self, error: Exception | None) -> None:
        """Let go of the stream, and tell the protocol in the next turn of the loop."""
        if not self._lost:
            self._lost = True
            self._owner.forget_stream(self)
            self._loop.call_soon(self._protocol.connection_lost, error)

    # ------------------------------------------------------------------------------------ other

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol told of what comes."""
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give the protocol that is told of what comes."""
        return self._protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell of the connection that carries the stream."""
        return self._owner.transport.get_extra_info(name, default)
