"""WebSockets in Flask, under werkzeug, gunicorn (threads or gevent) and gevent.

    @app.route("/chat/<room>", websocket=True)
    @websocket()
    def chat(ws: SyncWebSocket, room: str):
        for message in ws:
            ws.send(message)

A view like any other: it may use the request, the session and the database, and ``abort`` before
the handshake is answered. The thread is its own as long as the WebSocket is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from flask import Response as FlaskResponse
from flask import request

from ..app.options import WebSocketOptions, check_subprotocols
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.deflate import Compression, check_compression
from ..protocol.extensions import ExtensionFactory
from ..protocol.origin import SAME_ORIGIN, Origins, check_origins
from .wsgi_websocket import hang_up, serve_websocket

__all__ = ["websocket"]

View = Callable[..., Any]


def websocket(
    *,
    origins: Origins = SAME_ORIGIN,
    subprotocols: Sequence[str] = (),
    compression: Compression | bool | None = True,
    extensions: Sequence[ExtensionFactory] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Callable[[View], View]:
    """Make a view of a function that takes a ``SyncWebSocket`` first, and then what a view takes.

    Args:
        origins: Which pages may connect.
        subprotocols: Those that the handler speaks, the preferred one first.
        compression: How messages are compressed where the client can; ``True``: as
            ``Compression()`` says; ``False`` or ``None``: never.
        extensions: Extensions beside it.
        limits: What a client may cost.

    Raises:
        ValueError: If an option makes no sense.
    """
    options = WebSocketOptions(
        limits=limits,
        origins=check_origins(origins),
        subprotocols=check_subprotocols(subprotocols),
        compression=check_compression(compression),
        extensions=tuple(extensions),
    )

    def decorate(function: View) -> View:
        @wraps(function)
        def view(*args: Any, **kwargs: Any) -> FlaskResponse:
            refusal = serve_websocket(
                request.environ,
                lambda ws: function(ws, *args, **kwargs),
                options,
                function.__qualname__,
            )
            if refusal is None:
                return _Over()
            return FlaskResponse(refusal.body, refusal.status, list(refusal.headers))

        return view

    return decorate


class _Over(FlaskResponse):
    """The response of a view whose WebSocket is over: none."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Keep the server from writing."""
        return hang_up(environ, start_response)
