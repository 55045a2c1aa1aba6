"""A server without a socket, for tests of the adapter itself: bytes, turns of the loop, a clock.

``Network`` is a server and its time; ``Client`` a connection to it that reads nothing by itself.
Tests of handlers have ``fasterapi.testing``, whose transport and clock these are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fasterapi import App
from fasterapi.aio.http import HTTPProtocol
from fasterapi.aio.server import Server
from fasterapi.testing import Clock, MemoryTransport
from tests.blackbox.peer import Head, get, handshake
from tests.protocol.wire import Written, read_frames

__all__ = ["Client", "Clock", "MemoryTransport", "Network", "get", "handshake", "turns", "until"]


class Network:
    """A server that runs in the current loop, and its time."""

    def __init__(self, app: App, **options: Any) -> None:
        self.clock = Clock()
        self.loop = asyncio.get_running_loop()
        self.server = Server(app, clock=self.clock, **options)
        self.server.use(self.loop)

    def connect(self, **extra: Any) -> Client:
        """Open a connection."""
        return Client(self, **{"peername": ("192.0.2.1", 4711), **extra})

    async def websocket(self, path: str = "/", *fields: str) -> Client:
        """Open a WebSocket."""
        client = self.connect()
        await client.send(handshake(*fields, path=path))
        await until(lambda: b"\r\n\r\n" in client.transport.written)
        assert client.head().status == 101
        return client

    async def stream(self, path: str = "/", *fields: str) -> Client:
        """Open an event stream."""
        client = self.connect()
        await client.send(get(path, *fields))
        await until(lambda: b"\r\n\r\n" in client.transport.written)
        assert client.head().status == 200
        return client

    async def pass_time(self, seconds: float, step: float = 0.05) -> None:
        """Let time go by."""
        for _ in range(max(1, round(seconds / step))):
            self.clock.now += step
            self.loop.call_soon(self.server.timers._walk)
            await turns(3)


class Client:
    """One connection to the server of a ``Network``."""

    def __init__(self, network: Network, **extra: Any) -> None:
        self.network = network
        self.transport = MemoryTransport(network.loop, **extra)
        self.transport.protocol = HTTPProtocol(network.server)
        self.transport.protocol.connection_made(self.transport)

    async def send(self, *reads: bytes) -> None:
        """Have data arrive, each piece in a read of its own, in a callback of the loop."""
        for data in reads:
            assert self.transport.reading, "nobody reads"
            self.network.loop.call_soon(
                lambda data=data: self.transport.protocol.data_received(data)
            )
            await turns()

    async def finish(self) -> None:
        """End our half of the connection."""

        def eof() -> None:
            if not self.transport.protocol.eof_received():
                self.transport.close()

        self.network.loop.call_soon(eof)
        await turns()

    async def leave(self, error: Exception | None = None) -> None:
        """End the connection."""
        self.transport.lose(error)
        await turns()

    @property
    def is_over(self) -> bool:
        """Whether the server has ended the connection, or at least its half of it."""
        return self.transport.ended or self.transport.closing

    def taken(self) -> bytes:
        """Give what the server has written since the last time."""
        data = bytes(self.transport.written)
        self.transport.written.clear()
        return data

    def head(self) -> Head:
        """Read the head of a response."""
        head, _, rest = self.taken().partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(": ") for line in lines[1:]]
        self.transport.written += rest
        return Head(int(lines[0].split(" ")[1]), {name.lower(): text for name, _, text in fields})

    def response(self) -> tuple[int, bytes]:
        """Read a response with a length: its status and its body."""
        head = self.head()
        size = int(head.headers.get("content-length", 0))
        body = bytes(self.transport.written[:size])
        del self.transport.written[:size]
        return head.status, body

    def frames(self) -> list[Written]:
        """Read frames."""
        return read_frames(self.taken())

    def messages(self) -> list[str | bytes]:
        """Read frames that are whole messages."""
        return [
            frame.payload.decode() if frame.first == 0x81 else frame.payload
            for frame in self.frames()
            if frame.first in (0x81, 0x82)
        ]

    def closing(self) -> tuple[int, str]:
        """Read up to a Close: its code and reason."""
        (payload,) = [frame.payload for frame in self.frames() if frame.first == 0x88]
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    def chunks(self) -> bytes:
        """Read the chunks of a body, joined."""
        data, body = self.taken(), b""
        while data:
            size, _, data = data.partition(b"\r\n")
            body += data[: int(size, 16)]
            data = data[int(size, 16) + 2 :]
        return body


async def turns(count: int = 6) -> None:
    """Let the loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Let the loop turn until something is so; threads may have a part in it."""
    end = asyncio.get_running_loop().time() + 10
    while not condition():
        assert asyncio.get_running_loop().time() < end, what or "it never came true"
        await asyncio.sleep(0.001)
    await turns()
