"""The protocols themselves: WebSocket and Server-Sent Events, without any input or output.

    bytes in -> headers -> handshake -> frames -> messages -> events
    messages -> frames -> bytes out                        (sse: event -> bytes, bytes -> events)

Standard library only; nothing here opens a socket, starts a thread, or reads a clock. Embed it in
any server or client: see ``WebSocketConnection`` for one connection, ``ServerHandshake`` and
``ClientHandshake`` for how one begins, ``format_event`` and ``EventStreamParser`` for the other
half.

In reading order: ``codes``, ``events``, ``state``, ``masking``, ``frames``, ``messages``,
``extensions``, ``deflating``, ``deflate``, ``prepared``, ``keepalive``, ``flow``, ``backlog``,
``outgoing``, ``sending``, ``lifetime``, ``receiving``, ``connection``, ``headers``, ``http``,
``origin``, ``uri``, ``handshake``, ``client_handshake``, ``sse``, ``sse_parser``, ``reconnect``,
``attempts``, ``event_source``.
"""

from __future__ import annotations

from ..errors import (
    ConnectionClosed,
    EventStreamError,
    FasterAPIError,
    FrameError,
    HandshakeError,
    InvalidArgument,
    LocalProtocolError,
    MessageTooBig,
    PayloadError,
    PolicyError,
    RemoteProtocolError,
)  # fmt: skip
from ..limits import DEFAULT_LIMITS, Limits
from .client_handshake import ClientHandshake
from .codes import CloseCode, Opcode, is_sendable
from .connection import Role, WebSocketConnection
from .deflate import Compression, PerMessageDeflate
from .event_source import (
    SOURCE_TRANSITIONS,
    EventSource,
    SourceState,
    SourceTrigger,
    is_event_stream,
)  # fmt: skip
from .events import Closed, Event, Fragment, Ping, Pong
from .extensions import (
    Extension,
    ExtensionFactory,
    ExtensionOffer,
    format_extensions,
    negotiate,
    parse_extensions,
)  # fmt: skip
from .flow import ReceiveQueue, WriteProgress
from .frames import Buffer, Frame
from .handshake import ServerHandshake, accept_key, is_websocket_request
from .headers import Headers
from .http import Request, Response
from .keepalive import Keepalive
from .origin import SAME_ORIGIN, Origins, is_allowed_origin
from .prepared import PreparedMessage
from .reconnect import Backoff, Reconnect
from .sse import ServerSentEvent, format_event
from .sse_parser import EventStreamParser
from .state import TRANSITIONS, State, Trigger, next_state

__all__ = [
    "DEFAULT_LIMITS", "SAME_ORIGIN", "SOURCE_TRANSITIONS", "TRANSITIONS", "Backoff", "Buffer",
    "ClientHandshake", "CloseCode", "Closed", "Compression", "ConnectionClosed", "Event",
    "EventSource", "EventStreamError", "EventStreamParser", "Extension", "ExtensionFactory",
    "ExtensionOffer", "FasterAPIError", "Fragment", "Frame", "FrameError", "HandshakeError",
    "Headers", "InvalidArgument", "Keepalive", "Limits", "LocalProtocolError", "MessageTooBig",
    "Opcode", "Origins", "PayloadError", "PerMessageDeflate", "Ping", "PolicyError", "Pong",
    "PreparedMessage", "ReceiveQueue", "Reconnect", "RemoteProtocolError", "Request", "Response",
    "Role", "ServerHandshake", "ServerSentEvent", "SourceState", "SourceTrigger", "State",
    "Trigger", "WebSocketConnection", "WriteProgress", "accept_key", "format_event",
    "format_extensions", "is_allowed_origin", "is_event_stream", "is_sendable",
    "is_websocket_request", "negotiate", "next_state", "parse_extensions",
]  # fmt: skip
