"""The blocking adapter: an ``App`` on sockets, with threads; sessions over byte streams; clients.

``run`` is a whole process, ``serve`` a server to be used with ``with``; ``SyncWebSocket`` and
``SyncSSEConnection`` are what ``def`` handlers get, in either adapter. ``connect`` opens a
``SyncWebSocket`` to a server, ``events`` reads a server's event stream.
"""

from __future__ import annotations

from .client import connect
from .event_stream import SyncEventStream, events
from .run import run
from .server import Server, serve
from .sse import SyncSSEConnection
from .stream import ByteStream, SocketStream
from .threads import ThreadPool
from .websocket import SyncWebSocket

__all__ = [
    "ByteStream", "Server", "SocketStream", "SyncEventStream", "SyncSSEConnection", "SyncWebSocket",
    "ThreadPool", "connect", "events", "run", "serve",
]  # fmt: skip
