"""The request that asks for an event stream, and what a redirect makes of it.

One description, a new request for each attempt: the last event ID goes into it. Nothing is opened
here, and what an answer means is ``protocol.event_source``'s business.
"""

from __future__ import annotations

from typing import Any

from ..errors import InvalidArgument
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.headers import HeaderPairs, Headers, validate_field
from ..protocol.http import Request
from ..protocol.sse import to_json
from ..protocol.uri import HTTP_SCHEMES, URI
from .opening import USER_AGENT, Opening, with_user_agent

__all__ = ["EventRequest"]

# What the client writes itself, or can't use.
_OWN = frozenset({
    "accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "upgrade",
})  # fmt: skip
_CONTENT = frozenset({"content-type", "content-encoding", "content-language"})


class EventRequest:
    """Makes the requests for one event stream.

    Args:
        url, method, body, json, user_agent: See ``EventStreamBase``.
        headers: Further header fields. ``Last-Event-ID`` is the stream's last event ID to begin
            with; ``Accept`` and ``Cache-Control`` take the place of what an event stream asks with.

    Attributes:
        url: As given.
        method: As given, or as it follows from the rest.
        last_event_id: What the header fields say of it, ``""`` if they don't.

    Raises:
        ValueError: If there is both ``body`` and ``json``, or ``json`` can't be JSON.
        InvalidArgument: If the header fields hold one that the client writes itself, or a
            ``Last-Event-ID`` that can't be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        headers: HeaderPairs = (),
        user_agent: str | None = USER_AGENT,
    ) -> None:
        if body is not None and json is not None:
            raise ValueError("give either body or json, not both")
        fields = Headers(headers)
        if json is not None:
            body = to_json(json)
            if not fields.get_all("content-type"):
                fields = Headers([*fields, ("Content-Type", "application/json")])
        self.url = url
        self.method = method or ("GET" if body is None else "POST")
        # Not ``bytes(body)``: that makes NULs of a number.
        self._body = body.encode() if isinstance(body, str) else b"".join((body or b"",))
        for name, _ in fields:
            if name.lower() in _OWN:
                raise InvalidArgument(f"the client writes {name} itself; leave it out")
        self.last_event_id = _last_event_id(fields)
        self._headers = without(fields, {"last-event-id"})
        self._user_agent = user_agent

    def opening(
        self,
        fields: list[tuple[str, str]],
        *,
        limits: Limits = DEFAULT_LIMITS,
        fixed: str = "",
    ) -> Opening:
        """Begin an attempt.

        Args:
            fields: What an event stream is asked with now; see ``EventSource.header_fields``.
            limits: Those of redirects.
            fixed: Why the way can't lead to another server, if it can't.

        Raises:
            ValueError: If the URL is no good.
        """
        opening: Opening | None = None
        method, body = self.method, self._body

        def make(uri: URI, headers: Headers) -> Request:
            nonlocal method, body
            redirect = opening.response if opening is not None else None
            if redirect is not None and becomes_get(method, redirect.status):
                method, body = "GET", b""
            if not body:
                headers = without(headers, _CONTENT)
            own = [("Host", uri.authority)]
            if uri.authorization and not headers.get_all("authorization"):
                own.append(("Authorization", uri.authorization))
            own += [field for field in fields if not headers.get_all(field[0])]
            own += with_user_agent(headers, self._user_agent)
            scheme = "https" if uri.secure else "http"
            return Request(method, uri.target, own, scheme=scheme, body=body)

        opening = Opening(
            self.url, make, headers=self._headers, schemes=HTTP_SCHEMES, limits=limits, fixed=fixed
        )
        return opening


def becomes_get(method: str, status: int) -> bool:
    """Tell whether a redirect is followed with GET, and without a body (Fetch, "HTTP-redirect")."""
    if status == 303:
        return method not in ("GET", "HEAD")
    return status in (301, 302) and method == "POST"


def without(headers: Headers, names: frozenset[str] | set[str]) -> Headers:
    """Give header fields but for some, whose names are in lower case."""
    return Headers([field for field in headers if field[0].lower() not in names])


def _last_event_id(headers: Headers) -> str:
    value = headers.get("last-event-id") or ""
    validate_field("Last-Event-ID", value)
    # A header's text stands for bytes, and those are UTF-8 here.
    return value.encode("latin-1").decode("utf-8", "replace")
