"""A client's half of the opening handshake, over HTTP/1.1 (RFC 6455, section 4.1).

It makes the ``Request`` and judges the ``Response``. How heads are written and read, redirects and
proxies are not known here.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from http import HTTPStatus

from ..errors import HandshakeError, InvalidArgument
from ..limits import DEFAULT_LIMITS, Limits
from .connection import Role, WebSocketConnection
from .extensions import (
    Extension,
    ExtensionFactory,
    ExtensionOffer,
    claimed_bits,
    format_extensions,
    parse_extensions,
)  # fmt: skip
from .handshake import VERSION, accept_key, check_headers, check_subprotocols
from .headers import HeaderPairs, Headers, validate_field
from .http import Request, Response
from .keepalive import Keepalive
from .uri import URI, parse_uri

__all__ = ["ClientHandshake"]

_SAID = 120
"""Characters of a refusal's body that its error's message quotes."""
_STATUSES = frozenset(HTTPStatus)


class ClientHandshake:
    """The client's half, over HTTP/1.1.

    Args:
        url: ``ws://`` or ``wss://``, as text or split; a user and password become an
            ``Authorization`` header, unless ``headers`` have one.
        subprotocols: To offer, the preferred one first.
        origin: The ``Origin`` header, which only browsers need.
        headers: Further header fields.
        extensions: Factories, in order of preference.
        key: The sixteen bytes of ``Sec-WebSocket-Key``, for tests; random by default.

    Attributes:
        request: The request to write.

    Raises:
        ValueError: If the URL is no WebSocket URL (RFC 6455, section 3), or a subprotocol no token.
        InvalidArgument: If ``headers`` hold a field that the handshake writes, or that can't be
            sent.
    """

    def __init__(
        self,
        url: str | URI,
        *,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        headers: HeaderPairs = (),
        extensions: Sequence[ExtensionFactory] = (),
        key: bytes | None = None,
    ) -> None:
        self._subprotocols = check_subprotocols(subprotocols)
        self._factories = extensions
        self._key = base64.b64encode(secrets.token_bytes(16) if key is None else key).decode()
        uri = parse_uri(url) if isinstance(url, str) else url
        fields = [
            ("Host", uri.authority),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", self._key),
            ("Sec-WebSocket-Version", VERSION),
        ]
        if origin is not None:
            fields.append(("Origin", origin))
        if self._subprotocols:
            fields.append(("Sec-WebSocket-Protocol", ", ".join(self._subprotocols)))
        if offers := [ExtensionOffer(f.name, p) for f in extensions for p in f.offers()]:
            fields.append(("Sec-WebSocket-Extensions", format_extensions(offers)))
        given = check_headers(headers)
        for name in ("Host",) if origin is None else ("Host", "Origin"):
            if given.get_all(name):
                raise InvalidArgument(
                    f"the handshake writes {name} itself; leave it out of the headers"
                )
        if uri.authorization and not given.get_all("authorization"):
            fields.append(("Authorization", uri.authorization))
        fields += given
        for name, value in fields:
            validate_field(name, value)
        scheme = "https" if uri.secure else "http"
        self.request = Request("GET", uri.target, fields, scheme=scheme)

    def connection(
        self,
        response: Response,
        *,
        limits: Limits = DEFAULT_LIMITS,
        keepalive: Keepalive | None = None,
        masking_key: Callable[[], bytes] | None = None,
    ) -> WebSocketConnection:
        """Judge the response (RFC 6455, section 4.1) and give the WebSocket.

        Args:
            response: The answer to ``request``; of a refusal, with what is there of its body.
            limits: What the server may cost.
            keepalive: When to ping; ``None``: never.
            masking_key: See ``WebSocketConnection``.

        Raises:
            HandshakeError: With the response's status, headers and body, if the server refuses, or
                answers what was not asked.
        """
        headers = response.headers
        if response.status != 101:
            raise _refused(response)
        if "websocket" not in headers.tokens("upgrade"):
            raise HandshakeError(101, "the server's answer lacks 'Upgrade: websocket'")
        if "upgrade" not in headers.tokens("connection"):
            raise HandshakeError(101, "the server's answer lacks 'Connection: Upgrade'")
        if headers.get_all("sec-websocket-accept") != [accept_key(self._key)]:
            raise HandshakeError(101, "the server's Sec-WebSocket-Accept does not fit our key")
        return WebSocketConnection(
            Role.CLIENT,
            limits=limits,
            extensions=self._agreed_extensions(headers),
            subprotocol=self._agreed_subprotocol(headers),
            keepalive=keepalive,
            masking_key=masking_key,
        )

    def _agreed_subprotocol(self, headers: Headers) -> str | None:
        chosen = headers.get("sec-websocket-protocol")
        if chosen is not None and chosen not in self._subprotocols:
            raise HandshakeError(101, f"the server chose a subprotocol not offered: {chosen!r}")
        return chosen

    def _agreed_extensions(self, headers: Headers) -> list[Extension]:
        try:
            responses = parse_extensions(headers.get_all("sec-websocket-extensions"))
        except HandshakeError as error:
            raise HandshakeError(101, f"the server's answer: {error}") from None
        factories = {factory.name: factory for factory in self._factories}
        extensions: list[Extension] = []
        for response in responses:
            factory = factories.pop(response.name, None)
            if factory is None:
                raise HandshakeError(
                    101, f"the server chose an extension not offered, or twice: {response.name}"
                )
            extension = factory.accept(response.params)
            if extension.rsv & claimed_bits(extensions):
                raise HandshakeError(101, "the server chose two extensions of the same RSV bit")
            extensions.append(extension)
        return extensions


def _refused(response: Response) -> HandshakeError:
    """Say what a server answered instead of 101."""
    status = response.status
    phrase = response.reason or (HTTPStatus(status).phrase if status in _STATUSES else "")
    said = response.body.decode("utf-8", "replace").strip()
    return HandshakeError(
        status,
        f"the server refuses the WebSocket: {status} {phrase}".rstrip()
        + (f": {said[:_SAID]}" if said.isprintable() and said else ""),
        headers=response.headers,
        body=response.body,
    )
