"""The server under test: it sends every message back, on every path.

    python conformance/echo_server.py --port 9001 [--server aio|sync] [--loop asyncio|uvloop]
                                      [--style coroutine|callback|thread] [--http2]

It is an ordinary application, with limits raised so far that the suite's largest messages pass.
Nothing here knows of a case.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from fasterapi import App, Compression, Limits, SyncWebSocket, WebSocket

MIB = 1024 * 1024

# The largest message has 16 MiB, and a message of 4 MiB comes in frames of 64 bytes.
LIMITS = Limits(
    max_message_size=32 * MIB,
    max_fragments=128 * 1024,
    receive_high_water=32 * MIB,
    write_high_water=32 * MIB,
    max_write_buffer=64 * MIB,
)


async def coroutine(ws: WebSocket) -> None:
    """Send each message back as it came, text as text and binary as binary."""
    while ws.is_open():
        await ws.send(await ws.receive())


def thread(ws: SyncWebSocket) -> None:
    """Do the same in a thread."""
    while ws.is_open():
        ws.send(ws.receive())


class Callback:
    """Do the same in the event loop, with no task in between."""

    def on_message(self, ws: WebSocket, message: str | bytes) -> None:
        """Send it back."""
        ws.send(message)


STYLES: dict[str, Any] = {"coroutine": coroutine, "callback": Callback, "thread": thread}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Echoes WebSocket messages, for conformance runs.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--server", choices=("aio", "sync"), default="aio")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="of aio")
    parser.add_argument(
        "--style", choices=tuple(STYLES), help="of handler (coroutine; with --server sync: thread)"
    )
    parser.add_argument("--http2", action="store_true", help="speak HTTP/2 with who begins so")
    parser.add_argument("--no-deflate", action="store_true", help="never negotiate compression")
    parser.add_argument("--log-level", default="warning")
    options = parser.parse_args(arguments)
    options.style = options.style or ("coroutine" if options.server == "aio" else "thread")
    return options


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = parse()
    # However short a message is: the runner takes a text that is not compressed for a fault.
    compression = None if options.no_deflate else Compression(minimum_size=0)
    app = App(limits=LIMITS, origins=None, compression=compression)
    app.websocket("/{path:path}")(STYLES[options.style])
    engine: dict[str, Any] = {}
    if options.server == "aio":
        engine = {"loop": options.loop, "http2": options.http2}
    app.run(
        host=options.host,
        port=options.port,
        server=options.server,
        access_log=False,
        log_level=options.log_level,
        **engine,
    )


if __name__ == "__main__":
    main()
