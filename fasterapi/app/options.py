"""What a route may be told beside its path and its handler, one frozen dataclass a kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..limits import Limits
from ..protocol.deflate import Compression, extension_factories
from ..protocol.extensions import ExtensionFactory
from ..protocol.handshake import ServerHandshake
from ..protocol.headers import Headers, is_token, validate_field
from ..protocol.http import Request
from ..protocol.origin import Origins, check_origins, is_allowed_origin

__all__ = [
    "HTTPOptions",
    "SSEOptions",
    "WebSocketOptions",
    "check_methods",
    "check_subprotocols",
]

# Header fields that a server writes itself: they depend on the version of HTTP.
_OF_THE_SERVER = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketOptions:
    """Options of a WebSocket's route.

    Attributes:
        limits: What a peer may cost, the ping times among them.
        origins: Which pages may connect.
        subprotocols: Those spoken, the preferred one first.
        compression: How messages are compressed where the client can; ``None``: never.
        extensions: Others, in the order in which they encode; compression is the last.

    Raises:
        TypeError: If ``compression`` is something else.
        ValueError: If two extensions have the same name.
    """

    limits: Limits
    origins: Origins
    subprotocols: tuple[str, ...]
    compression: Compression | None = field(default_factory=Compression)
    extensions: tuple[ExtensionFactory, ...] = ()
    # Made once a route, for connections share what can be shared.
    _factories: tuple[ExtensionFactory, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        factories = extension_factories(self.compression, self.extensions)
        object.__setattr__(self, "_factories", factories)

    def handshake(self, request: Request) -> ServerHandshake:
        """Begin to answer a request for this WebSocket."""
        return ServerHandshake(
            request,
            subprotocols=self.subprotocols,
            origins=self.origins,
            extensions=self._factories,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SSEOptions:
    """Options of an event stream's route, CORS among them (WHATWG Fetch, section 3.3).

    Attributes:
        limits: What a peer may cost.
        headers: Header fields of the response.
        keepalive: Seconds of silence after which a comment is sent; ``None``: none.
        origins: Pages of other origins that may read the stream; ``"*"`` in it: all.
        credentials: Whether those may send cookies.

    Raises:
        ValueError: If ``keepalive`` is not positive, an origin is none, or the pages of all
            origins could read what a user's cookies open.
        LocalProtocolError: If a header field can't be sent, or is one that the server writes.
    """

    limits: Limits
    headers: Headers
    keepalive: float | None
    origins: tuple[str, ...]
    credentials: bool

    def __post_init__(self) -> None:
        if self.keepalive is not None and not self.keepalive > 0:
            raise ValueError(f"keepalive has to be positive or None, not {self.keepalive!r}")
        check_origins(self.origins)
        if self.credentials and "*" in self.origins:
            raise ValueError("credentials=True needs a list of origins, and not '*'")
        _check_headers(self.headers)

    def response_headers(self, request: Request) -> Headers:
        """Give the response's header fields, those of CORS among them."""
        return Headers([*self.headers, *self.cors_headers(request)])

    def cors_headers(self, request: Request) -> Sequence[tuple[str, str]]:
        """Give the header fields that let another origin's page read the response."""
        if not self.origins:
            return ()
        if "*" in self.origins:
            return [("Access-Control-Allow-Origin", "*")]
        fields = [("Vary", "Origin")]
        origin = request.headers.get("origin")
        if origin is not None and is_allowed_origin(origin, "", self.origins):
            fields.append(("Access-Control-Allow-Origin", origin))
            if self.credentials:
                fields.append(("Access-Control-Allow-Credentials", "true"))
        return fields

    def preflight_headers(
        self, request: Request, methods: Sequence[str]
    ) -> Sequence[tuple[str, str]]:
        """Answer a page that asks before it sends a request (WHATWG Fetch, section 3.3.2).

        Args:
            request: An OPTIONS request.
            methods: Those of the route.
        """
        fields = list(self.cors_headers(request))
        if any(name == "Access-Control-Allow-Origin" for name, _ in fields):
            fields.append(("Access-Control-Allow-Methods", ", ".join(methods)))
            if asked := request.headers.get("access-control-request-headers"):
                fields.append(("Access-Control-Allow-Headers", asked))
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPOptions:
    """Options of a plain route.

    Attributes:
        limits: What a request may cost; ``max_body_size`` counts here.
    """

    limits: Limits


def check_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """Bring methods into the form that is compared; HEAD comes with GET (RFC 9110, 9.3.2).

    Raises:
        ValueError: If it is no list, or holds what can't be a method.
    """
    if isinstance(methods, str) or not methods or not all(map(is_token, methods)):
        raise ValueError(f"methods has to be a list such as ['GET'], not {methods!r}")
    names = [method.upper() for method in methods]
    if "GET" in names:
        names.insert(names.index("GET") + 1, "HEAD")
    return tuple(dict.fromkeys(names))


def check_subprotocols(subprotocols: Sequence[str]) -> tuple[str, ...]:
    """Check the names of subprotocols (RFC 6455, section 4.1).

    Raises:
        ValueError: If it is no list, or holds what is no token.
    """
    if isinstance(subprotocols, str) or not all(map(is_token, subprotocols)):
        raise ValueError(f"subprotocols has to be a list of tokens, not {subprotocols!r}")
    return tuple(subprotocols)


def _check_headers(headers: Headers) -> None:
    for name, value in headers:
        validate_field(name, value)
        if name.lower() in _OF_THE_SERVER:
            raise ValueError(f"the server writes the header {name} itself")
