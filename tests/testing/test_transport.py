"""The transport in memory, held against what asyncio's own do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fasterapi.testing import MemoryTransport


class Protocol(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(("lost", error))


def run(scenario: Callable[[MemoryTransport, Protocol], None]) -> list[object]:
    async def main() -> list[object]:
        transport, protocol = MemoryTransport(asyncio.get_running_loop()), Protocol()
        transport.set_protocol(protocol)
        assert transport.get_protocol() is protocol
        scenario(transport, protocol)
        await asyncio.sleep(0)
        return protocol.told

    return asyncio.run(main())


def test_a_peer_that_takes_everything() -> None:
    def scenario(transport: MemoryTransport, _: Protocol) -> None:
        transport.write(b"a")
        transport.write(memoryview(b"b"))
        assert (bytes(transport.written), transport.writes) == (b"ab", 2)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        transport.close()
        transport.write(b"late")
        assert bytes(transport.written) == b"ab"
        assert transport.is_closing()

    assert run(scenario) == [("lost", None)]


def test_a_stuck_peer_and_the_water_marks() -> None:
    def scenario(transport: MemoryTransport, protocol: Protocol) -> None:
        transport.set_write_buffer_limits(high=8)
        transport.stuck = True
        transport.write(bytes(8))
        assert protocol.told == []
        transport.write(b"\1")
        transport.write(b"\2")
        assert protocol.told == ["pause"]
        transport.take(7)
        assert (transport.stuck, transport.get_write_buffer_size()) == (True, 3)
        assert protocol.told == ["pause"]
        transport.take()
        assert (transport.stuck, transport.get_write_buffer_size()) == (False, 0)
        assert protocol.told == ["pause", "resume"]

    run(scenario)


def test_closing_waits_for_what_is_written() -> None:
    def scenario(transport: MemoryTransport, _: Protocol) -> None:
        transport.set_write_buffer_limits()
        transport.stuck = True
        transport.write(b"abc")
        transport.close()
        assert transport.is_closing()
        assert not transport.lost
        transport.take()
        assert transport.lost
        assert bytes(transport.written) == b"abc"

    assert run(scenario) == [("lost", None)]


def test_aborting_does_not() -> None:
    def scenario(transport: MemoryTransport, _: Protocol) -> None:
        transport.stuck = True
        transport.write(b"abc")
        transport.abort()
        assert (transport.aborted, transport.lost, bytes(transport.written)) == (True, True, b"")

    assert run(scenario) == [("lost", None)]


def test_the_network_ends_it_with_an_error() -> None:
    error = ConnectionResetError()
    assert run(lambda transport, _: transport.lose(error)) == [("lost", error)]


def test_halves() -> None:
    def scenario(transport: MemoryTransport, _: Protocol) -> None:
        assert transport.can_write_eof()
        transport.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            transport.write(b"late")

    assert run(scenario) == []


def test_over_tls_there_are_no_halves() -> None:
    async def main() -> None:
        transport = MemoryTransport(asyncio.get_running_loop(), sslcontext=True)
        assert not transport.can_write_eof()
        assert transport.get_extra_info("sslcontext") is True
        with pytest.raises(NotImplementedError):
            transport.write_eof()

    asyncio.run(main())


def test_reading_is_paused_and_resumed_once_each() -> None:
    def scenario(transport: MemoryTransport, _: Protocol) -> None:
        with pytest.raises(RuntimeError, match="not paused"):
            transport.resume_reading()
        transport.pause_reading()
        with pytest.raises(RuntimeError, match="paused already"):
            transport.pause_reading()
        transport.resume_reading()
        assert (transport.reading, transport.resumptions) == (True, 1)

    run(scenario)
