"""What a WebSocket client was told, checked: its way to the server, its requests, its connection.

One description for as many attempts as its user makes. ``WebSocketRequest.attempt`` gives the
opening of each; its answer becomes a ``WebSocketConnection``. Nothing is opened here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.client_handshake import ClientHandshake
from ..protocol.connection import WebSocketConnection
from ..protocol.deflate import Compression, extension_factories
from ..protocol.extensions import ExtensionFactory
from ..protocol.handshake import check_subprotocols
from ..protocol.headers import HeaderPairs, Headers
from ..protocol.http import Request, Response
from ..protocol.keepalive import Keepalive
from ..protocol.reconnect import Reconnect
from ..protocol.sse import to_json
from ..protocol.uri import URI, parse_uri
from .opening import USER_AGENT, Opening, with_user_agent
from .route import Route

__all__ = ["Attempt", "ConnectOptions", "WebSocketRequest"]

_LIMITS = ("open_timeout", "ping_interval", "ping_timeout")


class ConnectOptions(TypedDict, total=False):
    """What ``connect`` may be told beside the URL.

    Attributes:
        subprotocols: To offer, the preferred one first.
        origin: The ``Origin`` header; only browsers have to send one.
        headers: Further header fields, such as ``Authorization`` or ``Cookie``.
        user_agent: The ``User-Agent``; ``None``: none.
        compression: How messages are compressed where the server can; ``True``: as
            ``Compression()`` says, the default; ``False`` or ``None``: never.
        extensions: Others, in the order in which they encode; compression is the last.
        ssl: An ``ssl.SSLContext`` for ``wss``; by default the system's certificates decide.
        server_hostname: The name that the server's certificate has to have, if not the URL's.
        uds: Path of a unix socket, instead of the URL's host and port.
        sock: A connected ``socket.socket`` instead; it serves one connection.
        proxy: A proxy's URL (``http``, ``https``, ``socks4``, ``socks4a``, ``socks5``,
            ``socks5h``), perhaps with user and password; ``True``: what the environment says, the
            default; ``None``: none.
        open_timeout: Seconds that opening may take in all, redirects and proxy included; ``None``:
            no bound; by default the limits'.
        ping_interval: Seconds of silence before a ping; ``None``: no pings; by default the limits'.
        ping_timeout: Seconds that the server has to answer it; ``None``: for ever; by default the
            limits'.
        max_redirects: Redirects to follow; 0: none; by default the limits'.
        limits: What the server may cost.
        reconnect: When a loop over ``connect`` connects again; see ``Reconnect``. ``True``, the
            default: ``WEBSOCKET_RECONNECT``, which also fills what a policy leaves open. ``False``:
            never, as with a ``sock``.
        dumps, loads: JSON to text and back.
        masking_key: Makes the masking keys, for tests; by default they come from ``secrets``.
    """

    subprotocols: Sequence[str]
    origin: str | None
    headers: HeaderPairs
    user_agent: str | None
    compression: Compression | bool | None
    extensions: Sequence[ExtensionFactory]
    ssl: Any
    server_hostname: str | None
    uds: str | None
    sock: Any
    proxy: bool | str | None
    open_timeout: float | None
    ping_interval: float | None
    ping_timeout: float | None
    max_redirects: int | None
    limits: Limits
    reconnect: bool | Reconnect
    dumps: Callable[[Any], str]
    loads: Callable[[str | bytes], Any]
    masking_key: Callable[[], bytes] | None


class WebSocketRequest:
    """A URL and options, checked.

    Args:
        url: ``ws://`` or ``wss://``.
        options: See ``ConnectOptions``.

    Attributes:
        url: The URL, without a password.
        route: The way to the server.
        limits: With the times that have options of their own.
        reconnect: The policy; ``None``: there is one attempt.
        dumps, loads: As in the options.

    Raises:
        TypeError: If there is no such option, or ``compression`` or ``reconnect`` is something
            else.
        ValueError: If the URL is none, or options make no sense or don't fit together.
        LocalProtocolError: If ``headers`` hold a field that the handshake writes, or that can't be
            sent.
    """

    def __init__(self, url: str, options: ConnectOptions) -> None:
        if unknown := set(options) - set(ConnectOptions.__annotations__):
            raise TypeError(f"connect() has no option {min(unknown)!r}")
        self._given = url
        self._options = options
        uri = parse_uri(url)
        self.url = str(uri)
        times = {name: options[name] for name in _LIMITS if name in options}  # type: ignore[literal-required]
        self.limits = replace(options.get("limits", DEFAULT_LIMITS), **times)
        self.dumps = options.get("dumps", to_json)
        self.loads = options.get("loads", json.loads)
        self.route = Route(
            uri=uri,
            ssl=options.get("ssl"),
            server_hostname=options.get("server_hostname"),
            uds=options.get("uds"),
            sock=options.get("sock"),
            proxy=options.get("proxy", True),
        )
        self.reconnect = self.route.policy(options.get("reconnect"))
        self._headers = Headers(options.get("headers", ()))  # an iterator gives them only once
        self._subprotocols = check_subprotocols(options.get("subprotocols", ()))
        self._extensions = extension_factories(
            options.get("compression", True), options.get("extensions", ())
        )
        self.attempt()  # whatever is wrong with it is said now

    def attempt(self) -> Attempt:
        """Begin an attempt."""
        return Attempt(self)

    def handshake(self, uri: URI, headers: Headers) -> ClientHandshake:
        """Make a handshake with the server of a URI."""
        options = self._options
        return ClientHandshake(
            uri,
            subprotocols=self._subprotocols,
            origin=options.get("origin"),
            headers=with_user_agent(headers, options.get("user_agent", USER_AGENT)),
            extensions=self._extensions,
        )

    def opening(self, make: Callable[[URI, Headers], Request]) -> Opening:
        """Make the opening of an attempt."""
        return Opening(
            self._given,
            make,
            headers=self._headers,
            limits=self.limits,
            max_redirects=self._options.get("max_redirects"),
            fixed=self.route.fixed,
        )

    def connection(self, handshake: ClientHandshake, response: Response) -> WebSocketConnection:
        """Make the connection, if the response agrees; raises ``HandshakeError`` if it does not."""
        limits = self.limits
        return handshake.connection(
            response,
            limits=limits,
            keepalive=None if limits.ping_interval is None else Keepalive.from_limits(limits),
            masking_key=self._options.get("masking_key"),
        )


class Attempt:
    """One attempt to open the WebSocket that a ``WebSocketRequest`` describes.

    Attributes:
        opening: What to ask, and of whom.
    """

    __slots__ = ("_handshake", "_request", "opening")

    def __init__(self, request: WebSocketRequest) -> None:
        self._request = request
        self._handshake: ClientHandshake
        self.opening = request.opening(self._make)

    def _make(self, uri: URI, headers: Headers) -> Request:
        self._handshake = self._request.handshake(uri, headers)
        return self._handshake.request

    def session(self, response: Response, body: bytes = b"") -> dict[str, Any]:
        """Give the arguments of the session that the server's answer begins.

        Args:
            response: The answer.
            body: Of a refusal, the beginning of what the server says.

        Raises:
            HandshakeError: If it is a refusal, or agrees to what was not asked.
        """
        if body:
            response = Response(response.status, response.headers, body, response.reason)
        request = self.opening.request
        request.client = self.opening.uri.address
        return {
            "request": request,
            "response": response,
            "connection": self._request.connection(self._handshake, response),
            "limits": self._request.limits,
            "dumps": self._request.dumps,
            "loads": self._request.loads,
        }
