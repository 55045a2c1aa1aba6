"""Responses become ASGI events, and a request's scope a ``Request``: what HTTP/1.1 is elsewhere.

ASGI, "HTTP" and "WebSocket" (version 2.4 of the specification of their messages). The server has
parsed and judged the request, and frames the body; which events say what is all that is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ..errors import LocalProtocolError
from ..http.h1_response import has_no_body, length_field, refuse_framing
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.connection import Role, WebSocketConnection
from ..protocol.handshake import ServerHandshake
from ..protocol.headers import Headers
from ..protocol.http import Request, Response
from ..protocol.keepalive import Keepalive

__all__ = ["Event", "ExchangeEvents", "Handshake", "event_size", "split_body", "to_request"]

Event = dict[str, Any]

_SERVERS = frozenset(("sec-websocket-extensions", "upgrade"))
"""Fields of a request that are between the client and the server."""


class ExchangeEvents:
    """The answer to one request, as events; it stands where an ``HTTP1Connection`` does elsewhere.

    Args:
        scope: The request's.

    Attributes:
        should_close: Whether the answer is complete.
    """

    fault = ""
    wants_data = True
    peer_gone = True  # there is no half of a connection to be ended

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.should_close = False
        self._method: str = scope.get("method", "GET")
        self._socket = scope["type"] == "websocket"
        self._prefix = "websocket.http.response" if self._socket else "http.response"
        self._can_deny = "websocket.http.response" in (scope.get("extensions") or {})
        self._events: list[Event] = []
        self._pieces: list[bytes] = []

    def respond(self, response: Response, *, now: float = 0.0) -> None:
        """Answer with a whole response; errors as ``HTTP1Connection.respond``."""
        own = length_field(response, self._method)
        if self._socket and not self._can_deny:
            # Such a server knows one refusal only: 403.
            self._events.append({"type": "websocket.close"})
        else:
            self._start(response, own)
            body = b"" if has_no_body(response, self._method) else response.body
            self._events.append({"type": f"{self._prefix}.body", "body": body})
        self.should_close = True

    def start_stream(self, response: Response) -> None:
        """Answer with a head whose body follows piece by piece."""
        refuse_framing(response)
        self._start(response, ())

    def send_data(self, data: bytes) -> None:
        """Queue a piece of the body; what is queued together goes out as one."""
        self._pieces.append(data)

    def end(self, *, now: float = 0.0) -> None:
        """End the body."""
        self._join()
        self._events.append({"type": f"{self._prefix}.body", "body": b"", "more_body": False})
        self.should_close = True

    def upgrade(self, response: Response) -> bytes:
        """Accept a WebSocket."""
        chosen = "sec-websocket-protocol"
        fields = [field for field in response.headers if field[0].lower() != chosen]
        self._events.append({
            "type": "websocket.accept",
            "subprotocol": response.headers.get(chosen),
            "headers": _encoded(fields),
        })  # fmt: skip
        return b""

    def data_to_send(self) -> list[Event]:
        """Give the events that are queued, and empty the queue."""
        self._join()
        events, self._events = self._events, []
        return events

    def refuse(self, response: Response) -> None:
        """Answer before the request is read."""
        self.respond(response)

    def next_request(self, now: float = 0.0) -> None:
        """Tell that there is none: each has a scope of its own."""

    def next_deadline(self) -> float | None:
        """Tell that there is none: the server has its own."""
        return None

    def tick(self, now: float) -> None:
        """Do nothing."""

    def close_after_response(self) -> None:
        """Do nothing: what becomes of the connection is the server's affair."""

    def _start(self, response: Response, own: Iterable[tuple[str, str]]) -> None:
        self._events.append({
            "type": f"{self._prefix}.start",
            "status": int(response.status),
            "headers": _encoded([*response.headers, *own]),
        })  # fmt: skip

    def _join(self) -> None:
        if self._pieces:
            body = b"".join(self._pieces)
            self._pieces.clear()
            event = {"type": f"{self._prefix}.body", "body": body, "more_body": True}
            self._events.append(event)


class Handshake(ServerHandshake):
    """A handshake that the server has judged; what is left is the origin and the subprotocol.

    Over HTTP/2 there is no key, and a test client has one of its own making.
    """

    def connection(
        self, *, limits: Limits = DEFAULT_LIMITS, keepalive: Keepalive | None = None
    ) -> WebSocketConnection:
        """Give the WebSocket; pings are the server's."""
        if not self._accepted:
            raise LocalProtocolError("the handshake is not accepted")
        return _Connection(Role.SERVER, limits=limits, subprotocol=self.subprotocol)

    def _check_head(self) -> None:
        """Leave it: the server has answered for it, or is about to."""

    def _accepting(self, subprotocol: str | None) -> list[tuple[str, str]]:
        """Make the fields that say what was agreed on: the rest is the server's."""
        return [("Sec-WebSocket-Protocol", subprotocol)] if subprotocol is not None else []


class _Connection(WebSocketConnection):
    """A WebSocket whose frames are the server's affair: whole messages go in and out."""

    __slots__ = ()

    def ping(self, payload: Any = b"", *, now: float | None = None) -> None:
        """Refuse."""
        raise _beyond("pings", "ping() and latency")

    def pong(self, payload: Any = b"") -> None:
        """Refuse."""
        raise _beyond("pongs", "pong()")

    def send_fragment(self, data: Any, *, fin: bool, compress: bool | None = None) -> None:
        """Refuse."""
        raise _beyond("fragments", "send_stream()")

    @property
    def streaming(self) -> bool:
        """Whether messages are handed on in parts: never."""
        return False

    @streaming.setter
    def streaming(self, value: bool) -> None:
        if value:
            raise _beyond("fragments", "receive_stream()")


def _beyond(what: str, verbs: str) -> LocalProtocolError:
    return LocalProtocolError(
        f"{verbs}: ASGI has no {what}, they are the server's affair; "
        "serve the app with app.run() to have them"
    )


def to_request(scope: Mapping[str, Any], body: bytes = b"") -> Request:
    """Make a request of a scope; its path is the one below ``root_path``.

    Args:
        scope: Of an HTTP request or a WebSocket.
        body: The whole body.
    """
    socket = scope["type"] == "websocket"
    fields = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in scope["headers"]]
    version = scope.get("http_version", "1.1")
    if socket:
        names = {name for name, _ in fields}
        fields = [field for field in fields if field[0] not in _SERVERS]
        fields.append(("upgrade", "websocket"))  # it is one, however it was asked for
        if scope.get("subprotocols") and "sec-websocket-protocol" not in names:
            fields.append(("sec-websocket-protocol", ", ".join(scope["subprotocols"])))
        version = "1.1"
    query = scope.get("query_string", b"").decode("latin-1")
    client = scope.get("client")
    host = f"[{client[0]}]" if client and ":" in client[0] else client and client[0]
    return Request(
        scope.get("method", "GET"),
        _path(scope) + (f"?{query}" if query else ""),
        Headers.of_text(fields),
        http_version=version,
        scheme="https" if scope.get("scheme", "http") in ("https", "wss") else "http",
        body=body,
        client=f"{host}:{client[1]}" if client else "",
    )


def event_size(event: Mapping[str, Any]) -> int:
    """Give the bytes of an event's body, or of its message."""
    return len(event.get("body") or event.get("bytes") or event.get("text") or b"")


def split_body(event: Event, size: int) -> list[Event]:
    """Split a long body, so that progress is seen: a server takes an event as a whole.

    Args:
        event: Of any type.
        size: Bytes of a piece, at most.
    """
    body = event.get("body", b"")
    if len(body) <= size:
        return [event]
    pieces = [{**event, "body": body[at : at + size]} for at in range(0, len(body), size)]
    for piece in pieces[:-1]:
        piece["more_body"] = True
    return pieces


def _path(scope: Mapping[str, Any]) -> str:
    """Give the path below ``root_path``, percent-encoded; the server's and a mount's are in it."""
    raw = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1").partition("?")[0]
    root = scope.get("root_path", "").rstrip("/")
    for prefix in (root, quote(root)):
        if prefix and path.startswith(prefix) and path[len(prefix) :][:1] in ("", "/"):
            path = path[len(prefix) :]
            break
    return path or "/"


def _encoded(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in fields]
