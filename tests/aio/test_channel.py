"""A transport with back pressure, deadlines and an orderly end, whatever runs on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

import pytest

from fasterapi import App, Limits
from fasterapi.aio.channel import Channel
from fasterapi.limits import MAX_BURST

from .conftest import Runner
from .memory import MemoryTransport, Network, turns

LIMITS = Limits(write_high_water=1000, max_write_buffer=5000, write_timeout=10, close_timeout=3)


class Line(Channel):
    """Writes what it is told to; ``queue`` is what waits for ``flush``."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.server, LIMITS)
        self.queue = bytearray()
        self.flushes = 0
        self.goodbyes = 0
        self.resumptions = 0
        self.client = "192.0.2.1:4711"
        self.wire = self.transport = MemoryTransport(network.loop)
        self.wire.protocol = self
        self.wire.set_write_buffer_limits(high=LIMITS.write_high_water)

    def flush(self) -> None:
        self.flushes += 1
        if self.queue and not self._paused:
            self.transport.write(bytes(self.queue))
            self.queue.clear()

    @property
    def queued(self) -> int:
        return len(self.queue)

    def shut_down(self) -> None:
        self.goodbyes += 1

    def _resumed(self) -> None:
        self.resumptions += 1

    def put(self, data: bytes) -> Awaitable[None]:
        self.queue += data
        return self.sent(len(self.queue))


def network() -> Network:
    return Network(App(limits=LIMITS))


def test_done_is_over_already(run: Runner) -> None:
    async def main() -> None:
        turned: list[int] = []
        asyncio.get_running_loop().call_soon(turned.append, 1)
        assert await network().server.done is None  # type: ignore[func-returns-value]
        assert turned == []

    run(main())


def test_what_one_turn_sends_is_written_once(run_everywhere: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        for _ in range(10):
            assert line.put(b"0123456789") is line.server.done
        assert line.wire.writes == 0
        await turns(2)
        assert (line.wire.writes, line.wire.written) == (1, b"0123456789" * 10)
        line.put(b"!")
        await turns(2)
        assert line.wire.writes == 2

    run_everywhere(main())


def test_over_the_high_water_mark_it_is_written_at_once(run: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        line.put(bytes(1001))
        assert line.wire.writes == 1

    run(main())


def test_a_sender_waits_while_the_peer_is_slow(run_everywhere: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        line.wire.stuck = True
        waiting = line.put(bytes(2000))
        assert waiting is not line.server.done
        drained = asyncio.ensure_future(waiting)  # type: ignore[call-overload]
        also = asyncio.ensure_future(line.drain())
        cancelled = asyncio.ensure_future(line.drain())
        cancelled.cancel()
        await turns()
        line.wire.take(1000)
        await turns()
        assert not drained.done()
        line.wire.take()
        await turns()
        assert (drained.done(), also.done(), line.resumptions) == (True, True, 1)
        assert line.drain() is line.server.done

    run_everywhere(main())


def test_one_who_sends_without_end_gives_way(run: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        turned: list[int] = []
        line.server.loop.call_soon(turned.append, 1)
        for number in range(1, 2 * MAX_BURST):
            awaitable = line.put(b"x")
            await awaitable  # type: ignore[misc]
            assert bool(turned) is (number > MAX_BURST)

    run(main())


def test_whoever_waits_goes_on_when_the_connection_is_lost(run: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        line.wire.stuck = True
        drained = asyncio.ensure_future(line.put(bytes(2000)))  # type: ignore[call-overload]
        await turns()
        line.wire.lose()
        await turns()
        assert (drained.done(), line.lost) == (True, True)
        line.give_up("too late")
        line.shut_write()
        line.reschedule()
        line.read(False)
        assert line.bucket is None
        assert line.on_timer(2000.0) is None

    run(main())


def test_too_much_waiting_is_the_end(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        line = Line(network())
        line.wire.stuck = True
        line.put(bytes(4000))
        line.queue += bytes(1000)
        line.check_buffer()
        assert not line.aborted
        line.queue += b"!"
        line.check_buffer()
        line.queue += bytes(1000)
        line.check_buffer()
        assert (line.aborted, line.wire.aborted) == (True, True)
        await turns()

    run(main())
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "192.0.2.1:4711: aborted: it reads too slowly, 5001 bytes wait to be sent, "
        "over Limits.max_write_buffer (5000)"
    )


def test_what_somebody_awaits_is_not_too_much(run: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        line.wire.stuck = True

        async def send(size: int) -> None:
            line.check_buffer()
            await line.put(bytes(size))

        tasks = [asyncio.create_task(send(4000)) for _ in range(10)]
        await turns()
        line.check_buffer()
        assert not line.aborted
        tasks[-1].cancel()  # what it has sent is nobody's now
        await turns()
        line.put(bytes(1000))
        line.check_buffer()
        assert not line.aborted
        line.put(b"!")
        line.check_buffer()
        assert line.aborted
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_no_progress_is_the_end(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        net = network()
        line = Line(net)
        line.wire.stuck = True
        line.put(bytes(4000))
        await net.pass_time(9, step=1)
        line.wire.take(1)  # one byte is progress
        await net.pass_time(15, step=5)
        assert not line.aborted
        await net.pass_time(6, step=1)
        assert line.aborted

    run(main())
    (record,) = caplog.records
    assert record.getMessage().endswith("it took no byte for Limits.write_timeout (10 s)")


def test_a_peer_that_catches_up_has_all_the_time_again(run: Runner) -> None:
    async def main() -> None:
        net = network()
        line = Line(net)
        for _ in range(3):
            line.wire.stuck = True
            line.put(bytes(4000))
            await net.pass_time(8, step=1)
            line.wire.take()
            await net.pass_time(8, step=1)
        assert not line.aborted

    run(main())


def test_reading_pauses_and_goes_on_once_each(run: Runner) -> None:
    async def main() -> None:
        line = Line(network())
        line.read(True)
        line.read(False)
        line.read(False)  # the transport insists on once
        assert not line.wire.reading
        line.read(True)
        line.read(True)
        assert line.wire.reading
        line.wire.close()
        line.read(False)
        assert line.wire.reading
        await turns()

    run(main())


def test_the_end_of_our_half_leaves_the_peer_time_for_its_own(run: Runner) -> None:
    async def main() -> None:
        net = network()
        line = Line(net)
        line.read(False)
        line.shut_write()
        line.shut_write()
        assert (line.wire.ended, line.wire.closing, line.wire.reading) == (True, False, True)
        await net.pass_time(2.9)
        assert not line.wire.closing
        await net.pass_time(0.3)
        assert line.wire.aborted

    run(main())


def test_over_tls_there_are_no_halves(run: Runner) -> None:
    async def main() -> None:
        net = network()
        line = Line(net)
        line.wire.tls = True
        line.wire.stuck = True
        line.wire.write(b"last words")
        line.shut_write()
        await net.pass_time(9, step=1)
        assert not line.wire.closing  # or what waits would be given less than the write timeout
        line.wire.take()
        await net.pass_time(3.5)
        assert (line.lost, line.wire.aborted) == (True, False)

    run(main())


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", ["shut_write", "close_when_written"])
def test_the_end_waits_for_a_reader_that_is_slow_but_moving(
    run: Runner, end: str, tls: bool
) -> None:
    async def main() -> None:
        net = network()
        slow, dead = Line(net), Line(net)
        for line in (slow, dead):
            line.wire.tls = tls
            line.wire.stuck = True
            line.wire.write(bytes(900))  # less than the high-water mark
            getattr(line, end)()
        for _ in range(89):
            await net.pass_time(1, step=1)
            slow.wire.take(10)
        assert (slow.wire.aborted, dead.wire.aborted) == (False, True)
        slow.wire.take()
        await net.pass_time(7, step=1)
        assert (slow.lost, len(slow.wire.written)) == (True, 900)

    run(main())


def test_a_connection_that_was_reset_has_no_half_to_end(run: Runner) -> None:
    async def main() -> None:
        line = Line(network())

        def reset() -> None:
            raise OSError("Transport endpoint is not connected")

        line.wire.write_eof = reset  # type: ignore[method-assign]
        line.shut_write()
        assert line.wire.aborted
        await turns()

    run(main())


def test_closing_writes_what_is_left(run: Runner) -> None:
    async def main() -> None:
        net = network()
        line = Line(net)
        line.wire.stuck = True
        line.wire.write(b"last words")
        line.close_when_written()
        line.close_when_written()
        await net.pass_time(1)
        assert not line.lost
        line.wire.take()
        await turns()
        assert (line.lost, line.wire.aborted, line.wire.written) == (True, False, b"last words")

    run(main())


def test_a_stopping_server_says_goodbye_and_hangs_up_on_who_heard_it_before(run: Runner) -> None:
    async def main() -> None:
        net = network()
        greeted, waiting = Line(net), Line(net)
        waiting.shut_write()
        for line in (greeted, waiting):
            line.stop()
        assert (greeted.goodbyes, greeted.wire.closing) == (1, False)
        assert (waiting.goodbyes, waiting.wire.closing) == (0, True)
        net.server.stopping = True
        greeted.shut_write()
        assert (greeted.wire.ended, greeted.wire.closing) == (False, True)
        await turns()

    run(main())


def test_a_peer_that_the_system_gave_up_is_told_of(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        for error in (TimeoutError(110, "Connection timed out"), ConnectionResetError(), None):
            line = Line(network())
            line.wire.lose(error)
            await turns()
            assert line.lost

    run(main())
    assert caplog.messages == [
        "192.0.2.1:4711: lost: it acknowledged nothing for Limits.write_timeout (10 s), "
        "or answers no more"
    ]
