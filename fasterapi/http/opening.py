"""From a URL to the response that counts: what a client asks, of whom, and where it is sent on.

``Opening`` is one attempt. An adapter connects to its ``uri``, writes its ``request`` and hands it
the response; if that is a redirect it does so again. Nothing is opened here, no time is known, and
what the response is for is its user's business.

Rules
    1. What is secret is for one origin only: a redirect to another one loses the user and password
       of the URL, ``Authorization``, ``Cookie`` and ``Proxy-Authorization`` (RFC 9110, 15.4).
       One to the same origin keeps them, also where its URL says nothing of a user.
    2. A redirect leads from plain to TLS, never from TLS to plain.
    3. A server that redirects a WebSocket may write ``http`` for ``ws``, and ``https`` for ``wss``.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection
from urllib.parse import urldefrag, urljoin, urlsplit

from .._version import __version__
from ..errors import RedirectError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.headers import HeaderPairs, Headers
from ..protocol.http import Request, Response
from ..protocol.text import printable
from ..protocol.uri import URI, WEBSOCKET_SCHEMES, parse_uri, without_userinfo
from .h1_client import write_request
from .proxy import Proxy, forwarded

__all__ = ["USER_AGENT", "Opening", "with_user_agent"]

USER_AGENT = f"fasterapi/{__version__} Python/{platform.python_version()}"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})
_AS_WEBSOCKET = {"http": "ws", "https": "wss"}


class Opening:
    """One attempt to get a response, redirects included.

    Args:
        url: Where to begin.
        make: Makes the request for a URI, with the header fields that may be told to its origin.
            It is called once for each URI; ``response`` says how the one before was answered.
        headers: The caller's header fields.
        schemes: Those that the URL, and every redirect, may have.
        limits: ``max_redirects`` counts here.
        max_redirects: Another number of them, 0 among others.
        fixed: Why the connection can't lead to another origin, if it can't: a unix socket.

    Attributes:
        uri: Whom to connect to now.
        request: What to ask.
        response: The last redirect; ``None`` before there was one.

    Raises:
        ValueError: If the URL is none of these schemes, or ``max_redirects`` below 0.
        LocalProtocolError: From ``make``.
    """

    def __init__(
        self,
        url: str,
        make: Callable[[URI, Headers], Request],
        *,
        headers: HeaderPairs = (),
        schemes: Collection[str] = WEBSOCKET_SCHEMES,
        limits: Limits = DEFAULT_LIMITS,
        max_redirects: int | None = None,
        fixed: str = "",
    ) -> None:
        self.uri = parse_uri(url, schemes)
        self.response: Response | None = None
        self._url = url
        self._make = make
        self._headers = Headers(headers)
        self._schemes = schemes
        self._most = limits.max_redirects if max_redirects is None else max_redirects
        if self._most < 0:
            raise ValueError(f"max_redirects is 0 or more, not {self._most}")
        self._left = self._most
        self._fixed = fixed
        self.request = make(self.uri, self._headers)

    def to_send(self, proxy: Proxy | None = None) -> bytes:
        """Write the request.

        Args:
            proxy: One that forwards it; ``None``: the connection is the server's own.
        """
        return (
            write_request(self.request)
            if proxy is None
            else forwarded(self.request, self.uri, proxy)
        )

    def follow(self, response: Response) -> bool:
        """Take a response; tell whether it is a redirect, to be followed to ``uri``.

        Raises:
            RedirectError: If it is one, and may not be followed.
        """
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or location is None:
            return False
        url = self._resolve(location)
        shown = printable(without_userinfo(url))

        def refused(why: object) -> RedirectError:
            return RedirectError(response.status, shown, f"not redirected to {shown}: {why}")

        if not self._left:
            most = self._most
            raise refused(f"over Limits.max_redirects ({most})" if most else "max_redirects=0")
        try:
            uri = parse_uri(url, self._schemes)
        except ValueError as error:
            raise refused(error) from None
        if self.uri.secure and not uri.secure:
            raise refused("that would go from TLS to plain text")
        if uri.origin == self.uri.origin:
            uri = uri._replace(authorization=uri.authorization or self.uri.authorization)
        elif self._fixed:
            raise refused(f"{self._fixed} leads to one server")
        else:
            self._headers = Headers(
                [field for field in self._headers if field[0].lower() not in _SECRET]
            )
        self._left -= 1
        self._url, self.uri, self.response = url, uri, response
        self.request = self._make(uri, self._headers)
        return True

    def _resolve(self, location: str) -> str:
        """Make the URL that a ``Location`` stands for (RFC 9110, section 10.2.2)."""
        # urljoin knows no ws://; the scheme is put back behind it.
        scheme, _, rest = self._url.partition("://")
        url = urldefrag(urljoin(f"http://{rest}", location)).url
        given = urlsplit(location).scheme
        if given in _AS_WEBSOCKET and "ws" in self._schemes:
            given = _AS_WEBSOCKET[given]
        return f"{given or scheme}://{url.partition('://')[2]}" if "://" in url else url


def with_user_agent(headers: Headers, user_agent: str | None) -> list[tuple[str, str]]:
    """Give header fields with a ``User-Agent``, unless they have one.

    Args:
        headers: The caller's.
        user_agent: Its value; ``None``: no such field.
    """
    if user_agent is None or headers.get_all("user-agent"):
        return list(headers)
    return [("User-Agent", user_agent), *headers]
