import asyncio
import time
from collections.abc import Iterator

from fasterapi import App, SSEConnection, SyncSSEConnection

app = App()

watching: set[str] = set()


@app.sse("/watch/{name}")
async def watch(sse: SSEConnection, name: str) -> None:
    watching.add(name)
    try:
        while True:
            await sse.send({"watching": sorted(watching)})
            await asyncio.sleep(1)
    finally:  # the client has left, the server stops, or the handler has raised
        watching.discard(name)


@app.sse("/poll/{name}")
def poll(sse: SyncSSEConnection, name: str) -> None:
    watching.add(name)
    try:
        while not sse.wait_closed(timeout=0.1):  # instead of time.sleep(0.1)
            sse.send({"watching": sorted(watching)})
    finally:
        watching.discard(name)


@app.sse("/rows/{name}")
def rows(name: str) -> Iterator[int]:
    watching.add(name)
    try:
        for row in range(1000):
            yield row
            time.sleep(0.01)
    finally:
        watching.discard(name)
