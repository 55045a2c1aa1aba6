"""fasterapi: WebSocket and Server-Sent Events for Python.

The names below are loaded when they are first used, so that ``import fasterapi.protocol``, the
sans-IO core, brings in no socket, no event loop and no thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._speedups import implementation as __impl__
from ._speedups.deflate import deflate as __deflate__
from ._speedups.deflate import inflate as __inflate__
from ._version import __version__

if TYPE_CHECKING:
    from .aio import EventStream, Server, SSEConnection, WebSocket, connect, events, serve
    from .app import App, broadcast
    from .contrib.sse_response import SSEResponse
    from .errors import (
        ConcurrentReceive,
        ConnectionClosed,
        EventStreamError,
        FasterAPIError,
        HandshakeError,
        HTTPError,
        InvalidArgument,
        InvalidMessage,
        InvalidResponse,
        LocalProtocolError,
        ProxyError,
        RedirectError,
    )  # fmt: skip
    from .limits import Limits
    from .protocol import (
        SAME_ORIGIN,
        Compression,
        Reconnect,
        Request,
        Response,
        ServerSentEvent,
        State,
    )  # fmt: skip
    from .sync import SyncEventStream, SyncSSEConnection, SyncWebSocket

_HOMES = {
    "aio": (
        "EventStream", "SSEConnection", "Server", "WebSocket", "connect", "events", "serve",
    ),
    "app": ("App", "broadcast"),
    "contrib.sse_response": ("SSEResponse",),
    "errors": (
        "ConcurrentReceive", "ConnectionClosed", "EventStreamError", "FasterAPIError",
        "HTTPError", "HandshakeError", "InvalidArgument", "InvalidMessage", "InvalidResponse",
        "LocalProtocolError", "ProxyError", "RedirectError",
    ),
    "limits": ("Limits",),
    "protocol": (
        "Compression", "Reconnect", "Request", "Response", "SAME_ORIGIN", "ServerSentEvent",
        "State",
    ),
    "sync": ("SyncEventStream", "SyncSSEConnection", "SyncWebSocket"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "SAME_ORIGIN", "App", "Compression", "ConcurrentReceive", "ConnectionClosed", "EventStream",
    "EventStreamError", "FasterAPIError", "HTTPError", "HandshakeError", "InvalidArgument",
    "InvalidMessage", "InvalidResponse", "Limits", "LocalProtocolError", "ProxyError",
    "Reconnect", "RedirectError", "Request", "Response", "SSEConnection", "SSEResponse", "Server",
    "ServerSentEvent", "State", "SyncEventStream", "SyncSSEConnection", "SyncWebSocket",
    "WebSocket", "__deflate__", "__impl__", "__inflate__", "__version__", "broadcast", "connect",
    "events", "serve",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "sync":  # so that fasterapi.sync.events needs no import of its own
        return import_module(".sync", __name__)
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
