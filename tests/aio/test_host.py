"""``Host``: connections that somebody else than an ``App`` answers."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fasterapi import Limits, Response
from fasterapi.aio.host import Host
from fasterapi.aio.http import HTTPProtocol
from fasterapi.protocol.http import Request
from fasterapi.testing import Clock, MemoryTransport
from tests.blackbox.peer import get

from .memory import turns


class Echo(Host):
    """Answers with the request's target, and keeps what it is told."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, access_log=False, clock=Clock())
        self.faults: list[str] = []

    def serve(self, http: HTTPProtocol, request: Request) -> None:
        http.respond(Response(200, body=request.target))

    def fault(self, client: str, fault: str) -> None:
        self.faults.append(fault)


def connect(host: Host) -> MemoryTransport:
    host.use(asyncio.get_running_loop())
    transport = MemoryTransport(host.loop, peername=("192.0.2.1", 4711))
    transport.protocol = HTTPProtocol(host)  # type: ignore[arg-type]
    transport.protocol.connection_made(transport)
    return transport


def test_whoever_derives_answers() -> None:
    async def main() -> None:
        host = Echo(Limits())
        transport = connect(host)
        transport.protocol.data_received(get("/here"))
        await turns()
        assert transport.written.endswith(b"/here")
        assert host.connections == {transport.protocol}
        transport.lose(None)
        await turns()
        assert not host.connections

    asyncio.run(main())


def test_its_limits_are_those_of_every_connection() -> None:
    async def main() -> None:
        host = Echo(Limits(max_connections=1))
        connect(host)
        assert connect(host).written.startswith(b"HTTP/1.1 503 ")

    asyncio.run(main())


def test_a_fault_of_a_peer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        host = Echo(Limits())
        transport = connect(host)
        transport.protocol.give_up("too slow")
        await turns()
        assert host.faults == ["too slow"]

    asyncio.run(main())
    assert not caplog.records


def test_a_fault_goes_to_the_log_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi.server")
    Host(Limits(), access_log=False).fault("192.0.2.1:4711", "too slow")
    assert caplog.messages == ["192.0.2.1:4711: too slow"]


def test_a_bare_one_answers_nothing() -> None:
    with pytest.raises(NotImplementedError):
        Host(Limits(), access_log=False).serve(None, None)  # type: ignore[arg-type]
