"""The application that the server under test serves; every WebSocket's path exists under /def too.

    python -m tests.blackbox.application [--server aio|sync] [--loop asyncio|uvloop] ...

The sync server gets the ``def`` handlers under both paths, and twins of most others.
``/endings`` and ``/calls`` tell how handlers have ended, and forget it.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import inspect
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from fasterapi import (
    App,
    ConnectionClosed,
    HTTPError,
    Limits,
    LocalProtocolError,
    Request,
    Response,
    SSEConnection,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)
from fasterapi.app import Handler, RouteKind, Style

from .resuming import add_resuming

DEFAULTS = "--default-limits" in sys.argv
LIMITS = (
    Limits()
    if DEFAULTS
    else Limits(
        ping_interval=None,
        handshake_timeout=1.0,
        keep_alive_timeout=1.0,
        close_timeout=0.5,
        answer_timeout=0.5,
        write_timeout=1.0,
        sse_start_delay=0.1,
        max_threads=120,
    )
)
PINGED = replace(LIMITS, ping_interval=0.3, ping_timeout=0.4)

app = App(limits=LIMITS)
calls: Counter[str] = Counter()
endings: list[Any] = []
rooms: set[WebSocket] = set()


@app.get("/calls")
async def tell_calls() -> dict[str, int]:
    """Tell how often each handler was called since the last time."""
    told = dict(calls)
    calls.clear()
    return told


@app.get("/endings")
async def tell_endings() -> list[Any]:
    """Tell with which codes handlers have ended since the last time."""
    told = endings[:]
    endings.clear()
    return told


# ------------------------------------------------------------------------------------- echoes


async def echo(ws: WebSocket) -> None:
    """Send each message back."""
    calls["echo"] += 1
    try:
        while True:
            await ws.send(await ws.receive())
    except ConnectionClosed as closed:
        endings.append(closed.code)
        raise


def echo_in_thread(ws: SyncWebSocket) -> None:
    """Send each message back."""
    calls["echo"] += 1
    try:
        while True:
            ws.send(ws.receive())
    except ConnectionClosed as closed:
        endings.append(closed.code)
        raise


for path, limits in {"/ws": LIMITS, "/sentinel": LIMITS, "/pinged": PINGED}.items():
    app.websocket(path, limits=limits)(echo)
    app.websocket(f"/def{path}", limits=limits)(echo_in_thread)
app.websocket("/allow-list", origins=["http://good.test"])(echo)


# ------------------------------------------------------------------------- other WebSockets


@app.websocket("/busy")
async def busy(ws: WebSocket) -> None:
    """Take a message now and then, and leave soon."""
    pause = float(ws.request.query.get("pause", "0.3"))
    for _ in range(4):
        await ws.receive()
        await asyncio.sleep(pause)


@app.websocket("/def/busy")
def busy_in_thread(ws: SyncWebSocket) -> None:
    """Take a message now and then, and leave soon."""
    pause = float(ws.request.query.get("pause", "0.3"))
    for _ in range(4):
        ws.receive()
        time.sleep(pause)


@app.websocket("/asleep")
async def asleep(ws: WebSocket) -> None:
    """Sleep, and then take a hundred messages and tell their size."""
    await ws.accept()
    await asyncio.sleep(0.5)
    size = 0
    for _ in range(100):
        size += len(await ws.receive())
    await ws.send(f"{size} bytes in 100", compress=False)


@app.websocket("/def/asleep")
def asleep_in_thread(ws: SyncWebSocket) -> None:
    """Sleep, and then take a hundred messages and tell their size."""
    ws.accept()
    time.sleep(0.5)
    size = sum(len(ws.receive()) for _ in range(100))
    ws.send(f"{size} bytes in 100", compress=False)


@app.websocket("/later")
async def later(ws: WebSocket) -> None:
    """Send each message back, later."""
    async for message in ws:
        await asyncio.sleep(0.05)
        await ws.send(message)


@app.websocket("/def/later")
def later_in_thread(ws: SyncWebSocket) -> None:
    """Send each message back, later."""
    for message in ws:
        time.sleep(0.05)
        ws.send(message)


@app.websocket("/occupied")
async def occupied(ws: WebSocket) -> None:
    """Take one message, and then none."""
    await ws.receive()
    await ws.wait_closed()


@app.websocket("/def/occupied")
def occupied_in_thread(ws: SyncWebSocket) -> None:
    """Take one message, and then none."""
    ws.receive()
    ws.wait_closed()


@app.websocket("/crash")
async def crash(ws: WebSocket) -> None:
    """Raise after the first message."""
    await ws.receive()
    raise RuntimeError("meant to")


@app.websocket("/def/crash")
def crash_in_thread(ws: SyncWebSocket) -> None:
    """Raise after the first message."""
    ws.receive()
    raise RuntimeError("meant to")


@app.websocket("/cancelled")
async def cancelled(ws: WebSocket) -> None:
    """Be cancelled after the first message."""
    await ws.receive()
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await ws.receive()


@app.websocket("/closing")
async def closing(ws: WebSocket) -> None:
    """Close after the first message, and send once more."""
    await ws.receive()
    await ws.close(4000, "enough")
    try:
        await ws.send("too late")
    except ConnectionClosed as closed:
        endings.append(closed.code)


@app.websocket("/def/closing")
def closing_in_thread(ws: SyncWebSocket) -> None:
    """Close after the first message, and send once more."""
    ws.receive()
    ws.close(4000, "enough")
    try:
        ws.send("too late")
    except ConnectionClosed as closed:
        endings.append(closed.code)


@app.websocket("/room")
async def room(ws: WebSocket) -> None:
    """Send what any member sends to all members, without waiting for any."""
    await ws.accept()
    rooms.add(ws)
    try:
        async for message in ws:
            for member in list(rooms):
                try:
                    member.send(message)
                except ConnectionClosed:
                    rooms.discard(member)
    finally:
        rooms.discard(ws)


@app.websocket("/stubborn")
async def stubborn(ws: WebSocket) -> None:
    """Refuse to end for a while, whatever is said."""
    await ws.accept()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            endings.append("cancelled")


@app.websocket("/def/stubborn")
def stubborn_in_thread(ws: SyncWebSocket) -> None:
    """Refuse to end for a while, whatever is said."""
    ws.accept()
    time.sleep(60)


# ------------------------------------------------------------------------------ plain routes


@app.get("/http")
async def plain() -> str:
    """Answer at once."""
    calls["http"] += 1
    return "ok"


@app.get("/admin")
async def admin() -> str:
    """Answer what nobody may have asked for."""
    calls["admin"] += 1
    return "ok"


@app.get("/large")
async def large() -> bytes:
    """Answer with 12 MiB."""
    return bytes(12 * 1024 * 1024)


@app.get("/slow")
async def slow() -> str:
    """Take a while."""
    await asyncio.sleep(0.05)
    return "ok"


@app.get("/slower")
async def slower() -> str:
    """Take a longer while."""
    await asyncio.sleep(0.3)
    return "ok"


@app.get("/split/{what}")
async def split(request: Request, what: str) -> Response:
    """Try to put a line break where it would split the response."""
    bad = request.query["with"]
    match what:
        case "header":
            return Response(200, [("X-Header", f"a{bad}b")])
        case "name":
            return Response(200, [(f"X{bad}", "a")])
        case "cookie":
            return Response(200, [("Set-Cookie", f"a=b{bad}c")])
        case "reason":
            return Response(200, reason=f"OK{bad}X: y")
        case "length":
            return Response(200, [("Content-Length", "5")], b"abc")
        case _:
            raise HTTPError(404)


@app.websocket("/split/{what}")
async def split_handshake(ws: WebSocket, what: str) -> None:
    """Try the same in the response to a handshake."""
    bad = ws.request.query["with"]
    if what == "subprotocol":
        await ws.accept(subprotocol=f"chat{bad}X: y")
    elif what == "header":
        await ws.accept(headers=[("X-Header", f"a{bad}b")])
    else:
        await ws.reject(403, headers=[("X-Header", f"a{bad}b")])


# ----------------------------------------------------------------------------- event streams


@app.sse("/event")
async def one_event(sse: SSEConnection, request: Request) -> None:
    """Send one event with the fields of the query; 422 if it can't be sent."""
    fields: dict[str, Any] = dict(request.query)
    try:
        await sse.send(fields.pop("data", None), **fields)
    except LocalProtocolError as error:
        raise HTTPError(422, str(error)) from None


@app.sse("/last-event-id")
async def tell_last_event_id(sse: SSEConnection) -> None:
    """Send what the client says it saw last, as JSON."""
    await sse.send({"last_event_id": sse.last_event_id})


@app.sse("/ticks")
async def ticks(sse: SSEConnection) -> None:
    """Send an event and sleep until the client leaves."""
    await sse.send("first")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.02)  # an orderly end takes its time
        endings.append("cancelled")
        raise


@app.sse("/def/ticks")
def ticks_in_thread(sse: SyncSSEConnection) -> None:
    """Send an event and sleep until the client leaves."""
    sse.send("first")
    if sse.wait_closed(60):
        try:
            sse.send("second")
        except ConnectionClosed:
            endings.append("closed")
            raise


@app.sse("/generator")
async def generator() -> AsyncIterator[str]:
    """Yield an event and sleep until the client leaves."""
    try:
        yield "first"
        await asyncio.sleep(60)
    finally:
        endings.append("generator closed")


@app.sse("/def/generator")
def generator_in_thread() -> Iterator[str]:
    """Yield events until the client leaves."""
    try:
        yield "first"
        while True:
            threading.Event().wait(0.02)
            yield "next"
    finally:
        endings.append("generator closed")


@app.sse("/flood")
async def flood(sse: SSEConnection) -> None:
    """Send without an end, awaiting each."""
    try:
        while True:
            await sse.send("x" * 1000)
    finally:
        endings.append("flood over")


@app.sse("/def/flood")
def flood_in_thread(sse: SyncSSEConnection) -> None:
    """Send without an end."""
    try:
        while True:
            sse.send("x" * 1000)
    finally:
        endings.append("flood over")


@app.sse("/hasty-flood")
async def hasty_flood(sse: SSEConnection) -> None:
    """Send without an end and without waiting."""
    try:
        while True:
            sse.send("x" * 20_000)
            await asyncio.sleep(0)
    finally:
        endings.append("flood over")


@app.sse("/silent", keepalive=0.2)
async def silent() -> AsyncIterator[str]:
    """Yield an event, and nothing more for a while."""
    yield "first"
    await asyncio.sleep(60)


@app.sse("/refused")
async def refused(sse: SSEConnection) -> None:
    """Refuse before the first event."""
    raise HTTPError(403, "not you")


add_resuming(app)

# --------------------------------------------------------------------------- without a loop


def one_event_in_thread(sse: SyncSSEConnection, request: Request) -> None:
    """Send one event with the fields of the query; 422 if it can't be sent."""
    fields: dict[str, Any] = dict(request.query)
    try:
        sse.send(fields.pop("data", None), **fields)
    except LocalProtocolError as error:
        raise HTTPError(422, str(error)) from None


def tell_last_event_id_in_thread(sse: SyncSSEConnection) -> None:
    """Send what the client says it saw last, as JSON."""
    sse.send({"last_event_id": sse.last_event_id})


def silent_in_thread(sse: SyncSSEConnection) -> None:
    """Send an event, and nothing more for a while."""
    sse.send("first")
    sse.wait_closed(60)


def refused_in_thread(sse: SyncSSEConnection) -> None:
    """Refuse before the first event."""
    raise HTTPError(403, "not you")


def split_handshake_in_thread(ws: SyncWebSocket, what: str) -> None:
    """Try to put a line break where it would split the response to a handshake."""
    bad = ws.request.query["with"]
    if what == "subprotocol":
        ws.accept(subprotocol=f"chat{bad}X: y")
    elif what == "header":
        ws.accept(headers=[("X-Header", f"a{bad}b")])
    else:
        ws.reject(403, headers=[("X-Header", f"a{bad}b")])


TWINS: dict[Any, Any] = {
    one_event: one_event_in_thread,
    tell_last_event_id: tell_last_event_id_in_thread,
    silent: silent_in_thread,
    refused: refused_in_thread,
    split_handshake: split_handshake_in_thread,
}


def run_to_end(function: Any) -> Any:
    """Make a ``def`` of an ``async def`` that waits for nothing but the time."""

    @functools.wraps(function)
    def call(**arguments: Any) -> Any:
        return asyncio.run(function(**arguments))

    call.__dict__.pop("__wrapped__")
    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return call


def without_loop(app: App, threads: int) -> App:
    """Make the app for a server that runs ``def`` handlers only."""
    made = App(limits=replace(app.limits, max_threads=threads))
    twins = {route.path: route for route in app.routes if route.path.startswith("/def/")}
    for route in app.routes:
        function = route.handler.function
        twin = twins.get("/def" + route.path)
        if route.handler.style not in (Style.COROUTINE, Style.ASYNC_GENERATOR):
            pass
        elif route.kind is RouteKind.HTTP:
            function = run_to_end(function)
        elif route.path == "/allow-list":
            function = echo_in_thread
        elif twin is not None or function in TWINS:
            function = twin.handler.function if twin is not None else TWINS[function]
        else:
            continue
        handler = Handler(function, route.path, route.pattern.params)
        made._router.add(replace(route, handler=handler))
    return made


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="aio")
    parser.add_argument("--loop", default="asyncio")
    parser.add_argument("--threads", type=int, default=400, help="of the sync server")
    parser.add_argument("--uds")
    parser.add_argument("--nofile", type=int)
    parser.add_argument("--grace", type=float, default=5.0)
    parser.add_argument("--default-limits", action="store_true")
    parser.add_argument("--http2", action="store_true")
    arguments = parser.parse_args()
    if arguments.nofile:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.nofile, hard))
    options: dict[str, Any] = {"port": 0, "uds": arguments.uds, "grace": arguments.grace}
    if arguments.server == "sync":
        without_loop(app, arguments.threads).run(server="sync", **options)
    else:
        app.run(loop=arguments.loop, http2=arguments.http2, **options)


if __name__ == "__main__":
    main()
