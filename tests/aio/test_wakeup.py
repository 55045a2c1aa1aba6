"""Eager wake-up: a waiting task is resumed at once, and nothing else about it changes.

Each test drives a real server with a transport in memory, on asyncio's loop, in its debug mode,
and on uvloop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from fasterapi import App, ConcurrentReceive, ConnectionClosed, WebSocket
from fasterapi.aio.http import HTTPProtocol
from fasterapi.aio.server import Server
from fasterapi.aio.wakeup import resume
from fasterapi.limits import FREE_BURST, MAX_BURST
from fasterapi.protocol import ClientHandshake, Role, WebSocketConnection

Handler = Callable[[WebSocket], Awaitable[None]]


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; ``protocol`` is whoever gets what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.writes = 0
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.written += data
        self.writes += 1

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Peer:
    """A client in memory, connected to a handler."""

    def __init__(self, handler: Handler) -> None:
        app = App()
        app.websocket("/")(handler)
        self.server = Server(app, access_log=False)
        self.server.use(asyncio.get_running_loop())
        self.transport = MemoryTransport()
        http = HTTPProtocol(self.server)
        self.transport.protocol = http
        http.connection_made(self.transport)
        self._handshake = ClientHandshake("ws://test/")
        request = self._handshake.request
        lines = [f"GET {request.target} HTTP/1.1", *(f"{n}: {v}" for n, v in request.headers)]
        http.data_received("\r\n".join([*lines, "", ""]).encode())
        self.connection = WebSocketConnection(Role.CLIENT)

    async def opened(self) -> None:
        while b"\r\n\r\n" not in self.transport.written:
            await asyncio.sleep(0)
        del self.transport.written[: self.transport.written.index(b"\r\n\r\n") + 4]
        await asyncio.sleep(0)
        self.transport.writes = 0

    def send(self, *messages: str) -> None:
        """Have the messages arrive in one read, in a callback of the loop."""
        for message in messages:
            self.connection.send_text(message)
        data = self.connection.data_to_send()
        self.server.loop.call_soon(self.transport.protocol.data_received, data)

    async def received(self, count: int) -> list[Any]:
        """Wait for as many events from the server."""
        events: list[Any] = []
        for _ in range(100):
            await asyncio.sleep(0)
            data, self.transport.written = bytes(self.transport.written), bytearray()
            events += self.connection.receive_data(data)
            if len(events) >= count:
                return events
        raise AssertionError(f"{count} events expected, got {events}")


def loops() -> Iterator[Any]:
    def debug() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_debug(True)
        return loop

    yield pytest.param(asyncio.new_event_loop, id="asyncio")
    yield pytest.param(debug, id="debug")
    try:
        import uvloop
    except ImportError:
        return
    yield pytest.param(uvloop.new_event_loop, id="uvloop")


@pytest.fixture(params=loops())
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Run a coroutine in each kind of loop."""

    def runner(coroutine: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as loop_runner:
            loop_runner.run(asyncio.wait_for(coroutine, 5))

    return runner


async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


def test_a_message_resumes_its_handler_within_the_call_that_delivers_it(run: Any) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def handler(ws: WebSocket) -> None:
            async for message in ws:
                seen.append(message)

        peer = Peer(handler)
        await peer.opened()
        peer.connection.send_text("at once")
        data = peer.connection.data_to_send()
        seen_inside: list[list[str]] = []

        def deliver() -> None:
            peer.transport.protocol.data_received(data)
            seen_inside.append(list(seen))

        peer.server.loop.call_soon(deliver)
        await asyncio.sleep(0)
        assert seen_inside == [["at once"]]

    run(main())


def test_data_that_arrives_while_a_task_runs_waits_for_its_turn(run: Any) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def handler(ws: WebSocket) -> None:
            async for message in ws:
                seen.append(message)

        peer = Peer(handler)
        await peer.opened()
        peer.connection.send_text("later")
        peer.transport.protocol.data_received(peer.connection.data_to_send())
        assert seen == []  # this task is the current one
        await asyncio.sleep(0)
        assert seen == ["later"]

    run(main())


def test_what_a_burst_sends_is_written_once(run: Any) -> None:
    async def main() -> None:
        peer = Peer(echo)
        await peer.opened()
        peer.send(*"abcdefgh")
        assert await peer.received(8) == list("abcdefgh")
        assert peer.transport.writes == 1

    run(main())


def test_cancelling_a_handler_that_waits_ends_it(run: Any) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def handler(ws: WebSocket) -> None:
            try:
                await ws.receive()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        peer = Peer(handler)
        await peer.opened()
        (call,) = peer.server.calls
        call.cancel()
        (closed,) = await peer.received(1)
        assert ended == ["cancelled"]
        assert closed.code == 1001

    run(main())


@pytest.mark.parametrize("order", ["message first", "cancel first"])
def test_a_message_in_the_turn_of_a_cancellation_is_not_lost(run: Any, order: str) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def handler(ws: WebSocket) -> None:
            await ws.accept()
            task = asyncio.ensure_future(ws.receive())
            await asyncio.sleep(0)
            peer.connection.send_text("kept")
            data = peer.connection.data_to_send()
            if order == "message first":
                peer.transport.protocol.data_received(data)
                task.cancel()
            else:
                task.cancel()
                peer.transport.protocol.data_received(data)
            with pytest.raises(asyncio.CancelledError):
                await task
            seen.append(await ws.receive())

        peer = Peer(handler)
        await peer.opened()
        await peer.received(1)
        assert seen == ["kept"]

    run(main())


def test_timeouts_of_both_kinds_lose_nothing(run: Any) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def handler(ws: WebSocket) -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await ws.receive()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ws.receive(), 0.001)
            peer.send("one", "two")
            async with asyncio.timeout(5):
                seen.append(await ws.receive())
            seen.append(await asyncio.wait_for(ws.receive(), 5))

        peer = Peer(handler)
        await peer.opened()
        while not seen[1:]:
            await asyncio.sleep(0.001)
        assert seen == ["one", "two"]

    run(main())


def test_a_task_group_receives_and_is_cancelled_as_one(run: Any) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def read(ws: WebSocket) -> None:
            async for message in ws:
                seen.append(message)

        async def stop(gone: asyncio.Event) -> None:
            await gone.wait()
            raise RuntimeError("enough")

        async def handler(ws: WebSocket) -> None:
            with pytest.raises(ExceptionGroup) as raised:
                async with asyncio.TaskGroup() as group:
                    group.create_task(read(ws))
                    group.create_task(stop(gone))
            assert [str(error) for error in raised.value.exceptions] == ["enough"]
            await ws.send("done")

        gone = asyncio.Event()
        peer = Peer(handler)
        peer.send("a", "b")
        await peer.opened()
        while len(seen) < 2:
            await asyncio.sleep(0)
        gone.set()
        assert (await peer.received(2))[0] == "done"

    run(main())


def test_the_handler_keeps_its_own_context(run: Any) -> None:
    async def main() -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        async def handler(ws: WebSocket) -> None:
            variable.set("the handler's")
            async for _ in ws:
                seen.append(variable.get())

        peer = Peer(handler)
        await peer.opened()
        variable.set("the transport's")
        peer.send("x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == ["the handler's"]
        assert variable.get() == "the transport's"

    run(main())


def test_a_handler_that_never_waits_lets_others_run(run: Any) -> None:
    async def main() -> None:
        turns: list[int] = []
        taken = 0

        async def greedy(ws: WebSocket) -> None:
            nonlocal taken
            async for _ in ws:
                taken += 1

        peer = Peer(greedy)
        await peer.opened()
        peer.send(*["x"] * (3 * MAX_BURST))
        while taken < 3 * MAX_BURST:
            await asyncio.sleep(0)
            turns.append(taken)
        assert max(b - a for a, b in zip([0, *turns], turns, strict=False)) <= MAX_BURST + 1

    run(main())


def test_a_handler_that_sends_without_end_lets_others_run(run: Any) -> None:
    async def main() -> None:
        sent = 0

        async def endless(ws: WebSocket) -> None:
            nonlocal sent
            while True:
                await ws.send("x")
                sent += 1

        peer = Peer(endless)
        await peer.opened()
        before = sent
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 0 < sent - before <= 2 * (MAX_BURST + FREE_BURST // len(b"\x81\x01x") + 1)
        for call in peer.server.calls:
            call.cancel()

    run(main())


def test_two_tasks_can_not_receive_at_once(run: Any) -> None:
    async def main() -> None:
        async def handler(ws: WebSocket) -> None:
            first = asyncio.ensure_future(ws.receive())
            await asyncio.sleep(0)
            with pytest.raises(ConcurrentReceive, match="another task is waiting"):
                await ws.receive()
            peer.send("for the first")
            await ws.send(await first)

        peer = Peer(handler)
        await peer.opened()
        assert (await peer.received(1))[0] == "for the first"

    run(main())


def test_the_end_of_the_connection_wakes_the_handler(run: Any) -> None:
    async def main() -> None:
        ended: list[int] = []

        async def handler(ws: WebSocket) -> None:
            try:
                await ws.receive()
            except ConnectionClosed as closed:
                ended.append(closed.code)
                raise

        peer = Peer(handler)
        await peer.opened()
        peer.server.loop.call_soon(peer.transport.protocol.connection_lost, None)
        while not ended:
            await asyncio.sleep(0)
        assert ended == [1006]

    run(main())


def test_many_messages_in_one_read_resume_their_handler_within_the_call_too(run: Any) -> None:
    async def main() -> None:
        seen: list[str] = []
        seen_inside: list[list[str]] = []

        async def handler(ws: WebSocket) -> None:
            async for message in ws:
                seen.append(message)

        peer = Peer(handler)
        await peer.opened()
        for text in "abc":
            peer.connection.send_text(text)
        data = peer.connection.data_to_send()

        def deliver() -> None:
            peer.transport.protocol.data_received(data)
            seen_inside.append(list(seen))

        peer.server.loop.call_soon(deliver)
        await asyncio.sleep(0)
        assert seen_inside == [["a", "b", "c"]]

    run(main())


def test_tasks_that_take_turns_in_receiving_each_get_their_own(run: Any) -> None:
    """How one task is resumed is remembered; the next to wait may be another."""

    async def main() -> None:
        seen: list[tuple[int, str]] = []

        async def handler(ws: WebSocket) -> None:
            async def take(number: int) -> None:
                seen.append((number, await ws.receive()))

            for number in range(6):
                if number % 3:
                    await asyncio.create_task(take(number))
                else:
                    await take(number)

        peer = Peer(handler)
        await peer.opened()
        for number in range(6):
            peer.send(str(number))
            for _ in range(4):
                await asyncio.sleep(0)
        assert seen == [(number, str(number)) for number in range(6)]

    run(main())


def test_the_future_of_a_task_that_was_cancelled_is_left_alone(run: Any) -> None:
    """Its task is remembered, but is on its way elsewhere."""

    async def main() -> None:
        seen: list[str] = []

        async def handler(ws: WebSocket) -> None:
            seen.append(await ws.receive())
            with pytest.raises(asyncio.CancelledError):
                await ws.receive()
            seen.append(await ws.receive())

        peer = Peer(handler)
        await peer.opened()
        peer.send("one")
        await asyncio.sleep(0)
        (call,) = peer.server.calls

        def cancel_and_send() -> None:
            call.cancel()
            peer.connection.send_text("two")
            peer.transport.protocol.data_received(peer.connection.data_to_send())

        peer.server.loop.call_soon(cancel_and_send)
        while len(seen) < 2:
            await asyncio.sleep(0)
        assert seen == ["one", "two"]

    run(main())


def test_only_one_task_that_waits_on_a_pending_future_is_resumed() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        found: list[object] = []
        results: list[str] = []

        async def wait() -> None:
            results.append(await future)

        async def look() -> None:
            task = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            assert resume(future, "too early", loop, None) is None  # this task is running

            def outside() -> None:
                future.add_done_callback(found.append)
                assert resume(future, "too early", loop, None) is None  # two are waiting
                future.remove_done_callback(found.append)
                assert resume(future, "now", loop, None)
                assert results == ["now"]
                assert resume(future, "too late", loop, None) is None  # done

            loop.call_soon(outside)
            await task

        await look()
        assert results == ["now"]
        assert found == []

    asyncio.run(main())
