import time
from collections.abc import Iterator
from contextlib import contextmanager

from fasterapi import App, SyncSSEConnection, SyncWebSocket


@contextmanager
def lifespan(app: App) -> Iterator[None]:
    app.state.began = time.monotonic()  # or a pool of connections to a database
    yield


app = App(lifespan=lifespan)


@app.websocket("/echo")
def echo(ws: SyncWebSocket) -> None:
    for message in ws:
        ws.send(message)


@app.sse("/uptime")
def uptime(sse: SyncSSEConnection) -> None:
    while not sse.wait_closed(timeout=1):
        sse.send(round(time.monotonic() - app.state.began))


if __name__ == "__main__":
    app.run(server="sync")
