"""The blocking adapter: sessions for ``def`` handlers over a blocking byte stream."""

from __future__ import annotations

from .sse import SyncSSEConnection
from .stream import ByteStream, SocketStream
from .threads import ThreadPool
from .websocket import SyncWebSocket

__all__ = ["ByteStream", "SocketStream", "SyncSSEConnection", "SyncWebSocket", "ThreadPool"]
