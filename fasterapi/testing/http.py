"""Plain HTTP as a client sees it: a request to bytes, and bytes to a ``Reply``, on h11.

Nothing here waits or carries anything: bytes come in by ``feed`` and the request is ``data``.
"""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable
from typing import Any, TypedDict

import h11

from ..errors import HandshakeError
from ..protocol.headers import HeaderPairs, Headers

__all__ = ["Exchange", "Refused", "Reply", "RequestOptions", "to_body"]

_MOST = 1024 * 1024
"""Bytes of a response's head that are taken: more than a test writes."""


class RequestOptions(TypedDict, total=False):
    """What a request may have beside its method and path.

    Attributes:
        headers: Header fields, which take the place of the client's of the same name.
        content: The body; text goes as UTF-8.
        json: A value to be the body instead.
        timeout: Seconds of real time that it may take; by default the client's.
    """

    headers: HeaderPairs
    content: bytes | str
    json: Any
    timeout: float | None


class Reply:
    """A response, as it came.

    Attributes:
        status: Its status.
        reason: Its reason phrase.
        headers: Its header fields; look one up by its name.
        body: Its body; of a stream, what has come so far.
    """

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(self, status: int, headers: HeaderPairs, body: bytes, reason: str) -> None:
        self.status = status
        self.headers = Headers(headers)
        self.body = body
        self.reason = reason

    @property
    def status_code(self) -> int:
        """Its status, by the name that it has in httpx and requests."""
        return self.status

    @property
    def text(self) -> str:
        """The body, decoded as UTF-8, impossible bytes as U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            ValueError: If it is none.
        """
        return json_format.loads(self.body)

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.reason}, {len(self.body)} bytes>"


class Refused(HandshakeError):
    """The server refuses a WebSocket, or an event stream.

    Attributes:
        response: What it answers, with its body.
        status, headers: Of the response.
    """

    def __init__(self, what: str, response: Reply) -> None:
        message, text = f"{what}: {response.status} {response.reason}", response.text.strip()
        if text not in ("", response.reason):
            message += f": {text[:200]}"
        super().__init__(response.status, message, headers=response.headers)
        self.what = what
        self.response = response

    def __reduce__(self) -> tuple[type[Refused], tuple[str, Reply]]:
        return type(self), (self.what, self.response)


class Exchange:
    """One request and its response.

    Args:
        method: The method.
        target: Path and query.
        headers: Header fields, ``Host`` among them.
        body: The body.

    Attributes:
        data: The bytes to send.
        head: The response, from its head on; its body is in ``body``.
        body: The body so far.
        complete: Whether the response is there, whole.
        rest: After a 101, the bytes that have come behind it; ``None``: there was none.
    """

    def __init__(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b""
    ) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST)
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        request = h11.Request(method=method, target=target, headers=fields)
        self.data = self._h11.send(request) or b""
        if body:
            self.data += self._h11.send(h11.Data(data=body)) or b""
        self.data += self._h11.send(h11.EndOfMessage()) or b""
        self.head: Reply | None = None
        self.body = bytearray()
        self.complete = False
        self.rest: bytes | None = None

    def feed(self, data: bytes) -> bytes:
        """Take what came, ``b""`` for the end; give the part of it that belongs to the body.

        Raises:
            h11.RemoteProtocolError: If it is no HTTP/1.1, or ended in the middle.
        """
        if self.rest is not None:
            self.rest += data
            return b""
        self._h11.receive_data(data)
        begin = len(self.body)
        while not self.complete:
            event = self._h11.next_event()
            if isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                self._take_head(event)
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                break
        return bytes(self.body[begin:])

    @property
    def reply(self) -> Reply:
        """The response with what has come of its body."""
        assert self.head is not None
        self.head.body = bytes(self.body)
        return self.head

    def _take_head(self, event: h11.Response | h11.InformationalResponse) -> None:
        reason = bytes(event.reason).decode("latin-1")
        self.head = Reply(event.status_code, list(event.headers), b"", reason)
        if event.status_code == 101:
            self.complete = True
            self.rest = self._h11.trailing_data[0]


def to_body(content: bytes | str, json: Any, headers: list[tuple[str, str]]) -> bytes:
    """Make a request's body, and add the header fields that go with it.

    Raises:
        TypeError: If there are two bodies.
    """
    if json is not None:
        if content:
            raise TypeError("a request has one body: give either content or json")
        content = json_format.dumps(json)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
    body = content.encode() if isinstance(content, str) else content
    if body:
        headers.append(("Content-Length", str(len(body))))
    return body
