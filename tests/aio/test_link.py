"""A client's transport while it is opened: reading in time, late, and by two at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fasterapi.aio.link import Link

from .conftest import Runner
from .memory import turns


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, socket.socket]]:
    """Give a link, and the peer's end of its socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        _, link = await asyncio.get_running_loop().create_connection(Link, sock=ours)
        try:
            yield link, theirs
        finally:
            link.transport.abort()
            await turns()


def test_what_has_arrived_is_read_though_it_is_late(run_everywhere: Runner) -> None:
    async def main() -> None:
        past = asyncio.get_running_loop().time() - 1
        async with linked() as (link, peer):
            await turns()
            peer.sendall(b"here")  # which the loop has not read yet
            assert await link.read(due=past) == b"here"
            peer.sendall(b"again")
            assert await link.read(2, due=past) == b"ag"
            assert await link.read(due=past) == b"ain"
            peer.close()
            assert await link.read(due=past) == b""

    run_everywhere(main())


def test_silence_is_an_error_when_it_is_due(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with linked() as (link, peer):
            for seconds in (-1, 0.001):
                with pytest.raises(TimeoutError) as silence:
                    await link.read(due=asyncio.get_running_loop().time() + seconds)
                assert silence.value.errno is None
            peer.sendall(b"after all")
            assert await link.read() == b"after all"

    run_everywhere(main())


def test_two_that_read_are_both_told_of_the_end(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with linked() as (link, peer):
            readers = [asyncio.create_task(link.read()) for _ in range(2)]
            await turns()
            peer.sendall(b"for one")
            await asyncio.wait(readers, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert sum(reader.done() for reader in readers) == 1
            link.transport.abort()
            done = await asyncio.wait_for(asyncio.gather(*readers), 10)
            assert sorted(done) == [b"", b"for one"]

    run_everywhere(main())
