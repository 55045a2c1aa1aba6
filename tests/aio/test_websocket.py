"""``WebSocket`` on a transport in memory: handshake, messages, pings, closing, limits, the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from fasterapi import (
    App,
    ConcurrentReceive,
    ConnectionClosed,
    InvalidMessage,
    Limits,
    LocalProtocolError,
    State,
    WebSocket,
)
from tests.protocol.wire import BINARY, CONT, PING, PONG, TEXT, frame

from .conftest import Runner
from .memory import Client, Network, handshake, turns

LIMITS = Limits(
    ping_interval=20, ping_timeout=10, close_timeout=3, answer_timeout=1, write_timeout=30,
    write_high_water=10_000, max_write_buffer=50_000, receive_high_water=2000,
)  # fmt: skip

Handler = Callable[[WebSocket], Awaitable[None]]


def text(message: str, *, fin: bool = True) -> bytes:
    return frame(TEXT, message.encode(), fin=fin)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(8, code.to_bytes(2, "big") + reason)


def served(handler: Handler, **options: Any) -> Network:
    app = App()
    app.websocket("/", limits=LIMITS, **options)(handler)
    return Network(app)


class Puppet:
    """A handler whose WebSocket the test uses itself; it ends with ``done``."""

    def __init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.error: BaseException | None = None
        self.ws: WebSocket

    async def __call__(self, ws: WebSocket) -> None:
        self.ws = ws
        await self.done


async def puppet() -> tuple[Puppet, Network, Client]:
    handler = Puppet()

    async def call(ws: WebSocket) -> None:
        await ws.accept()
        await handler(ws)

    net = served(call)
    client = await net.websocket()
    return handler, net, client


# ----------------------------------------------------------------------------------- handshake


def test_accept_with_a_subprotocol_and_headers(run: Runner) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            seen.extend([ws.subprotocol, ws.state, ws.is_open()])
            await ws.accept(subprotocol="b", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
            seen.extend([ws.subprotocol, ws.state])
            with pytest.raises(LocalProtocolError):
                ws.accept()
            with pytest.raises(LocalProtocolError):
                ws.reject()

        net = served(handler, subprotocols=["a", "b"])
        client = net.connect()
        await client.send(handshake("Sec-WebSocket-Protocol: b, a", path="/"))
        head, _, _ = bytes(client.transport.written).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Protocol: b\r\n" in head
        assert head.count(b"Set-Cookie: ") == 2
        assert seen == ["a", State.CONNECTING, True, "b", State.OPEN]

    run(main())


@pytest.mark.parametrize(
    "arguments",
    [
        {"subprotocol": "c"},
        {"subprotocol": "a\r\nX: y"},
        {"headers": [("X", "a\r\nb")]},
        {"headers": [("Sec-WebSocket-Accept", "x")]},
    ],
    ids=str,
)
def test_what_can_not_be_accepted_may_still_be_rejected(
    run: Runner, arguments: dict[str, Any]
) -> None:
    async def main() -> None:
        async def handler(ws: WebSocket) -> None:
            with pytest.raises(LocalProtocolError):
                ws.accept(**arguments)
            await ws.reject(400, body="no")

        client = served(handler, subprotocols=["a"]).connect()
        await client.send(handshake("Sec-WebSocket-Protocol: a", path="/"))
        assert client.response() == (400, b"no")
        assert client.is_over

    run(main())


def test_reject(run: Runner) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            with pytest.raises(LocalProtocolError):
                ws.reject(101)
            await ws.reject(401, headers=[("WWW-Authenticate", "Basic")], body="who?")
            seen.extend([ws.is_open(), ws.state])
            with pytest.raises(ConnectionClosed, match="401"):
                await ws.receive()
            with pytest.raises(ConnectionClosed):
                ws.send("anybody?")
            with pytest.raises(LocalProtocolError):
                ws.reject()

        client = served(handler).connect()
        await client.send(handshake(path="/"))
        head = client.head()
        assert (head.status, head.headers["www-authenticate"]) == (401, "Basic")
        assert client.taken() == b"who?"
        assert (client.is_over, seen) == (True, [False, State.CLOSED])

    run(main())


def test_an_answer_that_frames_itself_wrongly_is_a_crash(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async def handler(ws: WebSocket) -> None:
            await ws.reject(403, headers=[("Content-Length", "5")], body="abc")

        client = served(handler).connect()
        await client.send(handshake(path="/"))
        assert client.response() == (500, b"Internal Server Error\n")
        assert client.is_over

    run(main())
    assert "InvalidArgument: Content-Length" in caplog.text


def test_the_first_use_accepts(run: Runner) -> None:
    async def main() -> None:
        for use in ("send", "receive", "wait_closed", "ping"):

            async def handler(ws: WebSocket, use: str = use) -> None:
                await getattr(ws, use)(*["x"][: use == "send"])

            client = await served(handler).websocket()
            await client.leave()

    run(main())


# ------------------------------------------------------------------------------------ receiving


def test_each_kind_of_message(run_everywhere: Runner) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            seen.append(await ws.receive())
            seen.append(await ws.receive_text())
            seen.append(await ws.receive_bytes())
            seen.append(await ws.receive_json())
            seen.append(await ws.receive_json())
            async for message in ws:
                seen.append(message)
            seen.append(ws.close_code)

        client = await served(handler).websocket()
        await client.send(text("one"), text("two"), frame(BINARY, b"three"))
        await client.send(text('{"four": 4}') + frame(BINARY, b"[5]"))
        await client.send(text("") + frame(BINARY) + close(1001))
        assert seen == ["one", "two", b"three", {"four": 4}, [5], "", b"", 1001]
        assert client.closing() == (1001, "")

    run_everywhere(main())


@pytest.mark.parametrize(
    ("verb", "message", "code"),
    [
        ("receive_text", frame(BINARY, b"x"), 1003),
        ("receive_bytes", text("x"), 1003),
        ("receive_json", text("{"), 1007),
    ],
)
def test_a_message_of_no_use(
    run: Runner, caplog: pytest.LogCaptureFixture, verb: str, message: bytes, code: int
) -> None:
    async def main() -> None:
        async def handler(ws: WebSocket) -> None:
            with pytest.raises(InvalidMessage):
                await getattr(ws, verb)()
            await getattr(ws, verb)()

        client = await served(handler).websocket()
        await client.send(message, message)
        assert client.closing()[0] == code

    run(main())
    assert "Traceback" not in caplog.text


def test_a_message_in_parts_as_they_arrive(run: Runner) -> None:
    async def main() -> None:
        parts: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            async for part in ws.receive_stream():
                parts.append(part)
            parts.append(await ws.receive())

        client = await served(handler).websocket()
        await client.send(text("one", fin=False))
        assert parts == ["one"]
        await client.send(frame(CONT, b"two", fin=False), frame(CONT), text("next"))
        assert parts[:2] == ["one", "two"]
        assert "".join(parts) == "onetwonext"

    run(main())


def test_a_stream_that_is_left_early_is_dropped_to_its_end(run: Runner) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            parts = ws.receive_stream()
            seen.append(await anext(parts))
            await parts.aclose()
            seen.append(await ws.receive())

        client = await served(handler).websocket()
        await client.send(frame(BINARY, b"1", fin=False), frame(CONT, b"2", fin=False))
        await client.send(frame(CONT, b"3") + text("next"))
        assert seen == [b"1", "next"]

    run(main())


def test_a_stream_that_nobody_closes_is_dropped_too(run: Runner) -> None:
    """A loop that is left by ``break`` closes its generator in a later turn of the event loop."""

    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            async for part in ws.receive_stream():
                seen.append(part)
                break
            seen.append(await ws.receive())
            async for part in ws.receive_stream():
                seen.append(part)

        client = await served(handler).websocket()
        parts = [text("1", fin=False), frame(CONT, b"2", fin=False), frame(CONT, b"3")]
        await client.send(b"".join(parts) + text("next"))
        await client.send(b"".join(parts))
        assert (seen[:2], "".join(seen[2:])) == (["1", "next"], "123")

    run(main())


def test_a_stream_that_is_given_up_before_it_begins_takes_nothing_along(run: Runner) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            waiting = asyncio.ensure_future(anext(ws.receive_stream()))
            await turns()
            waiting.cancel()
            await asyncio.wait([waiting])
            seen.append(await ws.receive())
            async for part in ws.receive_stream():
                seen.append(part)

        client = await served(handler).websocket()
        await turns()
        await client.send(text("whole"))
        await client.send(text("1", fin=False), frame(CONT, b"2"))
        await turns()
        assert (seen[:1], "".join(seen[1:])) == (["whole"], "12")

    run(main())


def test_a_stream_whose_sender_leaves(run: Runner) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            with pytest.raises(ConnectionClosed):
                async for part in ws.receive_stream():
                    seen.append(part)

        client = await served(handler).websocket()
        await client.send(frame(BINARY, b"1", fin=False))
        await client.leave()
        assert seen == [b"1"]

    run(main())


def test_reading_pauses_while_the_handler_does_not_ask(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        message = text("x" * 100)
        for _ in range(9):
            assert client.transport.reading
            await client.send(message)
        assert not client.transport.reading  # 9 times 228 bytes are over 2,000
        await net.pass_time(60, step=5)  # a silence of our own making is no fault of the peer's
        assert handler.ws.state is State.OPEN
        for _ in range(5):
            await handler.ws.receive()
        assert client.transport.reading
        handler.done.set_result(None)
        await turns()
        assert client.closing() == (1000, "")

    run(main())


def test_only_one_may_receive(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        first = asyncio.ensure_future(handler.ws.receive())
        await turns()
        with pytest.raises(ConcurrentReceive, match="let one task receive"):
            await handler.ws.receive()
        await client.send(text("for the first"))
        assert await first == "for the first"
        second = asyncio.ensure_future(handler.ws.receive())
        await turns()
        second.cancel()
        third = asyncio.ensure_future(handler.ws.receive())
        await client.send(text("for the third"))
        assert await third == "for the third"
        assert second.cancelled()

    run(main())


# -------------------------------------------------------------------------------------- sending


def test_each_way_to_send(run: Runner) -> None:
    async def main() -> None:
        async def handler(ws: WebSocket) -> None:
            await ws.send("text")
            await ws.send(bytearray(b"bytes"))
            await ws.send_text("more")
            await ws.send_binary(memoryview(b"more"))
            await ws.send_bytes(b"even")
            await ws.send_json({"a": [1, None, "\N{EURO SIGN}"]})
            ws.send("not awaited")
            with pytest.raises(TypeError):
                ws.send(5)  # type: ignore[arg-type]
            with pytest.raises(LocalProtocolError):
                ws.send("\ud800")

        client = await served(handler).websocket()
        assert client.messages() == [
            "text", b"bytes", "more", b"more", b"even", '{"a":[1,null,"\N{EURO SIGN}"]}',
            "not awaited",
        ]  # fmt: skip

    run(main())


def test_a_message_in_fragments(run: Runner) -> None:
    async def main() -> None:
        async def letters() -> AsyncIterator[str]:
            for letter in "ab":
                yield letter

        async def handler(ws: WebSocket) -> None:
            await ws.send_stream(letters())
            await ws.send_stream([b"1", b"2"])
            await ws.send_stream(())

        client = await served(handler).websocket()
        frames = [(frame.first, frame.payload) for frame in client.frames()]
        assert frames[:-1] == [
            (0x01, b"a"), (0x00, b"b"), (0x80, b""),
            (0x02, b"1"), (0x00, b"2"), (0x80, b""),
            (0x82, b""),
        ]  # fmt: skip

    run(main())


def test_a_fragmented_message_is_finished_first(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        gate = asyncio.get_running_loop().create_future()

        async def parts() -> AsyncIterator[str]:
            yield "a"
            await gate
            yield "b"

        sending = asyncio.ensure_future(handler.ws.send_stream(parts()))
        await turns()
        with pytest.raises(LocalProtocolError, match="unfinished"):
            handler.ws.send("in between")
        await client.send(frame(PING, b"now"))  # control frames may come in between
        gate.set_result(None)
        await sending
        await turns()
        assert [f.first for f in client.frames()] == [0x01, 0x8A, 0x00, 0x80]

    run(main())


def test_sending_waits_for_a_slow_reader(run_everywhere: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        client.transport.stuck = True
        sends = 0

        async def flood() -> None:
            nonlocal sends
            while sends < 100:
                await handler.ws.send(bytes(1000))
                sends += 1

        sending = asyncio.ensure_future(flood())
        await turns(200)
        assert sends < 25  # about twice the high-water mark of 10,000
        while not sending.done():
            client.transport.take(5000)
            await turns(20)
        client.transport.take()
        await turns()
        assert len(client.messages()) == 100

    run_everywhere(main())


def test_one_who_does_not_wait_is_cut_off(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        handler, _, client = await puppet()
        client.transport.stuck = True
        sends = 0
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                handler.ws.send(bytes(1000))
                sends += 1
        assert closed.value.code == 1006
        assert 45 < sends < 65  # 50,000 bytes, and the first is not counted
        assert client.transport.aborted
        await turns()
        assert handler.ws.close_code == 1006
        handler.done.set_result(None)
        await turns()

    run(main())
    assert "over Limits.max_write_buffer (50000)" in caplog.text


def test_many_who_wait_are_not_cut_off(run_everywhere: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        client.transport.stuck = True

        async def talk(number: int) -> None:
            for _ in range(3):
                await handler.ws.send(bytes([number]) * 10_000)

        talking = asyncio.gather(*(talk(number) for number in range(30)))
        await turns()
        assert len(client.transport.buffer) + handler.ws.buffered > 100_000  # twice the limit
        while not talking.done():
            client.transport.take(50_000)
            await turns(20)
        await talking
        client.transport.take()
        await turns()
        messages = client.messages()
        assert sorted(messages) == sorted([bytes([n]) * 10_000 for n in range(30)] * 3)  # type: ignore[type-var]
        assert not client.transport.aborted

    run_everywhere(main())


def test_a_single_large_message_is_no_offence(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        client.transport.stuck = True
        sending = asyncio.ensure_future(handler.ws.send(bytes(500_000)))  # type: ignore[arg-type]
        await turns()
        await client.send(frame(PING, b"now"))
        for _ in range(50):
            await net.pass_time(25, step=5)
            client.transport.take(10_000)
            await client.send(frame(PONG))
        client.transport.take()
        await sending
        await turns()
        large, *rest = client.frames()
        assert len(large.payload) == 500_000
        assert {f.first for f in rest} <= {0x89, 0x8A}

    run(main())


def test_a_reader_that_takes_nothing_is_cut_off(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        handler, net, client = await puppet()
        client.transport.stuck = True
        sending = asyncio.ensure_future(handler.ws.send(bytes(20_000)))  # type: ignore[arg-type]
        for _ in range(7):
            await net.pass_time(4, step=1)
            await client.send(frame(PONG))  # it is alive
        assert not client.transport.aborted
        await net.pass_time(4, step=1)
        assert client.transport.aborted
        await sending  # it goes on, and the next one will see
        with pytest.raises(ConnectionClosed):
            handler.ws.send("anybody?")

    run(main())
    assert "Limits.write_timeout (30 s)" in caplog.text


# ---------------------------------------------------------------------------------------- pings


def test_the_latency_of_a_ping(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        assert handler.ws.latency is None
        first = handler.ws.ping()
        named = handler.ws.ping("named")
        with pytest.raises(LocalProtocolError, match="still unanswered"):
            handler.ws.ping(b"named")
        await turns()
        pings = client.frames()
        assert [ping.first for ping in pings] == [0x89, 0x89]
        net.clock.now += 0.25
        await client.send(frame(PONG, pings[0].payload))
        assert await first == pytest.approx(0.25)
        net.clock.now += 0.5
        await client.send(frame(PONG, b"unasked"), frame(PONG, b"named"))
        assert await named == pytest.approx(0.75)
        assert handler.ws.latency == pytest.approx(0.75)

    run(main())


def test_pings_that_nobody_awaits(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        handler.ws.ping()
        waiting = asyncio.ensure_future(handler.ws.ping("slow"))
        await turns()
        waiting.cancel()
        await turns()
        again = handler.ws.ping("slow")  # forgotten, so it may be used again
        await client.leave()
        with pytest.raises(ConnectionClosed):
            await again

    run(main())  # and no exception that was never retrieved


def test_pongs(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        await handler.ws.pong("still here")
        await client.send(frame(PING, b"and you?"))
        assert [(f.first, f.payload) for f in client.frames()] == [
            (0x8A, b"still here"),
            (0x8A, b"and you?"),
        ]
        with pytest.raises(LocalProtocolError):
            handler.ws.pong(bytes(126))

    run(main())


def test_a_silent_peer_is_pinged_and_given_up(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        seen: list[Any] = []

        async def handler(ws: WebSocket) -> None:
            try:
                await ws.receive()
            except ConnectionClosed as closed:
                seen.append((closed.code, closed.reason))

        net = served(handler)
        client = await net.websocket()
        await net.pass_time(19.9, step=0.1)
        assert client.frames() == []
        await net.pass_time(0.2, step=0.1)
        (ping,) = client.frames()
        assert ping.first == 0x89
        await net.pass_time(5, step=0.1)
        await client.send(frame(PONG, ping.payload))
        await net.pass_time(20.2, step=0.1)
        assert len(client.frames()) == 1
        await net.pass_time(10.2, step=0.1)
        assert client.closing() == (1011, "keepalive ping timeout")
        assert seen == [(1011, "keepalive ping timeout")]
        assert client.is_over
        await client.leave()

    run(main())
    (fault,) = [r for r in caplog.records if r.name == "fasterapi.server"]
    assert (fault.levelno, fault.exc_info) == (logging.INFO, None)


# -------------------------------------------------------------------------------------- closing


def test_closing_waits_for_the_peer(run: Runner) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        receiving = asyncio.ensure_future(handler.ws.receive())
        await turns()
        closing = asyncio.ensure_future(handler.ws.close(4000, "enough"))  # type: ignore[arg-type]
        await turns()
        assert client.closing() == (4000, "enough")
        assert (closing.done(), handler.ws.is_open()) == (False, False)
        with pytest.raises(ConnectionClosed) as closed:
            handler.ws.send("too late")
        assert (closed.value.code, closed.value.reason) == (4000, "enough")
        await client.send(text("too late too") + close(4000))
        await closing
        with pytest.raises(ConnectionClosed) as closed:
            await receiving
        assert closed.value.code == 4000
        assert client.is_over
        await handler.ws.close(1001)  # once is enough
        await handler.ws.wait_closed()

    run(main())


@pytest.mark.parametrize(
    ("code", "reason"), [(1004, ""), (1006, ""), (999, ""), (5000, ""), (1000, "x" * 124)]
)
def test_what_can_not_be_closed_with(run: Runner, code: int, reason: str) -> None:
    async def main() -> None:
        handler, _, client = await puppet()
        with pytest.raises(LocalProtocolError):
            handler.ws.close(code, reason)
        await client.send(text("still open"))
        assert await handler.ws.receive() == "still open"

    run(main())


def test_a_peer_that_does_not_answer_a_close(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        closing = asyncio.ensure_future(handler.ws.close())  # type: ignore[arg-type]
        await net.pass_time(2.9)
        assert not closing.done()
        await net.pass_time(0.3)
        assert (closing.done(), handler.ws.close_code, client.is_over) == (True, 1006, True)

    run(main())


def test_a_peer_that_does_not_even_read_our_close(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        client.transport.stuck = True
        handler.ws.send(bytes(20_000))
        closing = asyncio.ensure_future(handler.ws.close())  # type: ignore[arg-type]
        await net.pass_time(2.9)
        assert not client.transport.aborted
        await net.pass_time(0.3)
        assert (closing.done(), client.transport.aborted) == (True, True)
        assert net.server.connections == set()

    run(main())


def test_a_peer_that_answers_and_stays(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        handler.ws.close()
        await client.send(close(1000))
        assert (client.transport.ended, client.transport.closing) == (True, False)
        await net.pass_time(3.2)
        assert client.transport.aborted

    run(main())


def test_waiting_for_the_end(run: Runner) -> None:
    async def main() -> None:
        ended: list[int | None] = []

        async def handler(ws: WebSocket) -> None:
            await ws.wait_closed()
            ended.append(ws.close_code)
            assert ws.is_open()  # there is something to receive
            assert await ws.receive() == "unread"
            assert not ws.is_open()

        client = await served(handler).websocket()
        await client.send(text("unread"))
        await client.send(close(4321, b"why"))
        assert ended == [4321]
        assert client.closing() == (4321, "why")

    run(main())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 1000),
        (RuntimeError("meant to"), 1011),
        (ConnectionClosed(1006), 1000),
        (InvalidMessage(1007, "no"), 1007),
        (asyncio.CancelledError(), 1001),
        (BaseException("no Exception, and a bug"), 1011),
        (BaseExceptionGroup("tasks", [BaseException(), ValueError()]), 1011),
    ],
    ids=str,
)
def test_the_handlers_end_closes(
    run: Runner, caplog: pytest.LogCaptureFixture, error: BaseException | None, code: int
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        async def handler(ws: WebSocket) -> None:
            await ws.receive()
            if error:
                raise error

        client = await served(handler).websocket()
        await client.send(text("x"))
        assert client.closing()[0] == code
        await client.send(close(code))
        await client.leave()

    run(main())
    errors = [record for record in caplog.records if record.levelno > logging.INFO]
    assert len(errors) == (code == 1011)
    assert all(record.exc_info for record in errors)
    assert caplog.records[-1].getMessage() == (
        f'192.0.2.1:4711 "WebSocket /" closed {code} after 0.0 s'
    )


def test_a_reason_can_not_write_lines_of_the_log(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        handler, _, client = await puppet()
        await client.send(close(1000, b"bye\n192.0.2.2 forged\x1b[31m"))
        handler.done.set_result(None)
        await client.leave()

    run(main())
    message = caplog.records[-1].getMessage()
    assert "closed 1000 'bye\\n192.0.2.2 forged\\x1b[31m'" in message
    assert message.isprintable()


def test_the_peers_faults_are_logged_without_a_traceback(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        handler, _, client = await puppet()
        receiving = asyncio.ensure_future(handler.ws.receive())
        await client.send(frame(3))
        assert client.closing()[0] == 1002
        with pytest.raises(ConnectionClosed):
            await receiving
        handler.done.set_result(None)
        await client.leave()

    run(main())
    (fault,) = [record for record in caplog.records if record.name == "fasterapi.server"]
    assert (fault.levelno, fault.exc_info) == (logging.INFO, None)
    assert "closed 1002" in fault.getMessage()


def test_answers_go_out_before_the_close_that_is_owed(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        await client.send(text("question") + close(1000))
        await net.pass_time(0.5)
        assert client.frames() == []  # the handler has a second to answer
        assert await handler.ws.receive() == "question"
        handler.ws.send("answer")
        with pytest.raises(ConnectionClosed):
            await handler.ws.receive()
        await turns()
        assert [f.first for f in client.frames()] == [0x81, 0x88]
        assert client.is_over

    run(main())


@pytest.mark.parametrize("size", [5_000, 20_000])
def test_a_peer_that_ends_its_half_still_gets_what_it_is_owed(run: Runner, size: int) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        client.transport.stuck = True
        handler.ws.send(bytes(size))
        await turns()
        await client.send(close(1000))
        await client.finish()
        await net.pass_time(5, step=1)
        assert not client.transport.aborted
        client.transport.take()
        await turns()
        message, farewell = client.frames()
        assert (len(message.payload), farewell.first) == (size, 0x88)
        assert client.transport.closing

    run(main())


def test_a_handler_that_does_not_answer_in_time(run: Runner) -> None:
    async def main() -> None:
        handler, net, client = await puppet()
        await client.send(text("question") + close(1000))
        await net.pass_time(1.2)
        assert client.closing()[0] == 1000
        assert await handler.ws.receive() == "question"
        with pytest.raises(ConnectionClosed):
            handler.ws.send("too late")

    run(main())


def test_a_stopping_server_closes(run: Runner) -> None:
    async def main() -> None:
        app = App()
        gate = asyncio.get_running_loop().create_future()

        @app.websocket("/late")
        async def late(ws: WebSocket) -> None:
            await gate
            with pytest.raises(ConnectionClosed):
                await ws.accept()

        @app.websocket("/")
        async def echo(ws: WebSocket) -> None:
            async for message in ws:
                await ws.send(message)

        net = Network(app)
        client = await net.websocket()
        waiting = net.connect()
        await waiting.send(handshake(path="/late"))
        stopping = asyncio.ensure_future(net.server.stop())
        await turns()
        assert waiting.response() == (503, b"shutting down\n")
        assert client.closing() == (1001, "the server is shutting down")
        await client.send(close(1001))
        gate.set_result(None)
        await waiting.leave()
        await stopping
        assert client.transport.closing

    run(main())


def test_a_handshake_that_is_accepted_while_the_server_stops(run: Runner) -> None:
    async def main() -> None:
        app = App()

        @app.websocket("/")
        async def handler(ws: WebSocket) -> None:
            ws.accept()
            await ws.wait_closed()

        net = Network(app)
        client = net.connect()
        net.loop.call_soon(client.transport.protocol.data_received, handshake(path="/"))
        await asyncio.sleep(0)  # the handler's task begins in the next turn
        net.server.stopping = True
        await turns()
        assert client.head().status == 101
        assert client.closing()[0] == 1001

    run(main())
