"""A stream behaves as asyncio says of a transport, to a protocol that knows nothing of HTTP/2."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fasterapi import App, Limits, WebSocket
from fasterapi.aio.stream import StreamTransport
from tests.http.h2_peer import Peer

from .conftest import Runner
from .h2_client import H2Client, Tunnel
from .memory import Network, turns


class Notes(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.told: list[object] = []
        self.paused_after_each: StreamTransport | None = None

    def data_received(self, data: bytes) -> None:
        self.told.append(data)
        if self.paused_after_each is not None:
            self.paused_after_each.pause_reading()

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keep

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(("lost", type(error)))


Case = Callable[[H2Client, Tunnel, StreamTransport, Notes], Awaitable[None]]


def try_out(run: Runner, case: Case, *, keep: bool = True, peer: Peer | None = None) -> None:
    """Give a case a tunnel whose transport has a protocol of its own."""
    app = App(limits=Limits(ping_interval=None))

    @app.websocket("/ws")
    async def accept(ws: WebSocket) -> None:
        await ws.accept()
        await asyncio.sleep(1000)

    async def main() -> None:
        client = H2Client(Network(app), peer)
        tunnel = await client.websocket()
        connection = client.transport.protocol
        transport = connection._transports[tunnel.number]
        before, notes = transport.get_protocol(), Notes(keep)
        transport.set_protocol(notes)
        assert transport.get_protocol() is notes
        await case(client, tunnel, transport, notes)
        before.connection_lost(None)  # the handler's end
        await turns()

    run(main())


def test_bytes_both_ways(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        await tunnel.send(b"one")
        transport.write(b"")
        transport.write(bytearray(b"two"))
        transport.writelines([b"three", memoryview(b"four")])
        await turns()
        client.hear()
        assert notes.told == [b"one"]
        assert tunnel.heard.data == b"twothreefour"
        assert tunnel.heard.frames == [12], "what a turn writes goes out in one frame"
        assert transport.get_extra_info("peername") == ("192.0.2.1", 4711)
        assert transport.get_extra_info("nothing", 7) == 7

    try_out(run, case)


def test_what_comes_while_reading_is_paused_is_kept_in_order(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.pause_reading()
        assert not transport.is_reading()
        await tunnel.send(b"one")
        await tunnel.send(b"two", end=True)
        assert notes.told == []
        transport.resume_reading()
        assert notes.told == [], "never from within the call"
        transport.resume_reading()
        await turns()
        assert notes.told == [b"onetwo", "eof"]
        assert transport.is_reading()
        assert transport.can_write_eof()

    try_out(run, case)


def test_reading_that_is_paused_again_in_between(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.pause_reading()
        for piece in (b"one", b"two"):
            await tunnel.send(piece)
        transport.resume_reading()
        notes.paused_after_each = transport
        await turns()
        assert notes.told == [b"onetwo"]
        await tunnel.send(b"three")
        assert notes.told == [b"onetwo"]
        transport.resume_reading()
        await turns()
        assert notes.told == [b"onetwo", b"three"]

    try_out(run, case)


def test_a_full_buffer_pauses_and_a_low_one_resumes(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.set_write_buffer_limits(high=1000)
        assert transport.get_write_buffer_limits() == (250, 1000)
        transport.write(bytes(1000))
        await turns()
        assert notes.told == []
        transport.write(b"x")
        assert notes.told == ["pause"]
        assert transport.get_write_buffer_size() == 1001
        client.peer.h2.increment_flow_control_window(700, tunnel.number)
        await client.run()
        assert notes.told == ["pause"]
        client.peer.h2.increment_flow_control_window(51, tunnel.number)
        await client.run()
        assert notes.told == ["pause", "resume"]

    try_out(run, case, peer=Peer(window=0, credit=False))


def test_a_protocol_that_does_not_keep_its_half_is_closed(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        await tunnel.send(b"x", end=True)
        await turns()
        await client.run()
        assert notes.told == [b"x", "eof", ("lost", type(None))]
        assert tunnel.heard.ended
        assert tunnel.heard.reset is None

    try_out(run, case, keep=False)


def test_close_waits_for_what_is_written(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.write(b"last words")
        transport.close()
        transport.close()
        transport.write(b"too late")
        assert transport.is_closing()
        await turns()
        assert notes.told == []
        client.peer.h2.increment_flow_control_window(100, tunnel.number)
        await client.run()
        await turns()
        assert notes.told == [("lost", type(None))]
        assert (tunnel.heard.data, tunnel.heard.ended) == (b"last words", True)
        await tunnel.send(b"nobody reads it", end=True)
        assert len(notes.told) == 1
        transport.abort()
        transport.write(b"x")
        await turns()
        assert len(notes.told) == 1

    try_out(run, case, peer=Peer(window=0, credit=False))


def test_abort_drops_what_waits(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.write(b"x")
        transport.abort()
        assert notes.told == []
        await turns()
        client.hear()
        assert notes.told == [("lost", type(None))]
        assert tunnel.heard.reset == 8
        assert transport.get_write_buffer_size() == 0

    try_out(run, case, peer=Peer(window=0, credit=False))


def test_a_reset_is_a_lost_connection_whatever_is_unread(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.pause_reading()
        await tunnel.send(b"unread")
        transport.resume_reading()
        client.peer.h2.reset_stream(tunnel.number, 8)
        client.transport.protocol.data_received(client.peer.h2.data_to_send())
        assert notes.told == [("lost", ConnectionResetError)]
        await turns()
        assert len(notes.told) == 1

    try_out(run, case)


def test_half_a_stream_may_end_before_the_other(run: Runner) -> None:
    async def case(
        client: H2Client, tunnel: Tunnel, transport: StreamTransport, notes: Notes
    ) -> None:
        transport.write(b"all")
        transport.write_eof()
        await turns()
        client.hear()
        assert (tunnel.heard.data, tunnel.heard.ended) == (b"all", True)
        await tunnel.send(b"more")
        assert notes.told == [b"more"]
        transport.close()
        await turns()
        assert notes.told[-1] == ("lost", type(None))

    try_out(run, case)
