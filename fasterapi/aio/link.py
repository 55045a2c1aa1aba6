"""A client's transport while it is being opened: read from piece by piece, by whoever waits."""

from __future__ import annotations

import asyncio
from typing import cast

from ..http.h1_client import ResponseReader
from .timers import TURNS

__all__ = ["Link"]

_MUCH = 64 * 1024
"""Bytes that may wait to be read before the transport is paused."""


class Link(asyncio.Protocol):
    """A transport while nobody's own protocol has it: it is read from piece by piece.

    Attributes:
        transport: Give it a protocol of its own with ``set_protocol``, once the head is there.
        ended: Whether the peer has ended its half, or the transport is gone.
        lost: Whether the transport is gone.
        paused: Whether reading is paused; the next protocol has to resume it.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.ended = False
        self.lost = False
        self.paused = False
        self._data = bytearray()
        self._error: Exception | None = None
        self._arrived = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what arrives until it is asked for."""
        self._data += data
        self._arrived.set()
        if len(self._data) > _MUCH and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Take the peer's end; over TLS it is ours too."""
        self.ended = True
        self._arrived.set()
        return self.transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:
        """Take the transport's end."""
        self.ended = self.lost = True
        self._error = error
        self._arrived.set()

    async def read(self, most: int | None = None, *, due: float | None = None) -> bytes:
        """Wait for bytes; ``b""`` is the end.

        Args:
            most: How many of them at most; by default all that are there.
            due: When to wait no longer, in the time of the loop. What has arrived is read, however
                late a busy loop comes to it.

        Raises:
            OSError: If the connection was reset, or nothing has arrived when it was due
                (``TimeoutError``, without an ``errno``).
        """
        if not self._data and not self.ended:
            await self._arrival(due)
        if not self._data and self._error is not None:
            raise self._error
        return self.take(most)

    def take(self, most: int | None = None) -> bytes:
        """Give what is there, or the beginning of it."""
        data = bytes(memoryview(self._data)[:most])
        del self._data[:most]
        if self.paused and not self.ended and len(self._data) <= _MUCH:
            self.paused = False
            self.transport.resume_reading()
        return data

    async def ask(self, request: bytes, reader: ResponseReader) -> None:
        """Write a request, and read until the reader has its response.

        Raises:
            InvalidResponse: If the answer is no HTTP.
            OSError: If the connection ends before.
        """
        self.transport.write(request)
        while reader.receive_data(data := await self.read()) is None:
            if not data:
                reader.receive_eof()

    async def _arrival(self, due: float | None) -> None:
        """Wait until there is something to read, or never will be; several may do so."""
        try:
            async with asyncio.timeout_at(due):
                while not self._data and not self.ended:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if not self._data and not self.ended:
                raise
