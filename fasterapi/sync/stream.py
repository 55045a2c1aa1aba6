"""The blocking byte stream that ``SyncWebSocket`` stands on: four verbs, and two for its watcher.

A socket is one, and so is the bridge from a thread into an event loop.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["ByteStream"]


class ByteStream(Protocol):
    """A connection's bytes, both ways.

    While a handler waits for a message it reads the stream itself. While it is busy elsewhere a
    watcher does, by calling the session's ``pump`` when there is something to read; ``rest``
    tells the watcher that the handler reads no longer.
    """

    def recv(self, size: int) -> bytes:
        """Wait for bytes; ``b""`` is the end. ``TimeoutError`` after the time set."""

    def sendall(self, data: bytes) -> None:
        """Write all of ``data``, waiting for room; ``OSError`` if nobody is left to take it."""

    def settimeout(self, seconds: float | None) -> None:
        """Set how long ``recv`` waits; ``None``: for ever."""

    def close(self) -> None:
        """End the connection."""

    def is_writable(self) -> bool:
        """Tell whether there is room for more; ``sendall`` would not wait for long."""

    def rest(self) -> None:
        """Nobody waits in ``recv`` any more: the watcher reads from now on."""
