"""Bytes that threads hand to the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fasterapi import ConnectionClosed
from fasterapi.aio.bridge import Outflow

from .conftest import Runner
from .memory import turns, until

SECONDS = 10.0


class Sink:
    """What an outflow writes to."""

    def __init__(self, high_water: int = 100) -> None:
        self.data = b""
        self.full = False
        self.gone = False
        self.outflow = Outflow(
            asyncio.get_running_loop(), high_water, self.write, lambda: self.full
        )

    def write(self, data: bytes) -> None:
        if self.gone:
            raise ConnectionClosed
        self.data += data


def test_bytes_of_a_thread_arrive_in_order_and_together(run_everywhere: Runner) -> None:
    async def main() -> None:
        sink = Sink(high_water=10**6)
        await asyncio.to_thread(lambda: [sink.outflow.put(b"%d " % n) for n in range(1000)])
        await turns()
        assert sink.data == b"".join(b"%d " % n for n in range(1000))
        sink.outflow.put(b"from the loop")
        assert sink.data.endswith(b"999 from the loop")
        assert not sink.outflow.busy

    run_everywhere(main())


@pytest.mark.parametrize("end", ["room", "loss"])
def test_a_thread_waits_while_the_transport_is_full(run: Runner, end: str) -> None:
    async def main() -> None:
        sink = Sink()
        sink.full = True
        puts = 0

        def fill() -> None:
            nonlocal puts
            for _ in range(100):
                sink.outflow.put(bytes(10))
                puts += 1

        filling = asyncio.ensure_future(asyncio.to_thread(fill))
        await until(lambda: sink.data)
        await turns(20)
        assert puts < 30
        if end == "room":
            sink.full = False
            sink.outflow.resumed()
            await filling
            await turns()
            assert (puts, len(sink.data)) == (100, 1000)
        else:
            sink.outflow.lose()
            with pytest.raises(ConnectionClosed):
                await filling

    run(main())


def test_nobody_left_is_told_at_the_next_put(run: Runner) -> None:
    async def main() -> None:
        sink = Sink()
        sink.gone = True
        await asyncio.to_thread(sink.outflow.put, b"into the void")
        await turns()
        with pytest.raises(ConnectionClosed):
            await asyncio.to_thread(sink.outflow.put, b"again")
        with pytest.raises(ConnectionClosed):
            sink.outflow.put(b"from the loop")

    run(main())


def test_a_loop_that_is_closed_is_nobody_left(run: Runner) -> None:
    sinks: list[Sink] = []

    async def main() -> None:
        sinks.append(Sink())

    run(main())
    raised: list[Exception] = []

    def put() -> None:
        try:
            for _ in range(2):
                sinks[0].outflow.put(b"too late")
        except ConnectionClosed as error:
            raised.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    thread.join(SECONDS)
    assert len(raised) == 1
