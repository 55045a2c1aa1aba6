"""h2's client on a server in memory, for tests of the adapter itself."""

from __future__ import annotations

from typing import Any

from fasterapi.aio.h2 import NegotiatingProtocol
from fasterapi.testing import MemoryTransport
from tests.http.h2_peer import EXTENDED, GET, Heard, Peer, fields
from tests.protocol.wire import Written, read_frames

from .memory import Network, turns

__all__ = ["H2Client"]


class H2Client:
    """One connection of HTTP/2 to the server of a ``Network``.

    Args:
        network: Where the server is.
        peer: The client's end, if it is to be a special one.
        extra: What the server can find out about the connection.
    """

    def __init__(self, network: Network, peer: Peer | None = None, **extra: Any) -> None:
        self.network = network
        self.peer = peer or Peer()
        extra = {"peername": ("192.0.2.1", 4711), **extra}
        self.transport = MemoryTransport(network.loop, **extra)
        self.transport.protocol = NegotiatingProtocol(network.server)
        self.transport.protocol.connection_made(self.transport)

    async def send(self, data: bytes) -> None:
        """Have bytes arrive in a callback of the loop."""
        assert self.transport.reading, "nobody reads"
        self.network.loop.call_soon(lambda: self.transport.protocol.data_received(data))
        await turns()

    def hear(self) -> None:
        """Read what the server has written."""
        data = bytes(self.transport.written)
        self.transport.written.clear()
        if data:
            self.peer.hear(data)

    async def run(self) -> None:
        """Carry bytes both ways until there are none."""
        while True:
            self.hear()
            data = self.peer.h2.data_to_send()
            if not data:
                return
            await self.send(data)

    async def leave(self) -> None:
        """End the connection."""
        self.transport.lose()
        await turns()

    async def get(self, path: str, method: str = "GET", body: bytes | None = None) -> Heard:
        """Ask for something; what was heard until now is the answer."""
        number = self.peer.request(fields(GET, method=method, path=path), body)
        await self.run()
        return self.peer.heard[number]

    async def websocket(self, path: str = "/ws", *headers: tuple[str, str]) -> Tunnel:
        """Ask for a WebSocket."""
        number = self.peer.request([*fields(EXTENDED, path=path), *headers], end=False)
        await self.run()
        return Tunnel(self, number)


class Tunnel:
    """A stream with frames of WebSocket on it."""

    def __init__(self, client: H2Client, number: int) -> None:
        self.client = client
        self.number = number

    @property
    def heard(self) -> Heard:
        """What came on it."""
        return self.client.peer.heard[self.number]

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send bytes, as far as the windows go."""
        wire = self.client.peer.h2
        while data:
            size = min(wire.local_flow_control_window(self.number), 16_384, len(data))
            assert size, "no credit"
            wire.send_data(self.number, data[:size], end_stream=end and size == len(data))
            data = data[size:]
            await self.client.run()

    async def frames(self) -> list[Written]:
        """Read the frames that came since the last time."""
        await self.client.run()
        data, self.heard.data = self.heard.data, b""
        return read_frames(data)

    async def messages(self) -> list[bytes]:
        """Read the payloads of frames that came since the last time."""
        return [frame.payload for frame in await self.frames()]
