"""A parsed request head and a response to it: what a handshake reads and what it answers.

They are transport-neutral: the same two classes describe an HTTP/1.1 head, an HTTP/2 or HTTP/3
request, and an Extended CONNECT (RFC 8441, ``protocol="websocket"``). Whoever parses the bytes
fills in a ``Request``; whoever writes them takes a ``Response``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from ..errors import InvalidArgument, InvalidBody
from .headers import HeaderPairs, Headers, validate_field

__all__ = ["QueryParams", "Request", "Response"]


class QueryParams(dict[str, str]):
    """The decoded query of a URL: name to last value, and ``get_all`` for repeated names.

    It needs no bound of its own: ``Limits.max_header_line`` has bounded the request line.
    """

    def __init__(self, query: str) -> None:
        self.pairs = parse_qsl(query, keep_blank_values=True)
        super().__init__(self.pairs)

    def get_all(self, name: str) -> list[str]:
        """Give every value of ``name``, in order."""
        return [value for key, value in self.pairs if key == name]


class Request:
    """A request head, and its body where there is one.

    Args:
        method: The method, ``"GET"`` for a WebSocket over HTTP/1.1, ``"CONNECT"`` over HTTP/2.
        target: Path and query as received, still percent-encoded: ``"/ws?room=1"``.
        headers: Header fields; see ``Headers``. For HTTP/2, ``host`` stands for ``:authority``.
        http_version: ``"1.0"``, ``"1.1"``, ``"2"`` or ``"3"``.
        scheme: ``"http"`` or ``"https"``: how the client reached us, needed to judge an origin.
        protocol: The ``:protocol`` of an Extended CONNECT, else ``None``.
        body: The whole request body.
        client: The peer's address as ``host:port``, empty if it is not known.
    """

    __slots__ = (
        "_cookies", "_query", "body", "client", "headers", "http_version", "method", "protocol",
        "scheme", "target",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        target: str,
        headers: HeaderPairs = (),
        *,
        http_version: str = "1.1",
        scheme: str = "http",
        protocol: str | None = None,
        body: bytes = b"",
        client: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.http_version = http_version
        self.scheme = scheme
        self.protocol = protocol
        self.body = body
        self.client = client
        self._query: QueryParams | None = None
        self._cookies: Mapping[str, str] | None = None

    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8."""
        return unquote(self.raw_path)

    @property
    def raw_path(self) -> str:
        """The path as received, percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query_string(self) -> str:
        """The query as received, without the question mark."""
        return self.target.partition("?")[2]

    @property
    def query(self) -> QueryParams:
        """The decoded query."""
        if self._query is None:
            self._query = QueryParams(self.query_string)
        return self._query

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name, unquoted (RFC 6265, section 4.2); the last of a name counts.

        What is no pair of name and value is skipped, so that it does not cost the others.
        """
        if self._cookies is None:
            self._cookies = _parse_cookies(";".join(self.headers.get_all("cookie")))
        return self._cookies

    def text(self) -> str:
        """Decode the body as UTF-8, impossible bytes as U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            InvalidBody: If it is not JSON; a ``ValueError`` that the client gets as status 400.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise InvalidBody(f"the body is not JSON: {error}") from error

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target} HTTP/{self.http_version}>"


class Response:
    """A response: status, headers, body.

    Args:
        status: 101, or 200 to 599.
        headers: Header fields; ``Content-Length`` is added when the response is written.
        body: The body, text as UTF-8.
        reason: The reason phrase; the standard one if empty.

    Raises:
        InvalidArgument: If the status is out of range, or a header or the reason holds a
            character that would split the head (CR, LF, NUL).
    """

    __slots__ = ("body", "headers", "reason", "status")

    def __init__(
        self,
        status: int = 200,
        headers: HeaderPairs = (),
        body: bytes | str = b"",
        reason: str = "",
    ) -> None:
        if status != 101 and not 200 <= status <= 599:
            raise InvalidArgument(f"not a status to answer with: {status!r}")
        validate_field("Reason-Phrase", reason)
        self.status = status
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        for name, value in self.headers:
            validate_field(name, value)
        # Not ``bytes(body)``: that makes NULs of a number.
        self.body = body.encode() if isinstance(body, str) else b"".join((body,))
        self.reason = reason

    @classmethod
    def of_checked(cls, status: int, headers: Headers) -> Self:
        """Build from a status and fields that are known to be sendable; there is no body."""
        response = cls.__new__(cls)
        response.status = status
        response.headers = headers
        response.body = b""
        response.reason = ""
        return response

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


def _parse_cookies(header: str) -> dict[str, str]:
    unquoted = SimpleCookie().value_decode
    pairs = (pair.partition("=") for pair in header.split(";"))
    return {
        name.strip(): unquoted(value.strip())[0]
        for name, equals, value in pairs
        if equals and name.strip()
    }
