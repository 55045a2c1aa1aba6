"""One stream of an HTTP/2 connection as its server sees it: an exchange, and bytes both ways.

A stream answers as ``HTTP1Connection`` does (the same methods, the same table of states), once: its
connection carries one exchange and then is over. What it sends waits here until the connection's
windows, the peer's and the transport let it go; the connection takes it from here frame by frame.

Frames, windows and other streams are not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from ..limits import Limits
from ..protocol.flow import WriteProgress
from ..protocol.headers import validate_field
from ..protocol.http import Request, Response
from .h1_response import has_no_body, length_field, refuse_framing
from .h1_state import State, Trigger, next_state
from .h2_frames import ErrorCode

if TYPE_CHECKING:
    from .h2 import HTTP2Connection

__all__ = ["HTTP2Stream"]

_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "te", "upgrade"})
"""Fields that HTTP/1.1 sends for the connection's sake, and HTTP/2 must not (section 8.2.2)."""


class HTTP2Stream:
    """A stream that carries a request.

    Args:
        connection: Which it is a stream of.
        number: Its identifier.
        request: What it asks for.
        limits: What it may cost.
        length: Bytes that its body is said to have.

    Attributes:
        number: As given.
        request: As given; its body grows until ``peer_ended``.
        length: As given.
        state: Where the exchange stands.
        ended: Our half has ended: all is sent.
        peer_ended: The peer's half has ended.
        lost: The stream was reset, by either side, or has gone with its connection.
        sent: Bytes of data sent so far.
        queued: Bytes of data that wait to be sent.
        scheduled: Whether the connection has it among those that may send.
        peer_gone: Whether nobody waits for another exchange: always.
        wants_data: Whether there is use for data now: not before an upgrade, and then it is not
            this object that is asked.
        fault: Why the exchange had to end; always empty, for the connection tells that.
    """

    __slots__ = (
        "_body", "_closed", "_connection", "_ending", "_out", "_pieces", "deadline", "ended",
        "length", "lost", "number", "peer_ended", "progress", "queued", "request", "scheduled",
        "sent", "state", "unread",
    )  # fmt: skip

    peer_gone = True
    wants_data = False
    fault = ""

    def __init__(
        self,
        connection: HTTP2Connection,
        number: int,
        request: Request,
        limits: Limits,
        length: int | None = None,
    ) -> None:
        self._connection = connection
        self.number = number
        self.request = request
        self.length = length
        self.state = State.READING
        self.progress = WriteProgress(limits)
        self.deadline: float | None = None  # for the request's end
        self.ended = self.peer_ended = self.lost = self.scheduled = False
        self.sent = self.queued = 0
        self.unread = 0  # bytes received, for which the peer has no credit back
        self._body = bytearray()
        self._pieces: list[bytes] = []  # of a body, on their way to the transport
        self._out: deque[memoryview] = deque()
        self._ending = False
        self._closed = False  # nobody here reads any more

    @property
    def is_tunnel(self) -> bool:
        """Whether the request is a CONNECT: what follows are bytes, and no body."""
        return self.request.method == "CONNECT"

    @property
    def should_close(self) -> bool:
        """Whether the stream is to be ended once what waits is sent, and nobody reads it."""
        return self.state is State.CLOSED or self._closed

    # --------------------------------------------------------------------------- the request

    def grow(self, data: bytes) -> int:
        """Take a piece of the body; give its size so far."""
        self._body += data
        return self.size

    @property
    def size(self) -> int:
        """Bytes of the body so far."""
        return len(self._body)

    def complete(self) -> Request:
        """Give the request, whose body is whole."""
        self.deadline = None
        self.state = next_state(self.state, Trigger.REQUEST)
        self.request.body = bytes(self._body)
        self._body = bytearray()
        return self.request

    # --------------------------------------------------- the answer: as from an HTTP1Connection

    def respond(self, response: Response, *, now: float = 0.0) -> None:
        """Answer with a whole response; see ``HTTP1Connection.respond``."""
        after = next_state(self.state, Trigger.RESPOND)
        self._answer(response, length_field(response, self.request.method))
        self._finish(after)

    def refuse(self, response: Response) -> None:
        """Answer without a handler."""
        if self.state is State.ACTIVE:
            self.respond(response)
            return
        after = next_state(self.state, Trigger.REFUSE)
        self._answer(response, length_field(response, self.request.method))
        self.state = after

    def start_stream(self, response: Response) -> None:
        """Answer with a head whose body follows; see ``HTTP1Connection.start_stream``."""
        after = next_state(self.state, Trigger.START_STREAM)
        refuse_framing(response)
        self._send_head(response, (), end=has_no_body(response, self.request.method))
        self.state = after

    def send_data(self, data: bytes | bytearray | memoryview) -> None:
        """Queue a piece of a streamed body; of one that has no body, nothing.

        Raises:
            LocalProtocolError: If no stream was started.
        """
        if self.state is not State.STREAMING:
            next_state(self.state, Trigger.SEND_DATA)  # which says why it can't be
        if not self.ended:
            self._pieces.append(data if type(data) is bytes else bytes(data))

    def end(self, *, now: float = 0.0) -> None:
        """End a streamed body."""
        self._finish(next_state(self.state, Trigger.END))

    def upgrade(self, response: Response) -> bytes:
        """Agree to a CONNECT (RFC 8441, section 5.1).

        Returns:
            Nothing: what arrived behind the request is the transport's.

        Raises:
            LocalProtocolError: If the request is none, or ``response`` does not agree.
        """
        after = next_state(self.state, Trigger.UPGRADE)
        if response.status != 200 or not self.is_tunnel:
            raise LocalProtocolError("a tunnel is a CONNECT that is answered with 200")
        refuse_framing(response)
        self._send_head(response, (), end=False)
        self.state = after
        return b""

    def data_to_send(self) -> bytes:
        """Give what there is of the body, joined, for the transport to ``write``."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    def next_request(self, now: float = 0.0) -> None:
        """There is none: the next request has its own stream."""

    def close_after_response(self) -> None:
        """It does so in any case."""

    def next_deadline(self) -> float | None:
        """The connection keeps its streams' deadlines."""
        return None

    def tick(self, now: float) -> None:
        """Nothing is due; see ``next_deadline``."""

    def receive_eof(self, now: float = 0.0) -> None:
        """The peer has ended its half, as most have at once."""

    def receive_data(self, data: bytes, now: float = 0.0) -> None:
        """Refuse bytes: what comes before an upgrade waits with the transport."""
        raise LocalProtocolError("data for a stream that is no tunnel yet")

    def _answer(self, response: Response, own: Iterable[tuple[str, str]]) -> None:
        bare = has_no_body(response, self.request.method) or not response.body
        self._send_head(response, own, end=bare)
        if not bare:
            self._pieces.append(response.body)

    def _finish(self, after: State) -> None:
        self.state = next_state(after, Trigger.CLOSE)

    def _send_head(self, response: Response, own: Iterable[tuple[str, str]], *, end: bool) -> None:
        if response.status == 101:
            raise LocalProtocolError("HTTP/2 has no status 101")
        fields = [*response.headers, *own]
        names = {name.lower() for name, _ in fields}
        fields += [f for f in self._connection.default_headers() if f[0].lower() not in names]
        pairs = [(b":status", b"%d" % response.status)]
        for name, value in fields:
            validate_field(name, value)  # it may have been changed since it was made
            if name.lower() not in _OF_A_CONNECTION:
                pairs.append((name.lower().encode("latin-1"), value.strip().encode("latin-1")))
        self._connection.send_head(self, pairs, end=end)
        self._ending = self.ended = end

    # ------------------------------------------------------------------- as a byte transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue data; of a stream that is over, nothing."""
        if data and not self.lost and not self._ending:
            self._out.append(memoryview(bytes(data)))
            self.queued += len(data)
            self._connection.schedule(self)

    def write_eof(self) -> None:
        """End our half when all is sent; once is enough."""
        if not self.lost and not self._ending:
            self._ending = True
            self._connection.schedule(self)

    def close(self) -> None:
        """End our half when all is sent, and drop what still comes."""
        self._closed = True
        self.write_eof()
        if self.ended:
            self._connection.half_ended(self)

    def reset(self, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """End both halves at once; what waits is dropped."""
        self._connection.reset(self, code)

    def consumed(self, size: int) -> None:
        """Give the peer credit for bytes that it sent and that are dealt with."""
        self._connection.credit(self, size)

    # ------------------------------------------------------------------------ for the connection

    @property
    def has_data_to_send(self) -> bool:
        """Whether there is data, or the end, to be sent."""
        return bool(self.queued) or (self._ending and not self.ended)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to come from either side."""
        return self.lost or (self.ended and self.peer_ended)

    def take(self, most: int) -> tuple[bytes, bool]:
        """Take up to ``most`` bytes of what waits; tell whether they are the last."""
        pieces: list[memoryview] = []
        left = min(most, self.queued)
        self.queued -= left
        self.sent += left
        while left:
            piece = self._out.popleft()
            if len(piece) > left:
                self._out.appendleft(piece[left:])
                piece = piece[:left]
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces), self._ending and not self.queued

    def lose(self) -> None:
        """Note that the stream is gone."""
        self.lost = True
        self.deadline = None
        self._out.clear()
        self._pieces.clear()
        self._body.clear()
        self.queued = 0
