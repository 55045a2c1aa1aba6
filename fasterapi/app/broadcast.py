"""One message to many WebSockets, framed and compressed once for all that it can be."""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol.frames import Buffer
from ..protocol.prepared import PreparedMessage
from .websocket import WebSocketBase

__all__ = ["broadcast"]


def broadcast(
    websockets: Iterable[WebSocketBase],
    message: str | Buffer,
    *,
    compress: bool | None = None,
) -> int:
    """Send a message to many, waiting for none of them.

    It is framed once; it is compressed once for all that keep no context
    (``Compression(context_takeover=False)``), and for each of the others. A WebSocket that is not
    accepted yet, is closing, or is in the middle of ``send_stream`` is left out. One that reads too
    slowly is cut off by ``Limits.max_write_buffer``; to leave it out instead, give only those whose
    ``WebSocket.buffered`` is small.

    Args:
        websockets: ``WebSocket`` of the running loop, ``SyncWebSocket`` of any thread, in any mix.
        message: ``str`` goes as text, bytes as binary.
        compress: As in ``send``.

    Returns:
        How many it was queued for.

    Raises:
        TypeError: If the message is neither text nor bytes.
        UnicodeEncodeError: If text holds a lone surrogate.
    """
    prepared = PreparedMessage(message, compress=compress)
    # A set may lose members meanwhile: a callback handler whose connection is cut off is told.
    return sum(websocket._send_prepared(prepared) for websocket in tuple(websockets))
