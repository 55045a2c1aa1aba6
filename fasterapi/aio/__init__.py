"""The asyncio adapter: an ``App`` on sockets, and clients, in an event loop.

``run`` is a whole process, ``serve`` a server in a loop that runs already; ``WebSocket`` and
``SSEConnection`` are what handlers get. ``connect`` opens a ``WebSocket`` to a server, ``events``
reads a server's event stream.
"""

from __future__ import annotations

from .client import connect
from .event_stream import EventStream, events
from .run import run
from .server import Server, serve
from .sse import SSEConnection
from .websocket import WebSocket

__all__ = [
    "EventStream", "SSEConnection", "Server", "WebSocket", "connect", "events", "run", "serve",
]  # fmt: skip
