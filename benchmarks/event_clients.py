"""Clients that read one event stream as fast as they can, and the server that they read it from.

    python -m benchmarks.event_clients serve PORT EVENTS_PER_CHUNK EVENTS
    python -m benchmarks.event_clients NAME PORT

The server is plain sockets and bytes that are made beforehand. An event is an id, a type and about
70 characters of data. A client prints its CPU time in microseconds an event, and events a second.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

DATA = '{"n": %d, "text": "some words of a message, as they come", "x": [1, 2, 3]}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)


def serve(port: int, per_chunk: int, count: int) -> None:
    """Send ``count`` events to whoever asks, so many a chunk."""
    events = [f"id: {n}\nevent: tick\ndata: {DATA % n}\n\n".encode() for n in range(count)]
    joined = (b"".join(events[at : at + per_chunk]) for at in range(0, count, per_chunk))
    body = b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in joined) + b"0\r\n\r\n"

    def answer(sock: socket.socket) -> None:
        with sock:
            while not sock.recv(65536).endswith(b"\r\n\r\n"):
                pass
            sock.sendall(HEAD + body)

    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=answer, args=[sock], daemon=True).start()


class Stopwatch:
    """Counts events, and the time from the first look at it."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def report(self, count: int) -> None:
        """Print what an event took."""
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        print(cpu / count * 1e6, count / wall)


async def fasterapi(url: str) -> None:
    """Ours, on asyncio."""
    from fasterapi import events

    count = 0
    async with events(url, reconnect=False, proxy=None) as stream:
        watch = Stopwatch()
        async for _ in stream:
            count += 1
        watch.report(count)


def fasterapi_sync(url: str) -> None:
    """Ours, blocking."""
    from fasterapi.sync import events

    count = 0
    with events(url, reconnect=False, proxy=None) as stream:
        watch = Stopwatch()
        for _ in stream:
            count += 1
        watch.report(count)


async def httpx_sse(url: str) -> None:
    """The client that most people use."""
    import httpx
    from httpx_sse import aconnect_sse

    count = 0
    async with httpx.AsyncClient() as client, aconnect_sse(client, "GET", url) as source:
        watch = Stopwatch()
        async for _ in source.aiter_sse():
            count += 1
        watch.report(count)


def httpx_sse_sync(url: str) -> None:
    """The same, blocking."""
    import httpx
    from httpx_sse import connect_sse

    count = 0
    with httpx.Client() as client, connect_sse(client, "GET", url) as source:
        watch = Stopwatch()
        for _ in source.iter_sse():
            count += 1
        watch.report(count)


async def httpx_our_parser(url: str) -> None:
    """Httpx, and our parser behind it."""
    import httpx

    from fasterapi.protocol import EventStreamParser

    count, parser = 0, EventStreamParser()
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        watch = Stopwatch()
        async for data in response.aiter_raw():
            for _ in parser.feed(data):
                count += 1
        watch.report(count)


CLIENTS: dict[str, Callable[[str], Any]] = {
    "fasterapi": fasterapi,
    "httpx-sse": httpx_sse,
    "httpx with our parser": httpx_our_parser,
    "fasterapi, blocking": fasterapi_sync,
    "httpx-sse, blocking": httpx_sse_sync,
}


def main() -> None:
    """Run the server until it is killed, or a client to the end of a stream."""
    name, *rest = sys.argv[1:]
    if name == "serve":
        serve(*map(int, rest))
        return
    result = CLIENTS[name](f"http://127.0.0.1:{rest[0]}/")
    if result is not None:
        asyncio.run(result)


if __name__ == "__main__":
    main()
