"""Grades other projects' servers in the same way, for the table in README.md.

    python -m venv /tmp/peers
    /tmp/peers/bin/pip install kosoku==0.1.0 aiohttp autobahn granian hypercorn tornado uvicorn \
        websockets wsproto
    /tmp/peers/bin/python -m conformance.peers

Each peer that is installed echoes through its own API, without compression and with limits raised
so far that the suite's largest messages may pass; the servers run one after the other. With a name
from ``PEERS``, only that one is graded. Nothing of fasterapi is needed or used.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from conformance.run import DEFLATE, Verdict, read_golden, run_cases, select, verdicts

HOST = "127.0.0.1"
SIZE = 32 * 1024 * 1024
MAX_FRAGMENTS = 128 * 1024  # a message of 4 MiB comes in frames of 64 bytes

Message = dict[str, Any]


def serve_websockets(port: int) -> None:
    """Echo with websockets."""
    module = import_module("websockets.asyncio.server")

    async def echo(ws: Any) -> None:
        async for message in ws:
            await ws.send(message)

    async def serve() -> None:
        async with module.serve(echo, HOST, port, max_size=SIZE, compression=None) as server:
            await server.serve_forever()

    asyncio.run(serve())


def serve_aiohttp(port: int) -> None:
    """Echo with aiohttp."""
    web = import_module("aiohttp.web")

    async def echo(request: Any) -> Any:
        ws = web.WebSocketResponse(max_msg_size=SIZE, compress=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type is web.WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type is web.WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.add_routes([web.get("/", echo)])
    web.run_app(app, host=HOST, port=port, access_log=None, print=None)


def serve_autobahn(port: int) -> None:
    """Echo with autobahn."""
    module = import_module("autobahn.asyncio.websocket")

    class Echo(module.WebSocketServerProtocol):  # type: ignore[name-defined, misc]
        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
            self.sendMessage(payload, isBinary)

    async def serve() -> None:
        factory = module.WebSocketServerFactory(f"ws://{HOST}:{port}")
        factory.protocol = Echo
        server = await asyncio.get_running_loop().create_server(factory, HOST, port)
        await server.serve_forever()

    asyncio.run(serve())


def serve_tornado(port: int) -> None:
    """Echo with tornado."""
    web, websocket = import_module("tornado.web"), import_module("tornado.websocket")

    class Echo(websocket.WebSocketHandler):  # type: ignore[name-defined, misc]
        def check_origin(self, origin: str) -> bool:
            return True

        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=isinstance(message, bytes))

    async def serve() -> None:
        web.Application([("/", Echo)], websocket_max_message_size=SIZE).listen(port, HOST)
        await asyncio.Event().wait()

    asyncio.run(serve())


async def asgi(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Echo over ASGI; to raise at anything else says that there is no lifespan to run."""
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})


def serve_uvicorn(ws: str) -> Callable[[int], None]:
    """Echo with uvicorn and one of its implementations of WebSocket."""

    def serve(port: int) -> None:
        import_module("uvicorn").run(
            asgi, host=HOST, port=port, ws=ws, ws_max_size=SIZE, ws_per_message_deflate=False
        )

    return serve


def serve_hypercorn(port: int) -> None:
    """Echo with hypercorn."""
    config = import_module("hypercorn.config").Config()
    config.bind = [f"{HOST}:{port}"]
    config.websocket_max_message_size = SIZE
    asyncio.run(import_module("hypercorn.asyncio").serve(asgi, config))


def serve_granian(port: int) -> None:
    """Echo with granian."""
    Granian = import_module("granian").Granian  # noqa: N806
    Granian("conformance.peers:asgi", HOST, port, interface="asgi").serve()


# Name in the table -> the distributions behind it, and its server.
PEERS: dict[str, tuple[Sequence[str], Callable[[int], None]]] = {
    "autobahn": (["autobahn"], serve_autobahn),
    "granian": (["granian"], serve_granian),
    "aiohttp": (["aiohttp"], serve_aiohttp),
    "uvicorn --ws wsproto": (["uvicorn", "wsproto"], serve_uvicorn("wsproto")),
    "hypercorn": (["hypercorn", "wsproto"], serve_hypercorn),
    "uvicorn --ws websockets": (["uvicorn", "websockets"], serve_uvicorn("websockets")),
    "tornado": (["tornado"], serve_tornado),
    "uvicorn --ws websockets-sansio": (
        ["uvicorn", "websockets"],
        serve_uvicorn("websockets-sansio"),
    ),
    "websockets": (["websockets"], serve_websockets),
    "uvicorn --ws fasterapi": (
        ["uvicorn"],
        serve_uvicorn("fasterapi.contrib.uvicorn:WebSocketProtocol"),
    ),
}


def versions(names: Sequence[str]) -> str | None:
    """Give distributions with their versions; ``None`` if one is not installed."""
    try:
        return ", ".join(f"{name} {version(name)}" for name in names)
    except PackageNotFoundError:
        return None


@contextmanager
def running(name: str) -> Iterator[str]:
    """Run a peer's server while the block runs; gives its address.

    Raises:
        TimeoutError: If it does not listen.
    """
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "conformance.peers", name, "--serve", str(port)]
    environment = {**os.environ, "WEBSOCKETS_MAX_FRAGMENTS": str(MAX_FRAGMENTS)}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        _wait_until_listening(port)
        yield f"{HOST}:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_until_listening(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def judge(found: Verdict | None, golden: Verdict) -> str:
    """Tell what two columns come to: ``strict``, ``non-strict`` or ``failed``."""
    if found == golden:
        return "strict"
    passed = {"OK", "NON-STRICT", "INFORMATIONAL"}
    return "non-strict" if found is not None and passed.issuperset(found) else "failed"


def grade(name: str) -> Counter[str]:
    """Run the cases without compression against a peer; give how many came to what."""
    golden = read_golden()
    for case in select(golden, DEFLATE):
        del golden[case]
    with running(name) as address:
        found = verdicts(run_cases(address, (), 1, DEFLATE))
    return Counter(judge(found.get(case), columns) for case, columns in golden.items())


def main() -> None:
    """Serve one peer, or print a row of the table for each that is installed."""
    parser = argparse.ArgumentParser(description="Grade other projects' servers, strictly.")
    parser.add_argument("name", nargs="?", choices=PEERS, help="only this one")
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve it instead of grading it")
    options = parser.parse_args()
    if options.serve:
        PEERS[options.name][1](options.serve)
        return
    print("| server | strict | non-strict | failed |", "| --- | ---: | ---: | ---: |", sep="\n")
    for name in [options.name] if options.name else PEERS:
        if (installed := versions(PEERS[name][0])) is not None:
            counts = grade(name)
            columns = (str(counts[what]) for what in ("strict", "non-strict", "failed"))
            print(f"| {name} ({installed}) |", " | ".join(columns), "|", flush=True)


if __name__ == "__main__":
    main()
