"""Long messages that are compressed: piece by piece, so that nobody waits for them."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest

from fasterapi import App, Compression, ConnectionClosed, Limits, WebSocket
from fasterapi.protocol import State
from tests.protocol.wire import PING, bombs, frame

from .conftest import Runner
from .memory import Client, Network, turns, until

PIECE = 64 * 1024
LONG = "".join(f"{number} bottles, " for number in range(80_000))
OFFER = "Sec-WebSocket-Extensions: permessage-deflate"
LIMITS = Limits(ping_interval=None, write_high_water=20_000)


class Handler:
    """A handler that a test steers."""

    def __init__(self) -> None:
        self.ws: Any = None
        self.done = asyncio.get_running_loop().create_future()

    async def __call__(self, ws: WebSocket) -> None:
        self.ws = ws
        await ws.accept()
        await self.done


async def puppet(**options: Any) -> tuple[Handler, Network, Client]:
    handler = Handler()
    app = App(limits=LIMITS, **options)
    app.websocket("/")(handler)

    @app.websocket("/echo")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    net = Network(app)
    client = await net.websocket("/", OFFER)
    return handler, net, client


def inflated(client: Client) -> tuple[list[int], str]:
    """Read one message: the first bytes of its frames, and its text."""
    frames = [one for one in client.frames() if one.first & 0x0F < 8]
    data = b"".join(one.payload for one in frames) + b"\0\0\xff\xff"
    return [one.first for one in frames], zlib.decompressobj(-12).decompress(data).decode()


def test_a_long_message_leaves_turns_to_others(run_everywhere: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        other = await net.websocket("/echo")
        sending = asyncio.ensure_future(handler.ws.send(LONG))
        await turns(1)
        await other.send(frame(1, b"quick"))
        assert other.messages() == ["quick"]
        assert not sending.done()
        pieces = len(LONG) // PIECE + 1
        await until(lambda: not handler.ws._connection.has_data_to_send())
        firsts, text = inflated(client)
        assert text == LONG
        assert firsts == [0x41, *[0x00] * (pieces - 2), 0x80]
        handler.done.set_result(None)
        await turns()

    run_everywhere(main())


def test_who_reads_slowly_is_not_encoded_for(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        client.transport.stuck = True
        sending = asyncio.ensure_future(handler.ws.send(LONG))
        await turns(100)
        assert len(client.transport.buffer) < 2 * LIMITS.write_high_water
        assert handler.ws.buffered > len(LONG) // 2
        assert not sending.done()
        while not sending.done():
            client.transport.take(10_000)
            await turns(4)
            assert len(client.transport.buffer) < 3 * LIMITS.write_high_water
        client.transport.take()
        await turns(20)
        assert inflated(client)[1] == LONG
        handler.done.set_result(None)
        await turns()

    run(main())


def test_a_ping_is_answered_within_a_long_message(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        handler.ws.send(LONG)
        await client.send(frame(PING, b"now"))
        await until(lambda: not handler.ws._connection.has_data_to_send())
        frames = client.frames()
        place = [one.first for one in frames].index(0x8A)
        assert 0 < place < len(frames) - 1
        handler.done.set_result(None)
        await turns()

    run(main())


@pytest.mark.parametrize("context", [True, False])
def test_a_close_goes_out_behind_it(run: Runner, context: bool) -> None:
    async def main() -> None:
        handler, _, client = await puppet(compression=Compression(context_takeover=context))
        handler.ws.send(LONG)
        handler.ws.close(1000, "done")
        await until(lambda: not handler.ws._connection.has_data_to_send())
        written = bytes(client.transport.written)
        assert inflated(client)[1] == LONG
        client.transport.written += written
        assert client.closing() == (1000, "done")
        await client.send(frame(8, b"\x03\xe8"))
        await turns()
        assert client.is_over
        handler.done.set_result(None)
        await turns()

    run(main())


def test_a_sender_that_does_not_wait_loses_nothing(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        for text in (LONG, "short", LONG):
            handler.ws.send(text)
        await until(lambda: not handler.ws._connection.has_data_to_send())
        inflater = zlib.decompressobj(-12)
        texts = []
        data = b""
        for one in client.frames():
            data += one.payload
            if one.first == 0x81:
                texts.append(data.decode())
            elif one.first & 0x80:
                texts.append(inflater.decompress(data + b"\0\0\xff\xff").decode())
            data = b"" if one.first & 0x80 else data
        assert texts == [LONG, "short", LONG]
        handler.done.set_result(None)
        await turns()

    run(main())


SIZE = 200_000
COUNT = 60


async def bombed(handler: Any, *, last: bytes = b"") -> tuple[Network, Client]:
    app = App(limits=LIMITS)
    app.websocket("/")(handler)
    net = Network(app)
    client = await net.websocket("/", OFFER)
    net.loop.call_soon(client.transport.protocol.data_received, bombs(COUNT, SIZE) + last)
    await turns(20)
    return net, client


class Sleeper:
    """Takes messages when it is let to."""

    def __init__(self) -> None:
        self.awake = asyncio.Event()
        self.numbers: list[int] = []
        self.code = 0

    async def __call__(self, ws: WebSocket) -> None:
        self.ws = ws
        await ws.accept()
        try:
            while True:
                await self.awake.wait()
                message = await ws.receive()
                assert len(message) == SIZE
                self.numbers.append(message[0])
                del message
                await asyncio.sleep(0)
        except ConnectionClosed as closed:
            self.code = closed.code


CLOSE_4000 = frame(8, (4000).to_bytes(2, "big"))


@pytest.mark.parametrize(
    ("end", "code"), [("close", 4000), ("end", 1006), ("loss", 1006), ("nothing", 0)]
)
def test_a_read_of_many_bombs_inflates_as_its_handler_takes_them(
    run_everywhere: Runner, end: str, code: int
) -> None:
    async def main() -> None:
        handler = Sleeper()
        _, client = await bombed(handler, last=CLOSE_4000 if end == "close" else b"")
        waiting = handler.ws._inbox.size
        assert 0 < waiting < 20 * SIZE < COUNT * SIZE
        assert not client.transport.reading
        if end == "end":
            await client.finish()
        elif end == "loss":
            await client.leave()
        await turns(20)
        assert handler.ws._inbox.size == waiting
        handler.awake.set()
        await until(lambda: len(handler.numbers) == COUNT)
        await turns(20)
        assert handler.numbers == list(range(COUNT))
        assert handler.code == code
        if end == "nothing":
            assert client.transport.reading
            await client.send(frame(2, bytes(SIZE)))
            await until(lambda: len(handler.numbers) > COUNT)
            await client.leave()
            await turns(20)

    run_everywhere(main())


def test_a_handler_that_ends_has_the_rest_taken_and_the_close_answered(run: Runner) -> None:
    async def main() -> None:
        handler = Sleeper()
        _, client = await bombed(handler, last=CLOSE_4000)
        assert client.transport.protocol.connection.unread
        handler.ws.close()
        await until(lambda: handler.ws.close_code == 4000)
        await client.leave()
        handler.awake.set()
        await turns(20)

    run(main())


def test_a_peer_that_is_cut_off_has_nothing_more_taken(run: Runner) -> None:
    async def main() -> None:
        handler = Sleeper()
        _, client = await bombed(handler)
        client.transport.protocol.give_up("too slow")
        await turns(20)
        assert not client.transport.protocol.connection.unread
        assert handler.ws.state is State.CLOSED
        handler.awake.set()
        await until(lambda: handler.code == 1006)

    run(main())


def test_others_are_served_between_bombs_that_nobody_waits_with(run: Runner) -> None:
    async def main() -> None:
        taken: list[int] = []
        turned: list[int] = []

        class Taker:
            def on_message(self, ws: WebSocket, message: bytes) -> None:
                taken.append(len(message))

        app = App(limits=LIMITS)
        app.websocket("/")(Taker)
        net = Network(app)
        client = await net.websocket("/", OFFER)
        net.loop.call_soon(client.transport.protocol.data_received, bombs(COUNT, SIZE))
        while len(taken) < COUNT:
            await asyncio.sleep(0)
            turned.append(len(taken))
        assert taken == [SIZE] * COUNT
        assert len(set(turned)) > 2
        assert client.transport.reading
        await client.leave()
        await turns(20)

    run(main())


def test_nothing_can_be_sent_to_a_client_that_is_gone(run: Runner) -> None:
    async def main() -> None:
        class Echo:
            def on_message(self, ws: WebSocket, message: bytes) -> None:
                buffered.append(ws.buffered)
                try:
                    ws.send(message, compress=False)
                except ConnectionClosed as closed:
                    codes.append(closed.code)

        codes: list[int] = []
        buffered: list[int] = []
        app = App(limits=LIMITS)
        app.websocket("/")(Echo)
        net = Network(app)
        client = await net.websocket("/", OFFER)
        net.loop.call_soon(client.transport.protocol.data_received, bombs(COUNT, SIZE))
        client.transport.lose()
        await until(lambda: len(buffered) == COUNT)
        assert max(buffered) < 25 * SIZE
        assert codes[-1] == 1006
        await turns(20)

    run(main())


class Feed:
    """Sends, and never takes a message."""

    code = 0

    async def __call__(self, ws: WebSocket) -> None:
        self.ws = ws
        await ws.accept()
        try:
            while ws.is_open():
                await ws.send("tick")
                await asyncio.sleep(0)
        except ConnectionClosed as closed:
            self.code = closed.code


class Waiter(Feed):
    """Waits for the end, and never takes a message."""

    async def __call__(self, ws: WebSocket) -> None:
        self.ws = ws
        await ws.accept()
        await ws.wait_closed()
        assert ws.state is State.CLOSED
        self.code = ws.close_code


def test_who_has_waited_for_the_end_finds_it_and_what_waited_before(run: Runner) -> None:
    async def main() -> None:
        handler = Sleeper()
        net, client = await bombed(handler)
        waiting = len(handler.ws._inbox)
        client.transport.lose()
        await turns(5)
        assert handler.ws.close_code is None  # a task that takes messages still gets all of them
        await handler.ws.wait_closed()
        assert (handler.ws.close_code, handler.ws.state) == (1006, State.CLOSED)
        await handler.ws.wait_closed()
        handler.awake.set()
        await until(lambda: handler.code == 1006)
        assert handler.numbers == list(range(waiting))
        await turns(20)
        assert not net.server.calls

    run(main())


@pytest.mark.parametrize("kind", [Feed, Waiter])
def test_whoever_takes_no_message_learns_of_the_end_all_the_same(
    run_everywhere: Runner, kind: type[Feed]
) -> None:
    async def main() -> None:
        handler = kind()
        net, client = await bombed(handler)
        assert handler.ws._inbox.full
        await client.leave()
        await until(lambda: handler.code == 1006)
        await turns(COUNT + 20)
        assert not net.server.calls
        assert handler.ws.close_code == 1006

    run_everywhere(main())
