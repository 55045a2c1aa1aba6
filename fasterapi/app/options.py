"""What a route may be told beside its path and its handler, one frozen dataclass a kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..limits import Limits
from ..protocol.headers import Headers
from ..protocol.http import Request
from ..protocol.origin import Origins

__all__ = ["HTTPOptions", "SSEOptions", "WebSocketOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """Options of a WebSocket's route.

    Attributes:
        limits: What a peer may cost, the ping times among them.
        origins: Which pages may connect.
        subprotocols: Those spoken, the preferred one first.
    """

    limits: Limits
    origins: Origins
    subprotocols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SSEOptions:
    """Options of an event stream's route.

    Attributes:
        limits: What a peer may cost.
        headers: Header fields of the response.
        keepalive: Seconds of silence after which a comment is sent; ``None``: none.
        origins: Pages of other origins that may read the stream (CORS); ``"*"`` in it: all.
        credentials: Whether those may send cookies.
    """

    limits: Limits
    headers: Headers
    keepalive: float | None
    origins: tuple[str, ...]
    credentials: bool

    def response_headers(self, request: Request) -> Headers:
        """Give the response's header fields, those of CORS among them (WHATWG Fetch, 3.3)."""
        return Headers([*self.headers, *self.cors_headers(request)])

    def cors_headers(self, request: Request) -> Sequence[tuple[str, str]]:
        """Give the header fields that let another origin's page read the response."""
        origin = request.headers.get("origin")
        if not self.origins:
            return ()
        if "*" in self.origins and not self.credentials:
            return [("Access-Control-Allow-Origin", "*")]
        fields = [("Vary", "Origin")]
        if origin is not None and (origin in self.origins or "*" in self.origins):
            fields.append(("Access-Control-Allow-Origin", origin))
            if self.credentials:
                fields.append(("Access-Control-Allow-Credentials", "true"))
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPOptions:
    """Options of a plain route.

    Attributes:
        limits: What a peer may cost.
    """

    limits: Limits
