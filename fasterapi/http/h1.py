"""The server side of one HTTP/1.1 connection, sans-IO (RFC 9112).

Received bytes become whole requests, one at a time; responses become bytes to send. A request that
cannot be served is answered here, with the status of its ``RequestFault``, and ends the connection.
Sockets, clocks, routes and WebSocket handshakes are not known here.

Rules
    1. One exchange at a time: the next request is read when the answer to this one is complete.
       What a client sends ahead waits unread, and beyond a bound it is not taken in at all.
    2. Nothing behind the last request of a connection is ever answered: not after a fault, not
       after ``Connection: close``, not after an ``Upgrade`` that was not granted, since there
       the client may already speak another protocol (RFC 9110, section 7.8).
    3. The peer's faults never raise. Our own caller's do, and change nothing.
    4. A request has to be whole by a deadline that no byte extends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.headers import Headers
from ..protocol.http import Request, Response
from .h1_body import ChunkedBody, FixedBody
from .h1_head import HeadReader, RequestFault
from .h1_known import read_head
from .h1_request import RequestHead
from .h1_response import (
    Framing,
    Output,
    has_no_body,
    length_field,
    refuse_framing,
    stream_framing,
    write_head,
)
from .h1_state import State, Trigger, next_state

__all__ = ["HTTP1Connection"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TEXT = (("Content-Type", "text/plain; charset=utf-8"),)
_NO_HEAD = RequestHead("", "", Headers(), "1.1")


class HTTP1Connection:
    """One HTTP/1.1 connection, as its server sees it.

    Feed it what arrives; write what ``data_to_send`` gives after every call; close the transport
    once that is written and ``should_close`` is true. Call ``next_request`` after each answer.

    Args:
        limits: What a request may cost; every one that has to do with a head or a body counts.
        scheme: ``"http"`` or ``"https"``, handed on in each request.
        client: The peer's address, handed on in each request.
        default_headers: Asked at each response for fields to add where the response does not set
            them (``Date``, ``Server``).
        now: The time of the accept, in seconds of any monotonic clock; all other times are of the
            same clock.

    Attributes:
        state: Where the connection stands.
        peer_gone: The peer has ended its half of the connection.
        fault: Why the connection had to end, for the log; empty if it did not.
    """

    __slots__ = (
        "_body", "_buffer", "_client", "_deadline", "_default_headers",
        "_head", "_heads", "_idle", "_last", "_limits", "_out", "_scheme", "_unread", "fault",
        "peer_gone", "state",
    )  # fmt: skip

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        scheme: str = "http",
        client: str = "",
        default_headers: Callable[[], Iterable[tuple[str, str]]] = tuple,
        now: float = 0.0,
    ) -> None:
        self.state = State.READING
        self.peer_gone = False
        self.fault = ""
        self._limits = limits
        self._scheme = scheme
        self._client = client
        self._default_headers = default_headers
        self._buffer = bytearray()
        self._heads = HeadReader(limits)
        self._head = _NO_HEAD
        self._body: FixedBody | ChunkedBody | None = None
        self._out = Output()
        self._last = False  # no request after the present one is answered
        self._unread = False  # next_request has to look at the buffer before anything else
        self._idle = False  # between two requests, with no byte of the second
        self._deadline = now + limits.handshake_timeout

    @property
    def should_close(self) -> bool:
        """Whether the transport is to be closed once ``data_to_send`` is written."""
        return self.state is State.CLOSED

    @property
    def wants_data(self) -> bool:
        """Whether reading should go on; false while more than a head's worth waits unread."""
        return self.state is State.READING or len(self._buffer) <= self._limits.max_head_size

    @property
    def resting(self) -> bool:
        """Whether nothing of a request has come since the last one was answered."""
        return self.state is State.READING and not self._begun()

    # In

    def receive_data(
        self, data: bytes | bytearray | memoryview, now: float = 0.0
    ) -> Request | None:
        """Take in what arrived.

        Args:
            data: One read, of any size.
            now: The time.

        Returns:
            The next request with its whole body; ``None`` if more bytes are needed, an exchange
            is active, or the connection is over.

        Raises:
            LocalProtocolError: If the connection was upgraded: these bytes are not HTTP.
        """
        if self.state is State.READING:
            self._buffer += data
            return self._read(now)
        if self.state is State.UPGRADED:
            raise LocalProtocolError("this connection was upgraded: what arrives is not HTTP")
        if self._keeps_what_follows():
            self._buffer += data
        return None

    def next_request(self, now: float = 0.0) -> Request | None:
        """Give the request that came while the last one was being answered, if it is whole."""
        if self.state is not State.READING:
            return None
        request = self._read(now) if self._buffer else None
        if request is None and self.peer_gone:
            self._end_of_input()
        return request

    def receive_eof(self, now: float = 0.0) -> None:
        """Take in that the peer has ended its half; it may still wait for an answer."""
        self.peer_gone = True
        if not self._unread:
            self._end_of_input()

    def close_after_response(self) -> None:
        """Let the current exchange be the last; with none begun, the connection is over."""
        self._last = True
        if self.state is State.READING and not self._begun():
            self._close()

    # Time

    def next_deadline(self) -> float | None:
        """Give the time at which ``tick`` has something to do; ``None`` during an exchange."""
        return self._deadline if self.state is State.READING else None

    def tick(self, now: float) -> None:
        """End the connection if its deadline has passed: 408, or silently between requests."""
        if self.state is not State.READING or now < self._deadline:
            return
        if self._idle:
            self._close()
        else:
            name = "handshake_timeout"
            self._fail(RequestFault.over(self._limits, name, 408, "request time", "seconds"))

    # Out

    def respond(self, response: Response, *, now: float = 0.0) -> None:
        """Answer the active request with a whole response.

        Args:
            response: ``Content-Length`` is added; the body of an answer to HEAD, and of a 204 or
                a 304, stays behind.
            now: The time.

        Raises:
            LocalProtocolError: If no request waits for an answer, or the response frames itself
                wrongly, or it is a 101.
        """
        after = next_state(self.state, Trigger.RESPOND)
        method = self._head.method
        self._begin(response, length_field(response, method))
        if not has_no_body(response, method):
            self._out.write(response.body)
        self._finish(after, now)

    def start_stream(self, response: Response) -> None:
        """Answer the active request with a head whose body follows piece by piece.

        The body is chunked; to an HTTP/1.0 client it ends with the connection.

        Args:
            response: It has no body, no ``Content-Length`` and no ``Transfer-Encoding``.

        Raises:
            LocalProtocolError: If no request waits for an answer, or the response has a body or a
                framing of its own, or it is a 101.
        """
        after = next_state(self.state, Trigger.START_STREAM)
        head = self._head
        framing = stream_framing(response, head.http_version)
        own = [("Transfer-Encoding", "chunked")] if framing is Framing.CHUNKED else []
        self._begin(response, own, last=framing is Framing.CLOSE)
        self._out.framing = Framing.NONE if has_no_body(response, head.method) else framing
        self.state = after

    def send_data(self, data: bytes | bytearray | memoryview) -> None:
        """Queue a piece of a streamed body; what is written together is one chunk.

        Args:
            data: Empty data is nothing, never the end of the body.

        Raises:
            LocalProtocolError: If no stream was started.
        """
        if self.state is not State.STREAMING:
            next_state(self.state, Trigger.SEND_DATA)  # which says why it can't be
        self._out.stream(data if type(data) is bytes else bytes(data))

    def end(self, *, now: float = 0.0) -> None:
        """End a streamed body.

        Raises:
            LocalProtocolError: If no stream was started.
        """
        after = next_state(self.state, Trigger.END)
        self._out.end_stream()
        self._finish(after, now)

    def upgrade(self, response: Response) -> bytes:
        """Switch protocols: queue the 101 and let go of the connection.

        Returns:
            What arrived behind the request: the first bytes of the other protocol.

        Raises:
            LocalProtocolError: If the active request cannot be answered so: it has no ``Upgrade``
                field, or has a body, or is HTTP/1.0; or if ``response`` is no 101, or has a body
                or a framing.
        """
        after = next_state(self.state, Trigger.UPGRADE)
        if response.status != 101:
            raise LocalProtocolError(f"an upgrade is answered with 101, not {response.status}")
        if not self._head.upgradable:
            raise LocalProtocolError(
                "a 101 answers only an HTTP/1.1 request with an Upgrade field and without a body"
            )
        refuse_framing(response)
        self._out.write(write_head(response, (), self._default_headers()))
        self.state = after
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def refuse(self, response: Response) -> None:
        """Answer without a whole request, and be done: a server that is full says 503 at once.

        Raises:
            LocalProtocolError: If an exchange is active, or the connection is over.
        """
        next_state(self.state, Trigger.REFUSE)
        method = self._head.method
        own = length_field(response, method)
        self._out.write(write_head(response, own, self._default_headers(), connection="close"))
        if not has_no_body(response, method):
            self._out.write(response.body)
        self._close()

    def data_to_send(self) -> bytes:
        """Give what is queued, joined, and empty the queue."""
        return self._out.take()

    def _read(self, now: float) -> Request | None:
        self._unread = False
        try:
            request = self._take_request()
        except RequestFault as fault:
            self._fail(fault)
            return None
        if request is not None:
            self.state = next_state(self.state, Trigger.REQUEST)
            if not self._keeps_what_follows():
                self._buffer.clear()
        elif self._idle and self._begun():
            self._idle = False
            self._deadline = now + self._limits.handshake_timeout
        return request

    def _take_request(self) -> Request | None:
        head = self._head
        if head is _NO_HEAD:
            self._heads.skip_blank_line(self._buffer)
            raw = self._heads.take(self._buffer)
            if raw is None:
                return None
            head = self._head = read_head(raw, self._limits)
            if head.length != 0:
                self._begin_body(head)
        body = self._body.take(self._buffer) if self._body else b""
        if body is None:
            return None
        self._body = None
        return Request(
            head.method,
            head.target,
            head.headers,
            http_version=head.http_version,
            scheme=self._scheme,
            body=body,
            client=self._client,
        )

    def _begin_body(self, head: RequestHead) -> None:
        if head.length is None:
            self._body = ChunkedBody(self._limits)
        elif head.length:
            self._body = FixedBody(head.length)
        if head.expects_continue:
            # In any case, even if the body has begun to arrive (RFC 9110, section 10.1.1 allows
            # either): what is sent does not depend on how the bytes were split.
            self._out.write(_CONTINUE)

    def _begun(self) -> bool:
        """Tell whether there is anything of a request; a CR may belong to an empty line."""
        return self._head is not _NO_HEAD or len(self._buffer) > self._buffer.startswith(b"\r")

    def _is_last(self) -> bool:
        return self._last or self._head.upgrade or not self._head.keep_alive

    def _keeps_what_follows(self) -> bool:
        """Tell whether bytes behind the active request can ever be of use."""
        may_switch = self.state is State.ACTIVE and self._head.upgradable
        return may_switch or not self._is_last()

    def _begin(self, response: Response, own: list[tuple[str, str]], *, last: bool = False) -> None:
        """Queue the head of an answer, and settle whether it is the last."""
        if response.status == 101:
            raise LocalProtocolError("a 101 is what upgrade() sends")
        last = (
            last
            or self._is_last()
            or (self.peer_gone and not self._buffer)
            or "close" in response.headers.tokens("connection")
        )
        option = "close" if last else "keep-alive" if self._head.http_version == "1.0" else ""
        self._out.write(write_head(response, own, self._default_headers(), connection=option))
        if last:
            self._last = True
            self._buffer.clear()

    def _finish(self, after: State, now: float) -> None:
        """Complete an exchange: wait for the next request, or be done."""
        self.state = after
        self._head = _NO_HEAD
        if self._last or (self.peer_gone and not self._buffer):
            self._close()
            return
        self._unread = bool(self._buffer)
        self._idle = not self._begun()
        limits = self._limits
        self._deadline = now + (
            limits.keep_alive_timeout if self._idle else limits.handshake_timeout
        )

    def _end_of_input(self) -> None:
        if self.state is not State.READING:
            return
        if self._begun():
            self._fail(RequestFault(400, "the connection ended before its request did"))
        else:
            self._close()

    def _fail(self, fault: RequestFault) -> None:
        """Answer a fault of the peer; the only place that does."""
        self.fault = fault.log
        self.refuse(Response(fault.status, _TEXT, f"{fault.text}\n"))

    def _close(self) -> None:
        self.state = next_state(self.state, Trigger.CLOSE)
        self._last = True
        self._head = _NO_HEAD
        self._body = None
        self._buffer.clear()
