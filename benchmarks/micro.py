"""Single parts, in memory, measured by pyperf: ``python -m benchmarks.micro --help``."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import pyperf

KEY = b"\x37\xfa\x21\x3d"
COUNT = 936  # frames of 70 bytes in 64 KiB
READ = 256 * 1024  # what asyncio reads at once
LIMIT = 64 * 1024 * 1024

Operation = Callable[[], object]


def masked(text: bytes) -> bytes:
    """Make a masked text frame."""
    from fasterapi.protocol.frames import build_header, mask

    return build_header(0x81, len(text), KEY) + mask(text, KEY)


def short_reads() -> list[bytes]:
    """Give one read of many short messages."""
    return [masked(bytes(97 + i % 26 for i in range(64))) * COUNT]


def long_reads(size: int) -> list[bytes]:
    """Give the reads of one long message."""
    frame = masked(b"abcdefghijklmnop" * (size // 16))
    return [frame[i : i + READ] for i in range(0, len(frame), READ)]


def receive_fasterapi(reads: list[bytes], *, pure: bool = False) -> Operation:
    """Receive with our core."""
    from fasterapi import Limits
    from fasterapi._speedups import pure as kernels
    from fasterapi.protocol import Role, WebSocketConnection, messages, receiving

    if pure:  # this process measures nothing else
        names = {"scan", "unwrap", "mask", "mask_into", "Utf8Validator"}
        for module in (receiving, messages):
            for name in names & vars(module).keys():
                setattr(module, name, getattr(kernels, name))
    ours = WebSocketConnection(Role.SERVER, limits=Limits(max_message_size=LIMIT))

    def receive() -> list[Any]:
        return [event for data in reads for event in ours.receive_data(data)]

    return receive


def receive_websockets(reads: list[bytes]) -> Operation:
    """Receive with websockets' sans-IO protocol."""
    from websockets.server import ServerProtocol

    theirs = ServerProtocol(max_size=LIMIT)
    theirs.receive_data(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    (request,) = theirs.events_received()
    theirs.send_response(theirs.accept(request))  # type: ignore[arg-type]
    theirs.data_to_send()

    def receive() -> list[str]:
        for data in reads:
            theirs.receive_data(data)
        return [event.data.decode() for event in theirs.events_received()]  # type: ignore[union-attr]

    return receive


def receive_wsproto(reads: list[bytes]) -> Operation:
    """Receive with wsproto."""
    from wsproto.connection import Connection, ConnectionType

    theirs = Connection(ConnectionType.SERVER)

    def receive() -> list[Any]:
        found: list[Any] = []
        for data in reads:
            theirs.receive_data(data)
            found += theirs.events()
        return found

    return receive


def receive_aiohttp(reads: list[bytes]) -> Operation:
    """Receive with aiohttp's reader, which is compiled."""
    import asyncio

    from aiohttp._websocket.reader import WebSocketDataQueue
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.http_websocket import WebSocketReader

    loop = asyncio.new_event_loop()
    queue = WebSocketDataQueue(BaseProtocol(loop), LIMIT, loop=loop)
    reader = WebSocketReader(queue, LIMIT, False, True)

    def take() -> Any:
        try:
            queue.read().send(None)  # no loop is needed: the message is there
        except StopIteration as found:
            return found.value.data

    def receive() -> list[Any]:
        for data in reads:
            reader.feed_data(data)
        return [take() for _ in range(len(queue._buffer))]

    return receive


def format_fasterapi() -> Operation:
    """Format a short event."""
    from fasterapi.protocol import format_event

    return lambda: format_event("the price is 42 $", event="price", id="12345")


def format_sse_starlette() -> Operation:
    """Format a short event with sse-starlette."""
    from sse_starlette import ServerSentEvent

    return lambda: ServerSentEvent("the price is 42 $", event="price", id="12345").encode()


def parse_fasterapi() -> Operation:
    """Parse short events."""
    from fasterapi.protocol import EventStreamParser

    data = b"id: 1\nevent: price\ndata: the price is 42\n\n" * 1000
    return lambda: EventStreamParser().feed(data)


def parse_httpx_sse() -> Operation:
    """Parse short events with httpx-sse."""
    from httpx_sse._decoders import SSEDecoder

    lines = ("id: 1\nevent: price\ndata: the price is 42\n\n" * 1000).split("\n")

    def parse() -> None:
        decoder = SSEDecoder()
        for line in lines:
            decoder.decode(line)

    return parse


def timed(prepare: Callable[[], Operation]) -> Callable[[int], float]:
    """Prepare when the time has come, in the process that measures."""

    def run(loops: int) -> float:
        operation = prepare()
        operation()
        began = perf_counter()
        for _ in range(loops):
            operation()
        return perf_counter() - began

    return run


def main() -> None:
    """Measure every part, each in processes of its own."""
    runner = pyperf.Runner()

    def part(name: str, prepare: Callable[[], Operation], count: int = 1) -> None:
        runner.bench_time_func(name, timed(prepare), inner_loops=count)

    what = "receive a text of 64 bytes, in reads of 64 KiB"
    part(f"{what}: fasterapi", lambda: receive_fasterapi(short_reads()), COUNT)
    part(
        f"{what}: fasterapi in pure Python",
        lambda: receive_fasterapi(short_reads(), pure=True), COUNT,
    )  # fmt: skip
    part(f"{what}: websockets", lambda: receive_websockets(short_reads()), COUNT)
    part(f"{what}: wsproto", lambda: receive_wsproto(short_reads()), COUNT)
    part(f"{what}: aiohttp", lambda: receive_aiohttp(short_reads()), COUNT)
    for name, size in (("64 KiB", 1 << 16), ("1 MiB", 1 << 20), ("16 MiB", 1 << 24)):
        what = f"receive a text of {name}"
        part(f"{what}: fasterapi", lambda size=size: receive_fasterapi(long_reads(size)))
        part(f"{what}: websockets", lambda size=size: receive_websockets(long_reads(size)))
        part(f"{what}: aiohttp", lambda size=size: receive_aiohttp(long_reads(size)))
    part("format an event: fasterapi", format_fasterapi)
    part("format an event: sse-starlette", format_sse_starlette)
    part("parse an event: fasterapi", parse_fasterapi, 1000)
    part("parse an event: httpx-sse", parse_httpx_sse, 1000)


if __name__ == "__main__":
    main()
