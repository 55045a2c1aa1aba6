"""The client under test: it takes every case that a fuzzing server offers, and sends all back.

    python conformance/echo_client.py --url ws://127.0.0.1:9001 --client aio|sync
                                      [--parallel N] [--no-deflate] [--no-context-takeover]

It asks how many cases there are, takes them all, and at the end has the server write its reports,
as Autobahn's protocol for clients has it. Nothing here knows of a case.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run as a file: the folder above is the tree
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.echo_server import LIMITS
from fasterapi import Compression, ConnectionClosed, connect
from fasterapi import sync as blocking


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Takes the cases of a WebSocket fuzzing server.")
    parser.add_argument("--url", required=True, help="of the fuzzing server, ws://HOST:PORT")
    parser.add_argument("--client", choices=("aio", "sync"), default="aio")
    parser.add_argument("--agent", default="fasterapi", help="name in the reports")
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="cases at a time (1)")
    parser.add_argument("--no-deflate", action="store_true", help="never offer compression")
    parser.add_argument(
        "--no-context-takeover",
        action="store_true",
        help="offer compression of each message by itself only",
    )
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    return parser.parse_args(arguments)


class Client:
    """What is common to both clients: where the cases are, and with which options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.base = options.url.rstrip("/")
        self.agent = options.agent
        self.parallel = options.parallel
        compression = Compression(minimum_size=0, context_takeover=not options.no_context_takeover)
        self.options: Any = {"limits": LIMITS, "proxy": None}
        self.options["compression"] = None if options.no_deflate else compression

    @property
    def count_url(self) -> str:
        """Where the number of cases is."""
        return f"{self.base}/getCaseCount"

    @property
    def reports_url(self) -> str:
        """What has the server write its reports."""
        return f"{self.base}/updateReports?agent={self.agent}"

    def case_url(self, number: int) -> str:
        """Where a case is; they count from 1."""
        return f"{self.base}/runCase?case={number}&agent={self.agent}"


async def run_aio(client: Client) -> None:
    """Take all cases with the asyncio client."""
    async with connect(client.count_url, **client.options) as ws:
        count = int(await ws.receive_text())
    turns = asyncio.Semaphore(client.parallel)

    async def take(number: int) -> None:
        async with turns, connect(client.case_url(number), **client.options) as ws:
            async for message in ws:
                with suppress(ConnectionClosed):
                    await ws.send(message)

    async with asyncio.TaskGroup() as group:
        for number in range(1, count + 1):
            group.create_task(take(number))
    async with connect(client.reports_url, **client.options) as ws:
        await ws.wait_closed()


def run_sync(client: Client) -> None:
    """Take all cases with the blocking client, each in a thread."""
    with blocking.connect(client.count_url, **client.options) as ws:
        count = int(ws.receive_text())

    def take(number: int) -> None:
        with blocking.connect(client.case_url(number), **client.options) as ws:
            for message in ws:
                with suppress(ConnectionClosed):
                    ws.send(message)

    with ThreadPoolExecutor(client.parallel) as pool:
        for _ in pool.map(take, range(1, count + 1)):
            pass  # what one of them raises, is raised here
    with blocking.connect(client.reports_url, **client.options) as ws:
        ws.wait_closed()


def main() -> None:
    """Take all cases."""
    options = parse()
    client = Client(options)
    if options.client == "sync":
        run_sync(client)
    elif options.loop == "uvloop":
        import uvloop

        uvloop.run(run_aio(client))
    else:
        asyncio.run(run_aio(client))


if __name__ == "__main__":
    main()
