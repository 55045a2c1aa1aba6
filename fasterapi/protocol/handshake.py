"""A server's half of the opening handshake, from a parsed head (RFC 6455, section 4; RFC 8441, 5).

It takes a ``Request`` and makes the ``Response`` that accepts or rejects it. Over HTTP/1.1 that is
an upgrade with a key and status 101; an Extended CONNECT, over HTTP/2 and HTTP/3, has no key and
status 200. This file must not know how a head is parsed or written.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence

from ..errors import HandshakeError, InvalidArgument, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from .connection import Role, WebSocketConnection
from .extensions import (
    Extension,
    ExtensionFactory,
    ExtensionOffer,
    format_extensions,
    negotiate,
    parse_extensions,
)  # fmt: skip
from .headers import (
    HeaderPairs,
    Headers,
    has_token,
    is_token,
    parse_list,
    validate_field,
)
from .http import Request, Response
from .keepalive import Keepalive
from .origin import SAME_ORIGIN, Origins, check_origins, is_allowed_origin

__all__ = [
    "OUR_FIELDS", "VERSION", "ServerHandshake", "accept_key", "check_headers", "check_subprotocols",
    "is_websocket_request",
]  # fmt: skip

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = "13"
_UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))

OUR_FIELDS = frozenset({
    "connection", "content-length", "sec-websocket-accept", "sec-websocket-extensions",
    "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version", "transfer-encoding",
    "upgrade",
})  # fmt: skip
"""Header fields that the handshake writes itself, in lower case."""


def accept_key(key: str) -> str:
    """Compute ``Sec-WebSocket-Accept`` from ``Sec-WebSocket-Key`` (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def is_websocket_request(request: Request) -> bool:
    """Tell whether a request asks for a WebSocket, however badly."""
    return request.protocol == "websocket" or "websocket" in request.headers.tokens("upgrade")


class ServerHandshake:
    """The server's half.

    ``accept`` or ``reject`` gives the response to write; after ``accept``, ``connection`` gives the
    WebSocket, and the bytes that came behind the head are its first.

    Args:
        request: The parsed head.
        subprotocols: Those that the server speaks, the preferred one first.
        origins: Which pages may connect; see ``Origins``.
        extensions: Factories, in the order in which their extensions encode.

    Attributes:
        request: As given.
        is_connect: Whether it is an Extended CONNECT (RFC 8441) and no HTTP/1.1 upgrade.
        subprotocol: The one agreed on; before ``accept``, the one that it would choose.
        origins: The policy.

    Raises:
        ValueError: If ``subprotocols`` or ``origins`` hold what can't be one.
    """

    def __init__(
        self,
        request: Request,
        *,
        subprotocols: Sequence[str] = (),
        origins: Origins = SAME_ORIGIN,
        extensions: Sequence[ExtensionFactory] = (),
    ) -> None:
        self.request = request
        self.is_connect = request.protocol is not None
        self.origins = check_origins(origins)
        self._subprotocols = check_subprotocols(subprotocols)
        self._factories = extensions
        self._offers: Sequence[ExtensionOffer] = ()
        self._extensions: Sequence[Extension] = ()
        self._checked = self._answered = self._accepted = False
        self._fields = fields = request.headers.merged()
        self._offered: Sequence[str] = ()
        self.subprotocol: str | None = None
        if "sec-websocket-protocol" in fields:
            self._offered = parse_list(fields["sec-websocket-protocol"])
            known = (name for name in self._subprotocols if name in self._offered)
            self.subprotocol = next(known, None)

    def check(self) -> None:
        """Judge the request (RFC 6455, section 4.2.1).

        Raises:
            HandshakeError: With the status that answers it: 400, 403, 405, 426, 501 or 505.
        """
        if self._checked:
            return
        self._check_head()
        if self._offered and not all(map(is_token, self._offered)):
            raise HandshakeError(400, "malformed Sec-WebSocket-Protocol header")
        if "sec-websocket-extensions" in self._fields:
            self._offers = parse_extensions([self._fields["sec-websocket-extensions"]])
        self._check_origin()
        self._checked = True

    def accept(self, *, subprotocol: str | None = None, headers: HeaderPairs = ()) -> Response:
        """Agree, and give the response that says so: 101, or 200 for an Extended CONNECT.

        Args:
            subprotocol: One that the client offers; without it, the server's first that it offers.
            headers: Further header fields.

        Raises:
            HandshakeError: If the request is not one to agree to; ``refuse`` makes the response.
            LocalProtocolError: If the client did not offer ``subprotocol``, ``headers`` hold a
                field that the handshake writes or that can't be sent, or it was answered already.
        """
        self._only_once()
        self.check()
        if subprotocol is not None and subprotocol not in self._offered:
            raise InvalidArgument(
                f"the client does not offer the subprotocol {subprotocol!r}, only {self._offered}"
            )
        chosen = self.subprotocol if subprotocol is None else subprotocol
        fields = self._accepting(chosen)
        own = len(fields)
        extensions: Sequence[Extension] = ()
        if self._offers and self._factories:
            responses, extensions = negotiate(self._offers, self._factories)
            if responses:
                fields.append(("Sec-WebSocket-Extensions", format_extensions(responses)))
        fields += check_headers(headers)
        for name, value in fields[own:]:
            validate_field(name, value)
        response = Response.of_checked(200 if self.is_connect else 101, Headers.of_text(fields))
        self.subprotocol, self._extensions = chosen, extensions
        self._answered = self._accepted = True
        return response

    def reject(
        self, status: int, *, headers: HeaderPairs = (), body: bytes | str = b""
    ) -> Response:
        """Decline, and give the response that says so.

        Args:
            status: 200 to 599, for a client takes anything but 101 as a refusal; 300 to 599 for
                an Extended CONNECT, which any status below accepts.
            headers: Further header fields.
            body: The body; text goes as UTF-8.

        Raises:
            LocalProtocolError: If the status accepts or is out of range, or it was answered
                already.
        """
        self._only_once()
        if status < 300 if self.is_connect else status == 101:
            raise InvalidArgument(
                f"the status {status} accepts a handshake; reject it with another"
            )
        response = Response(status, headers, body)
        self._answered = True
        return response

    def refuse(self, error: HandshakeError) -> Response:
        """Give the response to a request that ``check`` or ``accept`` refused."""
        headers = [("Content-Type", "text/plain; charset=utf-8"), *error.headers]
        return self.reject(error.status, headers=headers, body=f"{error}\n")

    def connection(
        self, *, limits: Limits = DEFAULT_LIMITS, keepalive: Keepalive | None = None
    ) -> WebSocketConnection:
        """Give the WebSocket that ``accept`` agreed on.

        Raises:
            LocalProtocolError: If it did not.
        """
        if not self._accepted:
            raise LocalProtocolError("the handshake is not accepted")
        return WebSocketConnection(
            Role.SERVER,
            limits=limits,
            extensions=self._extensions,
            subprotocol=self.subprotocol,
            keepalive=keepalive,
        )

    def _only_once(self) -> None:
        if self._answered:
            raise LocalProtocolError("the handshake is answered already")

    def _check_head(self) -> None:
        """Judge what a version of HTTP asks of a handshake."""
        if self.is_connect:
            self._check_connect()
        else:
            self._check_upgrade()
        self._check_version()
        if not self.is_connect:
            self._check_key()

    def _check_connect(self) -> None:
        if self.request.method != "CONNECT" or self.request.protocol != "websocket":
            raise HandshakeError(501, f"no such protocol: {self.request.protocol!r}")

    def _check_upgrade(self) -> None:
        request, fields = self.request, self._fields
        if request.method != "GET":
            raise HandshakeError(
                405,
                f"a WebSocket begins with GET, not {request.method}",
                headers=[("Allow", "GET")],
            )
        if request.http_version != "1.1":
            raise HandshakeError(505, f"no WebSocket upgrade over HTTP/{request.http_version}")
        if not has_token(fields.get("upgrade", ""), "websocket"):
            raise _upgrade_required("this is a WebSocket: it needs 'Upgrade: websocket'")
        if not has_token(fields.get("connection", ""), "upgrade"):
            raise _upgrade_required("a WebSocket needs 'Connection: Upgrade'")
        headers = request.headers
        once = len(fields) == len(headers) or len(headers.get_all("host")) == 1
        if not once or "host" not in fields:
            raise HandshakeError(400, "a WebSocket needs exactly one Host header")
        # A body behind an upgrade is how requests are smuggled: nobody agrees where it ends.
        if fields.get("content-length", "0") != "0" or "transfer-encoding" in fields:
            raise HandshakeError(400, "a WebSocket handshake carries no body")

    def _check_version(self) -> None:
        version = self._fields.get("sec-websocket-version")
        if version == VERSION:
            return
        message = f"Sec-WebSocket-Version has to be {VERSION}"
        if version is not None and not self.is_connect:
            raise _upgrade_required(message)
        fields = [("Sec-WebSocket-Version", VERSION)]
        raise HandshakeError(400 if version is None else 426, message, headers=fields)

    def _check_key(self) -> None:
        key = self._fields.get("sec-websocket-key", "")
        try:
            valid = len(base64.b64decode(key, validate=True)) == 16
        except (binascii.Error, ValueError):
            valid = False
        if not valid:
            raise HandshakeError(400, "Sec-WebSocket-Key has to be 16 bytes in base64, once")

    def _check_origin(self) -> None:
        origin = self._fields.get("origin")
        if origin is None:
            return  # no browser
        if not is_allowed_origin(origin, self._fields.get("host", ""), self.origins):
            raise HandshakeError(403, "this origin may not connect; see the origins option")

    def _accepting(self, subprotocol: str | None) -> list[tuple[str, str]]:
        """Make the header fields that agree (RFC 6455, section 4.2.2), each of them sendable."""
        fields: list[tuple[str, str]] = []
        if not self.is_connect:
            accept = accept_key(self._fields["sec-websocket-key"])
            fields = [*_UPGRADE, ("Sec-WebSocket-Accept", accept)]
        if subprotocol is not None:
            fields.append(("Sec-WebSocket-Protocol", subprotocol))
        return fields


def _upgrade_required(message: str) -> HandshakeError:
    fields = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", VERSION)]
    return HandshakeError(426, message, headers=fields)


def check_subprotocols(names: Iterable[str]) -> tuple[str, ...]:
    """Check the names of subprotocols (RFC 6455, section 4.1).

    Raises:
        ValueError: If it is no list, or holds what is no token.
    """
    if isinstance(names, str):
        raise ValueError(f"subprotocols has to be a list of names, not the text {names!r}")
    names = tuple(names)
    for name in names:
        if not is_token(name):
            raise ValueError(f"not a subprotocol: {name!r}; it has to be a token (RFC 9110, 5.6.2)")
    return names


def check_headers(headers: HeaderPairs) -> Headers:
    """Refuse fields that the handshake writes itself.

    Raises:
        LocalProtocolError: If there is one.
    """
    fields = Headers(headers)
    for name, _ in fields:
        if name.lower() in OUR_FIELDS:
            raise InvalidArgument(f"the handshake writes the header {name} itself")
    return fields
