"""What h2 tells of streams becomes requests and their data (RFC 9113, section 8).

A request goes on when its body is whole; what is behind a CONNECT, as it comes. One that cannot be
served is answered here; one that is malformed has its stream reset (section 8.1.1). Either costs no
other stream.

Credit for the connection's window is given back when data arrives, whatever becomes of its stream;
that for a stream's window when its reader has taken the data. Frames, and the connection's life,
are not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from h2.connection import H2Connection
from h2.events import DataReceived, TrailersReceived
from h2.events import RequestReceived as HeadReceived

from ..limits import Limits
from ..protocol.http import Request, Response
from .h1_head import RequestFault
from .h2_events import (
    RequestReceived,
    RequestRefused,
    StreamData,
    StreamEnded,
    StreamEvent,
    StreamLost,
)
from .h2_frames import ErrorCode
from .h2_request import find_malformed, read_request_fields
from .h2_settings import CONNECTION_WINDOW
from .h2_stream import HTTP2Stream

if TYPE_CHECKING:
    from .h2 import HTTP2Connection

__all__ = ["Intake"]

_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)


class Intake:
    """The receiving half of a connection.

    Args:
        connection: Whose streams these are.
        h2: Gives credit.
        limits: What a request may cost.
        scheme: Handed on in each request.
        client: Handed on in each request.
    """

    __slots__ = ("_client", "_connection", "_h2", "_limits", "_scheme", "_unread")

    def __init__(
        self,
        connection: HTTP2Connection,
        h2: H2Connection,
        limits: Limits,
        *,
        scheme: str,
        client: str,
    ) -> None:
        self._connection = connection
        self._h2 = h2
        self._limits = limits
        self._scheme = scheme
        self._client = client
        self._unread = 0  # bytes of data for which the connection's window has no credit back

    def take_head(self, event: HeadReceived, now: float) -> list[StreamEvent]:
        """Take the head of a request, behind which its body comes, or what a tunnel carries."""
        number, ended = event.stream_id or 0, event.stream_ended is not None
        pairs = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
        if malformed := find_malformed(pairs):
            return self._reset(self._open(number, Request("GET", ""), ended=ended), malformed)
        try:
            fields = read_request_fields(
                pairs, self._limits, scheme=self._scheme, client=self._client
            )
        except RequestFault as fault:
            method = dict(pairs)[b":method"].decode("latin-1")
            return _refuse(self._open(number, Request(method, ""), ended=ended), fault)
        stream = self._open(number, fields.request, ended=ended)
        stream.length = fields.length
        if stream.is_tunnel:
            return [RequestReceived(stream, stream.complete())]
        stream.deadline = now + self._limits.handshake_timeout
        if fields.expects_continue and not ended:
            self._h2.send_headers(number, [(b":status", b"100")])
        return []

    def take_data(self, event: DataReceived) -> list[StreamEvent]:
        """Take data of a body or a tunnel."""
        data, size = event.data or b"", event.flow_controlled_length or 0
        self._unread += size
        if self._unread >= CONNECTION_WINDOW // 2:
            self._h2.increment_flow_control_window(self._unread)
            self._unread = 0
        stream = self._connection.streams.get(event.stream_id or 0)
        if stream is None:
            return []
        self._connection.credit(stream, size - len(data))  # padding
        if stream.is_tunnel and not stream.should_close:
            return [StreamData(stream, data)] if data else []
        self._connection.credit(stream, len(data))
        if stream.should_close:
            return []
        size = stream.grow(data)
        if stream.length is not None and size > stream.length:
            return self._reset(stream, "a body longer than its Content-Length")
        if size > self._limits.max_body_size:
            return self.refuse_over(stream, "max_body_size", 413, "request body")
        return []

    def take_trailers(self, event: TrailersReceived) -> list[StreamEvent]:
        """Take the fields behind a body: nobody has use for them, but they may be malformed."""
        stream = self._connection.streams.get(event.stream_id or 0)
        pairs: Iterable[tuple[bytes, bytes]] = event.headers or ()
        malformed = find_malformed(pairs, trailers=True)
        return self._reset(stream, malformed) if stream is not None and malformed else []

    def take_end(self, stream: HTTP2Stream | None) -> list[StreamEvent]:
        """Take the end of the peer's half of a stream."""
        if stream is None:
            return []
        stream.peer_ended = True
        if stream.ended:
            self._connection.half_ended(stream)
        if stream.should_close:
            return []
        if stream.is_tunnel:
            return [StreamEnded(stream)]
        if stream.length not in (None, stream.size):
            return self._reset(stream, "a body shorter than its Content-Length")
        return [RequestReceived(stream, stream.complete())]

    def refuse_over(
        self, stream: HTTP2Stream, name: str, status: int, what: str, unit: str = "bytes"
    ) -> list[StreamEvent]:
        """Answer a request that runs into ``Limits.<name>``."""
        return _refuse(stream, RequestFault.over(self._limits, name, status, what, unit))

    def _open(self, number: int, request: Request, *, ended: bool) -> HTTP2Stream:
        stream = HTTP2Stream(self._connection, number, request, self._limits)
        stream.peer_ended = ended
        self._connection.add(stream)
        return stream

    def _reset(self, stream: HTTP2Stream, fault: str) -> list[StreamEvent]:
        self._connection.reset(stream, ErrorCode.PROTOCOL_ERROR)
        return [StreamLost(stream, f"a malformed request: {fault}")]


def _refuse(stream: HTTP2Stream, fault: RequestFault) -> list[StreamEvent]:
    """Answer a fault of a request."""
    stream.deadline = None
    stream.refuse(Response(fault.status, _TEXT, f"{fault.text}\n"))
    stream.write(stream.data_to_send())
    stream.write_eof()
    return [RequestRefused(stream, fault.log)]
