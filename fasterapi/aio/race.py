"""A name's addresses to a connected socket: the first that answers (RFC 8305, Happy Eyeballs).

Attempts begin one after the other, each a moment after the one before or as soon as that one has
failed, and families take turns. asyncio's own race leaves sockets behind when it is cancelled, and
is run for a single address too.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Any

__all__ = ["connect_to_name", "interleaved"]

_DELAY = 0.25
"""Seconds between two attempts, as section 5 recommends."""

Address = tuple[int, int, int, str, Any]
"""As ``getaddrinfo`` gives it: family, type, protocol, canonical name, address."""


async def connect_to_name(host: str, port: int, *, delay: float = _DELAY) -> socket.socket:
    """Connect to one of a name's addresses.

    Args:
        host: The name.
        port: The port.
        delay: Seconds between two attempts.

    Raises:
        OSError: If the name is unknown, or none of its addresses can be connected to.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting = deque(interleaved(found))
    if len(waiting) == 1:
        return await _connect(loop, waiting[0])
    under_way: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while waiting or under_way:
            if waiting:
                under_way.add(loop.create_task(_connect(loop, waiting.popleft())))
            done, _ = await asyncio.wait(
                under_way,
                timeout=delay if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                try:
                    sock = task.result()
                except OSError as error:
                    errors.append(error)
                    under_way.discard(task)
                else:
                    under_way.discard(task)
                    return sock
    finally:
        await _call_off(under_way)
    raise _summary(host, errors)


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Order addresses so that families take turns, and the system's first is the first."""
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    turns = zip_longest(*families.values())
    return [address for address in chain.from_iterable(turns) if address is not None]


async def _connect(loop: asyncio.AbstractEventLoop, address: Address) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


async def _call_off(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """End what is under way, and close what has connected too late."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            task.result().close()


def _summary(host: str, errors: list[OSError]) -> OSError:
    """Give one error for all: the first, if the others say the same."""
    if not errors:
        return OSError(f"{host} has no address")
    if len({error.errno for error in errors}) == 1:
        return errors[0]
    return OSError(f"no address of {host} can be connected to: " + "; ".join(map(str, errors)))
