"""SOCKS proxies: python-socks, for both adapters, and what it says in our own kind of error."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from ..errors import ProxyError
from ..http.proxy import Proxy
from ..http.route import SOCKS_NEEDS, socks_failed
from ..protocol.uri import URI

__all__ = ["FOREVER", "connect_by_socks", "make_socks"]

FOREVER = 1e6
"""Seconds, for a library that knows no ``None``."""


def make_socks(proxy: Proxy, load: Callable[[], Any]) -> tuple[Any, type[Exception]]:
    """Make python-socks's client for a proxy.

    Args:
        proxy: The proxy.
        load: Imports the client's class, a blocking one or one for a loop.

    Returns:
        The client, and the error that it raises when the proxy refuses.

    Raises:
        ProxyError: If python-socks is not installed.
    """
    try:
        from python_socks import ProxyError as Refusal
        from python_socks import ProxyType

        kind = load()
    except ImportError:
        raise ProxyError(SOCKS_NEEDS) from None
    client = kind.create(
        ProxyType[proxy.socks_version], proxy.host, proxy.port, proxy.user, proxy.password,
        proxy.looks_names_up,
    )  # fmt: skip
    return client, Refusal


def _load_socks() -> Any:
    from python_socks.sync import Proxy as Socks

    return Socks


def connect_by_socks(proxy: Proxy, uri: URI, seconds: float | None) -> Callable[[], socket.socket]:
    """Give what has a SOCKS proxy connect, and waits for it.

    Args:
        proxy: The proxy.
        uri: Where to.
        seconds: How long each step of it may take: it has several, and nobody can interrupt it.

    Raises:
        ProxyError: If python-socks is not installed. What is given raises it if the proxy refuses.
    """
    client, refusal = make_socks(proxy, _load_socks)

    def connect() -> socket.socket:
        try:
            sock: socket.socket = client.connect(uri.host, uri.port, timeout=seconds or FOREVER)
        except refusal as error:
            raise socks_failed(proxy, uri, error) from error
        return sock

    return connect
