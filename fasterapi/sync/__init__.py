"""The blocking adapter: sessions for ``def`` handlers over a blocking byte stream, and clients.

``connect`` opens a ``SyncWebSocket`` to a server, ``events`` reads a server's event stream.
"""

from __future__ import annotations

from .client import connect
from .event_stream import SyncEventStream, events
from .sse import SyncSSEConnection
from .stream import ByteStream, SocketStream
from .threads import ThreadPool
from .websocket import SyncWebSocket

__all__ = [
    "ByteStream", "SocketStream", "SyncEventStream", "SyncSSEConnection", "SyncWebSocket",
    "ThreadPool", "connect", "events",
]  # fmt: skip
