"""Single parts, in memory: microseconds of CPU an operation, the best of several runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

KEY = b"\x37\xfa\x21\x3d"
COUNT = 936  # frames of 70 bytes in 64 KiB


def best(operation: Callable[[], object], count: int, runs: int = 7) -> float:
    """Give the least CPU time of an operation, in microseconds."""
    times = []
    for _ in range(runs):
        began = time.thread_time()
        for _ in range(count):
            operation()
        times.append((time.thread_time() - began) / count * 1e6)
    return min(times)


def read() -> bytes:
    """Make one read of masked 64-byte text messages."""
    text = bytes(97 + i % 26 for i in range(64))
    masked = bytes(byte ^ KEY[i % 4] for i, byte in enumerate(text))
    return (b"\x81\xc0" + KEY + masked) * COUNT


def receive_fasterapi() -> float:
    """Receive a read with our core."""
    from fasterapi.protocol import Role, WebSocketConnection

    data, connection = read(), WebSocketConnection(Role.SERVER)
    assert len(connection.receive_data(data)) == COUNT
    return best(lambda: connection.receive_data(data), 20) / COUNT


def receive_websockets() -> float:
    """Receive a read with websockets' sans-IO protocol."""
    data, connection = read(), _opened()

    def receive() -> Any:
        connection.receive_data(data)
        return [event.data.decode() for event in connection.events_received()]  # type: ignore[union-attr]

    assert len(receive()) == COUNT
    return best(receive, 5) / COUNT


def _opened() -> Any:
    from websockets.server import ServerProtocol

    protocol = ServerProtocol()
    protocol.receive_data(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    (request,) = protocol.events_received()
    protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]
    protocol.data_to_send()
    return protocol


def receive_wsproto() -> float:
    """Receive a read with wsproto."""
    from wsproto.connection import Connection, ConnectionType

    data, connection = read(), Connection(ConnectionType.SERVER)

    def receive() -> int:
        connection.receive_data(data)
        return sum(1 for _ in connection.events())

    assert receive() == COUNT
    return best(receive, 2) / COUNT


def format_fasterapi() -> float:
    """Format a short event."""
    from fasterapi.protocol import format_event

    return best(lambda: format_event("the price is 42 $", event="price", id="12345"), 20_000)


def parse_fasterapi() -> float:
    """Parse short events."""
    from fasterapi.protocol import EventStreamParser

    data = b"id: 1\nevent: price\ndata: the price is 42\n\n" * 1000
    return best(lambda: EventStreamParser().feed(data), 5) / 1000


def parse_httpx_sse() -> float:
    """Parse short events with httpx-sse."""
    from httpx_sse._decoders import SSEDecoder

    lines = ("id: 1\nevent: price\ndata: the price is 42\n\n" * 1000).split("\n")

    def parse() -> None:
        decoder = SSEDecoder()
        for line in lines:
            decoder.decode(line)

    return best(parse, 5) / 1000


PARTS: dict[str, Callable[[], float]] = {
    "receive a 64-byte text, in reads of 64 KiB: fasterapi": receive_fasterapi,
    "receive a 64-byte text, in reads of 64 KiB: websockets": receive_websockets,
    "receive a 64-byte text, in reads of 64 KiB: wsproto": receive_wsproto,
    "format an event: fasterapi": format_fasterapi,
    "parse an event: fasterapi": parse_fasterapi,
    "parse an event: httpx-sse": parse_httpx_sse,
}


def run() -> dict[str, float]:
    """Measure every part."""
    return {name: part() for name, part in PARTS.items()}


def table(results: dict[str, float]) -> str:
    """Write results as a Markdown table."""
    lines = ["### Single parts", "", "| part | CPU, us |", "|---|---|"]
    return "\n".join(
        [*lines, *(f"| {name} | {value:.2f} |" for name, value in results.items()), ""]
    )
