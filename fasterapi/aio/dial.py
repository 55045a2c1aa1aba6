"""Dialling: a client's ``Opening`` to a transport of asyncio with the response that counts.

DNS, TCP, proxies and TLS happen here, all of it in the running loop. What is asked and what answers
mean is decided in ``fasterapi.http``. uvloop tries the addresses of a name one after the other by
itself; elsewhere they are raced.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from ..http.h1_client import Excerpt, ResponseReader
from ..http.opening import Opening
from ..http.proxy import Proxy, check_tunnel, connect_request
from ..http.route import Route, proxy_unreachable, socks_failed, timeout_text
from ..limits import DEFAULT_LIMITS, REFUSAL_TIMEOUT, Limits
from ..protocol.uri import URI
from ..sync.dial import default_context
from ..sync.socks import FOREVER, make_socks
from .link import Link
from .race import connect_to_name

if TYPE_CHECKING:
    import socket

__all__ = ["Dialler"]


class Dialler:
    """Opens connections along a route.

    Args:
        route: The way.
        limits: Those of a head, and ``open_timeout``.
        environ: The environment's variables; by default the process's.
    """

    def __init__(
        self,
        route: Route,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._route = route
        self._limits = limits
        self._environ = os.environ if environ is None else environ
        self._sock: socket.socket | None = route.sock
        self._waiting_for = ""
        self._context: ssl.SSLContext | None = None

    async def open(self, opening: Opening) -> tuple[Link, ResponseReader]:
        """Get the response that counts; the link is the caller's to close.

        Returns:
            The link, and the reader that has the response and what arrived behind its head.

        Raises:
            TimeoutError, OSError, InvalidResponse, ProxyError, RedirectError, ValueError: As in
                ``sync.dial``.
        """
        seconds = self._limits.open_timeout
        try:
            async with asyncio.timeout(seconds) as scope:
                return await self._open(opening)
        except TimeoutError:
            if seconds is None or not scope.expired():
                raise  # the system's own
            text = timeout_text(opening.uri, seconds, self._waiting_for)
            raise TimeoutError(text) from None

    async def excerpt(self, link: Link, reader: ResponseReader) -> bytes:
        """Read the beginning of a refusal's body, for a moment."""
        excerpt = Excerpt(reader)
        with suppress(TimeoutError, OSError):  # what is there will do
            async with asyncio.timeout(REFUSAL_TIMEOUT):
                while excerpt.wants_data and (data := await link.read()):
                    excerpt.receive_data(data)
        return excerpt.data

    async def _open(self, opening: Opening) -> tuple[Link, ResponseReader]:
        while True:
            link = await self._dial(opening.uri)
            try:
                reader = ResponseReader(opening.request.method, limits=self._limits)
                self._waiting_for = "the server's answer"
                await link.ask(opening.to_send(link.proxy), reader)
                assert reader.response is not None
                if not opening.follow(reader.response):
                    return link, reader
            except BaseException:
                link.transport.abort()
                raise
            link.transport.abort()

    async def _dial(self, uri: URI) -> Link:
        """Connect to whom the URI names, TLS included."""
        route = self._route
        self._waiting_for = f"a connection to {uri.address}"
        if route.uds is not None:
            self._waiting_for = f"a connection to {route.fixed}"
            loop = asyncio.get_running_loop()
            _, link = await loop.create_unix_connection(Link, route.uds, **self._tls(uri))
            return link
        if route.sock is not None:
            return await self._connect(sock=self._take_sock(), **self._tls(uri))
        proxy = route.proxy_for(uri, self._environ)
        if proxy is None:
            return await self._connect(uri.host, uri.port, **self._tls(uri))
        self._waiting_for = f"the proxy {proxy}"
        if proxy.is_socks:
            return await self._connect(sock=await _socks(proxy, uri), **self._tls(uri))
        return await self._dial_proxy(uri, proxy)

    async def _dial_proxy(self, uri: URI, proxy: Proxy) -> Link:
        tls: dict[str, Any] = {}
        if proxy.secure:
            tls = {"ssl": self._default_context(), "server_hostname": proxy.host}
        try:
            link = await self._connect(proxy.host, proxy.port, **tls)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise proxy_unreachable(proxy, error) from error
        if uri.scheme == "http":
            link.proxy = proxy
            return link
        try:
            reader = ResponseReader("CONNECT", limits=self._limits, who=f"the proxy {proxy}")
            await link.ask(connect_request(uri, proxy), reader)
            check_tunnel(reader, uri, proxy)
            if uri.secure:
                self._waiting_for = f"the TLS handshake with {uri.address}"
                tls = self._tls(uri)
                transport = await asyncio.get_running_loop().start_tls(
                    link.transport, link, tls["ssl"], server_hostname=tls["server_hostname"]
                )
                assert transport is not None
                link.transport = transport
        except BaseException:
            link.transport.abort()
            raise
        return link

    async def _connect(self, *address: Any, **options: Any) -> Link:
        loop = asyncio.get_running_loop()
        if address and isinstance(loop, asyncio.BaseEventLoop) and not _is_literal(address[0]):
            options["sock"] = await connect_to_name(*address)  # which is the transport's at once
            address = ()
        _, link = await loop.create_connection(Link, *address, **options)
        return link

    def _tls(self, uri: URI) -> dict[str, Any]:
        if not uri.secure:
            return {}
        context: ssl.SSLContext = self._route.ssl or self._default_context()
        return {"ssl": context, "server_hostname": self._route.hostname_for(uri)}

    def _default_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = default_context()  # reading certificates takes its time
        return self._context

    def _take_sock(self) -> socket.socket:
        sock, self._sock = self._sock, None
        if sock is None:
            raise ConnectionError("the given socket is used up: it serves one connection")
        sock.setblocking(False)
        return sock


def _is_literal(host: str) -> bool:
    """Tell whether it is an address, which needs no look-up in another thread."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _load_socks() -> Any:
    from python_socks.async_.asyncio import Proxy as Socks

    return Socks


async def _socks(proxy: Proxy, uri: URI) -> socket.socket:
    """Have a SOCKS proxy connect; whoever waits for it has a deadline."""
    client, refusal = make_socks(proxy, _load_socks)
    try:
        sock: socket.socket = await client.connect(uri.host, uri.port, timeout=FOREVER)
    except refusal as error:
        raise socks_failed(proxy, uri, error) from error
    return sock
