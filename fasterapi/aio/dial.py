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

from ..http.dialling import Ask, Connect, HangUp, StartTLS, dialling
from ..http.h1_client import Excerpt, ResponseReader
from ..http.opening import Opening
from ..http.proxy import Proxy
from ..http.route import Route, socks_failed, timeout_text
from ..limits import DEFAULT_LIMITS, REFUSAL_TIMEOUT, Limits
from ..protocol.uri import URI
from ..sync.dial import Supplies
from ..sync.socks import FOREVER, make_socks
from .link import Link
from .race import connect_to_name

if TYPE_CHECKING:
    import socket

__all__ = ["Dialler"]


class Dialler:
    """Opens connections along a route, one at a time.

    Args:
        route: The way.
        limits: Those of a head, and ``open_timeout``.
        environ: The environment's variables; by default the process's.
        supplies: What it shares with other diallers of the route.
    """

    def __init__(
        self,
        route: Route,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environ: Mapping[str, str] | None = None,
        supplies: Supplies | None = None,
    ) -> None:
        self._route = route
        self._limits = limits
        self._environ = os.environ if environ is None else environ
        self._supplies = supplies or Supplies(route)
        self._waiting_for = ""

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
        due = asyncio.get_running_loop().time() + REFUSAL_TIMEOUT
        with suppress(OSError):  # what is there will do
            while excerpt.wants_data and (data := await link.read(due=due)):
                excerpt.receive_data(data)
        return excerpt.data

    async def _open(self, opening: Opening) -> tuple[Link, ResponseReader]:
        link: Link | None = None
        reader: ResponseReader | None = None
        try:
            for step in dialling(self._route, opening, self._environ, limits=self._limits):
                self._waiting_for = step.waiting_for
                if isinstance(step, Connect):
                    link = await self._reach(step)
                    continue
                assert link is not None
                match step:
                    case StartTLS():
                        link.transport = await self._start_tls(link, step)
                    case Ask():
                        reader = step.reader
                        await link.ask(step.request, reader)
                    case HangUp():
                        link.transport.abort()
                        link = None
        except BaseException:
            if link is not None:
                link.transport.abort()
            raise
        assert link is not None
        assert reader is not None
        return link, reader

    async def _reach(self, step: Connect) -> Link:
        """Connect to whom a step names, TLS included."""
        loop = asyncio.get_running_loop()
        options = self._tls(step.tls)
        if step.path is not None:
            _, link = await loop.create_unix_connection(Link, step.path, **options)
            return link
        if step.socks is not None:
            options["sock"] = await _socks(step.socks, step.uri)
        elif step.address is None:
            options["sock"] = sock = self._supplies.take_sock()
            sock.setblocking(False)
        try:
            return await self._connect(loop, step.address, options)
        except ssl.SSLError:
            raise
        except OSError as error:
            step.explain(error)
            raise

    async def _connect(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int] | None,
        options: dict[str, Any],
    ) -> Link:
        raced = isinstance(loop, asyncio.BaseEventLoop)
        if address is not None and raced and not _is_literal(address[0]):
            options["sock"] = await connect_to_name(*address)  # which is the transport's at once
            address = None
        _, link = await loop.create_connection(Link, *(address or ()), **options)
        return link

    async def _start_tls(self, link: Link, tls: StartTLS) -> asyncio.Transport:
        loop, options = asyncio.get_running_loop(), self._tls(tls)
        context = options.pop("ssl")
        transport = await loop.start_tls(link.transport, link, context, **options)
        assert transport is not None
        return transport

    def _tls(self, tls: StartTLS | None) -> dict[str, Any]:
        if tls is None:
            return {}
        context: ssl.SSLContext = tls.context or self._supplies.context
        return {"ssl": context, "server_hostname": tls.hostname}


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
