"""Every error that fasterapi raises, in one tree.

    FasterAPIError
    ├── LocalProtocolError      our caller broke the protocol; nothing was sent, nothing changed
    │   ├── InvalidArgument     by what it passed, be the state what it may; a ``ValueError``, too
    │   └── ConcurrentReceive   two tasks or threads wait for a message of one connection
    ├── RemoteProtocolError     the peer broke the protocol; carries the close code it earns
    │   ├── FrameError          1002: a frame or a sequence of frames that RFC 6455 forbids
    │   ├── PayloadError        1007: text that is not UTF-8
    │   ├── PolicyError         1008: legal, but more of it than a limit allows
    │   └── MessageTooBig       1009: a message over ``Limits.max_message_size``
    ├── EventStreamError        an event over a limit, or with an ID that can't be sent back
    ├── InvalidMessage          a message that the application can't use; carries a close code
    ├── HandshakeError          an opening handshake that fails; carries the HTTP status
    ├── InvalidResponse         what answered a client is no HTTP, or more than a limit allows
    ├── ProxyError              a proxy that refuses a client, or can't be used
    ├── RedirectError           a redirect that a client does not follow; carries status and URL
    ├── HTTPError               an application's refusal of a request; carries the HTTP status
    │   └── InvalidBody         400: a request's body that can't be read as what it should be
    └── ConnectionClosed        the peer is gone, or going; carries the close code and reason

Local and remote faults never mix: what the peer does wrong becomes data (a close code, an event),
what our own caller does wrong raises. ``RemoteProtocolError`` therefore never leaves
``WebSocketConnection.receive_data``; the one place that catches it turns ``code`` into a Close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

__all__ = [
    "ConcurrentReceive",
    "ConnectionClosed",
    "EventStreamError",
    "FasterAPIError",
    "FrameError",
    "HTTPError",
    "HandshakeError",
    "InvalidArgument",
    "InvalidBody",
    "InvalidMessage",
    "InvalidResponse",
    "LocalProtocolError",
    "MessageTooBig",
    "PayloadError",
    "PolicyError",
    "ProxyError",
    "RedirectError",
    "RemoteProtocolError",
]


class FasterAPIError(Exception):
    """The base of every error that fasterapi raises on purpose."""


class LocalProtocolError(FasterAPIError):
    """Our own caller asked for something that the protocol forbids; the state is unchanged."""


class InvalidArgument(LocalProtocolError, ValueError):
    """Our own caller passed a value that can't be sent: it is wrong in every state.

    A close code that may not be sent, CR or LF in a header field or in an event's ID, text that
    UTF-8 has no bytes for.
    """


class ConcurrentReceive(LocalProtocolError):
    """Two tasks or two threads called ``receive`` of one connection at the same time."""


class RemoteProtocolError(FasterAPIError):
    """The peer broke the protocol.

    Attributes:
        code: The close code that this kind of fault earns (RFC 6455, section 7.4.1).
    """

    code: ClassVar[int] = 1002


class FrameError(RemoteProtocolError):
    """A frame, or a sequence of frames, that RFC 6455 forbids: close code 1002."""


class PayloadError(RemoteProtocolError):
    """Text, or a close reason, that is not UTF-8 (RFC 6455, section 8.1): close code 1007."""

    code = 1007


class PolicyError(RemoteProtocolError):
    """Legal, but more of it than a limit allows, other than bytes: close code 1008."""

    code = 1008


class MessageTooBig(RemoteProtocolError):
    """A message over ``Limits.max_message_size``: close code 1009."""

    code = 1009


class EventStreamError(FasterAPIError):
    """An event stream that a client can't follow, by what its server sends.

    A line or an event is over ``Limits.max_event_size``, or an event's ID can't stand in the header
    field that says it when the client connects again.
    """


class InvalidMessage(FasterAPIError, ValueError):
    """A message that is not what the application asked for: binary for text, or no JSON.

    A handler that lets it escape closes with ``code``, and it counts as the peer's fault.

    Attributes:
        code: 1003 for the wrong kind of message, 1007 for one that can't be parsed (RFC 6455,
            section 7.4.1).
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[InvalidMessage], tuple[int, str]]:
        return type(self), (self.code, str(self))


class HandshakeError(FasterAPIError):
    """An opening handshake that fails.

    Attributes:
        status: The HTTP status that answers it (server), or that the server answered (client).
        headers: Header fields that the answer has to carry (server), or carried (client), as name
            and value.
        body: The beginning of the answer's body (client).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = tuple(headers)
        self.body = body

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        make = partial(type(self), headers=self.headers, body=self.body)
        return make, (self.status, str(self))


class InvalidResponse(FasterAPIError):
    """What answered a client is no HTTP response, or one over a limit."""


class ProxyError(FasterAPIError):
    """A proxy refuses to connect a client, or is of a kind that can't be used.

    Attributes:
        status: What an HTTP proxy answered; ``None`` if there was no such answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return partial(type(self), status=self.status), (str(self),)


class RedirectError(FasterAPIError):
    """A redirect that a client does not follow: one too many, or to where it must not go.

    Attributes:
        status: The redirect's status.
        url: Where it leads.
    """

    def __init__(self, status: int, url: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.url = url

    def __reduce__(self) -> tuple[type[RedirectError], tuple[int, str, str]]:
        return type(self), (self.status, self.url, str(self))


class HTTPError(FasterAPIError):
    """An application's refusal: raise it in a handler and the client gets ``status``.

    It works in a plain route, in an event stream before its first event, and in a WebSocket
    handler before the handshake is accepted. Later it is an error like any other.

    Attributes:
        status: The HTTP status, 400 to 599.
        detail: The body, as plain text; the status's standard phrase if empty.
        headers: Further header fields, as name and value.

    Raises:
        ValueError: If ``status`` is not between 400 and 599.
    """

    def __init__(
        self, status: int, detail: str = "", *, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"an HTTPError's status is between 400 and 599, not {status}")
        known = status in HTTPStatus._value2member_map_
        self.status = status
        self.detail = detail or (HTTPStatus(status).phrase if known else "Error")
        self.headers = tuple(headers)
        super().__init__(f"{status} {self.detail}")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return partial(type(self), headers=self.headers), (self.status, self.detail)


class InvalidBody(HTTPError, ValueError):
    """A request's body that is not what a handler takes it for: status 400, if it escapes."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self), (self.detail,)


class ConnectionClosed(FasterAPIError):
    """The connection is closed, or closing: nothing more can be received or sent.

    Attributes:
        code: The close code (RFC 6455, section 7.1.5): 1005 if the peer's Close carried none, 1006
            if the connection ended without a Close. 1006 for an event stream.
        reason: The close reason, often empty.
    """

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(f"connection closed: {code}{' ' if reason else ''}{reason}")
        self.code = code
        self.reason = reason

    def __reduce__(self) -> tuple[type[ConnectionClosed], tuple[int, str]]:
        return type(self), (self.code, self.reason)
