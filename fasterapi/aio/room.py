"""What a sender awaits while its peer reads slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

__all__ = ["Room"]


class Room:
    """An awaitable that is over when there is room for more.

    Whoever awaits it has been held up as it should be, and its bytes are not what makes a peer too
    slow a reader: many tasks may wait, each with a message of its own. What is sent and not awaited
    is.

    Args:
        loop: The running loop.
        size: Bytes that were sent.

    Attributes:
        awaited: Whether somebody awaits it now.
        size: As given.
    """

    __slots__ = ("_over", "awaited", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._over: asyncio.Future[None] = loop.create_future()
        self.awaited = False
        self.size = size

    def __await__(self) -> Generator[None, None, None]:
        """Wait until there is room, or nobody is left to send to."""
        self.awaited = True
        try:
            yield from self._over.__await__()
        finally:
            self.awaited = False

    def open(self) -> None:
        """Let whoever waits go on."""
        if not self._over.done():
            self._over.set_result(None)
