"""The asyncio adapter: an ``App`` on sockets, in an event loop.

``run`` is a whole process, ``serve`` a server in a loop that runs already; ``WebSocket`` and
``SSEConnection`` are what handlers get. ``events`` reads a server's event stream.
"""

from __future__ import annotations

from .event_stream import EventStream, events
from .run import run
from .server import Server, serve
from .sse import SSEConnection
from .websocket import WebSocket

__all__ = ["EventStream", "SSEConnection", "Server", "WebSocket", "events", "run", "serve"]
