"""The blocking adapter: sessions for ``def`` handlers over a blocking byte stream, and clients."""

from __future__ import annotations

from .event_stream import SyncEventStream, events
from .sse import SyncSSEConnection
from .stream import ByteStream, SocketStream
from .threads import ThreadPool
from .websocket import SyncWebSocket

__all__ = [
    "ByteStream", "SocketStream", "SyncEventStream", "SyncSSEConnection", "SyncWebSocket",
    "ThreadPool", "events",
]  # fmt: skip
