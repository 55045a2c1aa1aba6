"""The client's half of one HTTP/1.1 exchange, sans-IO (RFC 9112).

A ``Request`` becomes bytes; bytes become the head of the ``Response``, and behind it either a body,
which is handed on as it comes, or another protocol. One exchange is all that a connection is used
for here: what follows is an event stream, a WebSocket, a tunnel, or nothing. Whom to connect to,
redirects and proxies are not known here.
"""

from __future__ import annotations

import re

import h11

from ..errors import InvalidArgument, InvalidResponse
from ..limits import DEFAULT_LIMITS, MAX_INTERIM_RESPONSES, MAX_REFUSAL, Limits
from ..protocol.headers import is_token, validate_field
from ..protocol.http import Request, Response
from .h1_body import ChunkedBody
from .h1_head import HeadReader, RequestFault

__all__ = ["Excerpt", "ResponseBody", "ResponseReader", "write_request"]

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: (.*))?\Z")
_TARGET = re.compile(r"[!-~]+\Z")
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_PREFIX = b"HTTP/1."
_TLS_ALERT = 0x15


def write_request(request: Request) -> bytes:
    """Write a request; a body gets its ``Content-Length``.

    Raises:
        InvalidArgument: If something in it would split the head, or it frames its body itself.
    """
    target = request.target
    if not is_token(request.method) or not _TARGET.match(target):
        raise InvalidArgument(f"not a request line: {request.method} {target!r}")
    fields = list(request.headers)
    names = {name.lower() for name, _ in fields}
    if own := names & {"content-length", "transfer-encoding"}:
        raise InvalidArgument(f"a request sets no {own.pop()}: the connection frames its body")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        fields.append(("Content-Length", str(len(request.body))))
    for name, value in fields:
        validate_field(name, value)
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in fields), "\r\n"]
    return "\r\n".join(lines).encode("latin-1") + request.body


class ResponseReader:
    """Reads the head that answers one request.

    Args:
        method: Of the request: it decides whether a body follows.
        limits: Those of a head.
        who: Who answers, for messages.

    Attributes:
        response: The response without its body, once its head is there. Those of the 100s but 101
            are read over (RFC 9110, section 15.2).
    """

    __slots__ = ("_buffer", "_heads", "_interim", "_limits", "_method", "_who", "response")

    def __init__(
        self, method: str = "GET", *, limits: Limits = DEFAULT_LIMITS, who: str = "the server"
    ) -> None:
        self.response: Response | None = None
        self._method = method
        self._limits = limits
        self._who = who
        self._buffer = bytearray()
        self._heads = HeadReader(limits, "response head", "status line")
        self._interim = 0

    def receive_data(self, data: bytes) -> Response | None:
        """Take what arrived; give the response once its head is there.

        Raises:
            InvalidResponse: If it is no HTTP, or a head over a limit.
        """
        self._buffer += data
        while self.response is None:
            self._check_beginning()
            try:
                head = self._heads.take(self._buffer)
            except RequestFault as fault:
                raise self._invalid(fault) from None
            if head is None:
                return None
            self._take_head(head)
        return self.response

    def receive_eof(self) -> None:
        """Take the connection's end, which comes too early.

        Raises:
            ConnectionResetError: In any case.
        """
        within = "within its answer" if self._buffer else "without an answer"
        raise ConnectionResetError(f"{self._who} closed the connection {within}")

    def take_rest(self) -> bytes:
        """Give what arrived behind the head, once."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def body(self) -> ResponseBody:
        """Give the reader of the body; feed it ``take_rest`` first.

        Raises:
            InvalidResponse: If the head does not say clearly where the body ends.
        """
        assert self.response is not None
        return ResponseBody(self.response, self._method, limits=self._limits, who=self._who)

    def _check_beginning(self) -> None:
        """See at the first byte possible that this is no HTTP/1.1."""
        beginning = bytes(self._buffer[: len(_PREFIX)])
        if _PREFIX.startswith(beginning):
            return
        if beginning[0] == _TLS_ALERT:
            detail = "it speaks TLS: the URL has to begin with wss:// or https://"
        else:
            detail = f"it begins with {bytes(self._buffer[:16])!r}"
        raise InvalidResponse(f"{self._who} does not answer in HTTP/1.1: {detail}")

    def _take_head(self, head: bytes) -> None:
        first, *lines = head[:-4].split(b"\r\n")
        match = _STATUS_LINE.match(first)
        parts = [line.partition(b":") for line in lines]
        fields = [(name, value.strip(b" \t")) for name, _, value in parts]
        if match is None or not all(colon for _, colon, _ in parts):
            raise InvalidResponse(f"{self._who} sent a malformed response head")
        status = int(match[1])
        reason = (match[2] or b"").decode("latin-1")
        if not reason.isprintable():
            reason = ""  # it means nothing (RFC 9112, section 4), and would be shown to people
        try:
            h11.Response(status_code=max(status, 200), headers=fields, http_version="1.1")
            response = Response(status if status >= 200 else 101, fields, reason=reason)
        except (h11.LocalProtocolError, InvalidArgument) as error:
            raise InvalidResponse(
                f"{self._who} sent a malformed response head: {str(error)[:120]}"
            ) from None
        if status >= 200 or status == 101:
            self.response = response
            return
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            raise InvalidResponse(f"{self._who} sends interim responses without an end")

    def _invalid(self, fault: RequestFault) -> InvalidResponse:
        return InvalidResponse(f"{self._who} sent what can't be taken: {fault.log[5:]}")


class ResponseBody:
    """Reads a response's body and hands it on as it comes (RFC 9112, section 6.3).

    Args:
        response: The head.
        method: Of the request.
        limits: ``max_head_size`` bounds chunk extensions and trailers; the body has no bound.
        who: Who answers, for messages.

    Attributes:
        finished: Whether the body is over; what arrives behind it is dropped.

    Raises:
        InvalidResponse: If the head does not say clearly where the body ends.
    """

    __slots__ = ("_buffer", "_chunks", "_left", "_who", "finished")

    def __init__(
        self,
        response: Response,
        method: str = "GET",
        *,
        limits: Limits = DEFAULT_LIMITS,
        who: str = "the server",
    ) -> None:
        self._who = who
        self._buffer = bytearray()
        self._chunks: ChunkedBody | None = None
        self._left: int | None = None  # None: until the connection ends
        codings = response.headers.tokens("transfer-encoding")
        lengths = response.headers.get_all("content-length")
        if method == "HEAD" or response.status in (101, 204, 304):
            self._left = 0
        elif codings == ["chunked"] and not lengths:
            self._chunks = ChunkedBody(limits, endless=True)
        elif codings or len(set(lengths)) > 1 or not all(map(_LENGTH.match, lengths)):
            raise InvalidResponse(f"{who} does not say clearly where its answer ends")
        elif lengths:
            self._left = int(lengths[0])
        self.finished = self._left == 0

    def receive_data(self, data: bytes) -> bytes:
        """Take what arrived, and give what it holds of the body.

        Raises:
            InvalidResponse: For a malformed chunk; after the data in front of it, so perhaps at
                the next call.
        """
        if self._chunks is not None:
            return self._read_chunks(self._chunks, data)
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        self.finished = not self._left
        return data

    def receive_eof(self) -> None:
        """Take the connection's end.

        Raises:
            ConnectionResetError: If the body is not whole.
            InvalidResponse: If a malformed chunk is why.
        """
        if self._chunks is not None:
            self._read_chunks(self._chunks, b"")  # for a fault behind what was handed on last
        elif self._left is None:
            self.finished = True
        if not self.finished:
            raise ConnectionResetError(f"{self._who} closed the connection within its answer")

    def _read_chunks(self, chunks: ChunkedBody, data: bytes) -> bytes:
        if self.finished:
            return b""
        self._buffer += data
        try:
            body = chunks.read(self._buffer)
        except RequestFault as fault:
            raise InvalidResponse(f"{self._who} sent what can't be taken: {fault.text}") from None
        self.finished = chunks.finished
        return body


class Excerpt:
    """Reads the beginning of the body of a refusal, to be shown to whoever is refused.

    Args:
        reader: What has read the head.

    Attributes:
        data: What is there of the body, at most ``limits.MAX_REFUSAL`` bytes.
    """

    __slots__ = ("_body", "data")

    def __init__(self, reader: ResponseReader) -> None:
        self.data = b""
        self._body: ResponseBody | None = None
        try:
            self._body = reader.body()
        except InvalidResponse:
            return  # what it refuses with is not worth a second error
        self.receive_data(reader.take_rest())

    @property
    def wants_data(self) -> bool:
        """Whether there is more to read."""
        body = self._body
        return body is not None and not body.finished and len(self.data) < MAX_REFUSAL

    def receive_data(self, data: bytes) -> None:
        """Take what arrived."""
        assert self._body is not None
        try:
            self.data = (self.data + self._body.receive_data(data))[:MAX_REFUSAL]
        except InvalidResponse:
            self._body = None
