"""What an HTTP/2 connection reports of its streams, in the order in which it came."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol.http import Request
from .h2_stream import HTTP2Stream

__all__ = [
    "RequestReceived", "RequestRefused", "StreamData", "StreamEnded", "StreamEvent", "StreamLost",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A request is there with its whole body, or a CONNECT, behind which bytes will come."""

    stream: HTTP2Stream
    request: Request


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request could not be served, and is answered already; nobody else has to deal with it.

    Attributes:
        fault: Why, in words for the log.
    """

    stream: HTTP2Stream
    fault: str


@dataclass(frozen=True, slots=True)
class StreamData:
    """Bytes came on a tunnel; ``HTTP2Stream.consumed`` has the peer send more."""

    stream: HTTP2Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer has ended its half of a tunnel."""

    stream: HTTP2Stream


@dataclass(frozen=True, slots=True)
class StreamLost:
    """A stream was reset, by the peer or for what the peer did.

    Attributes:
        fault: What it did, in words for the log; empty if it just left.
    """

    stream: HTTP2Stream
    fault: str = ""


StreamEvent = RequestReceived | RequestRefused | StreamData | StreamEnded | StreamLost
