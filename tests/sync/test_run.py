"""A process around the blocking server: its log and its signals. Its exits are in blackbox."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fasterapi import App, WebSocket, __version__
from fasterapi.sync import run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(number: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fasterapi")
    notes: list[str] = []

    def interrupt() -> None:
        signal.pthread_kill(threading.get_ident(), number)  # whichever thread: the system chooses

    @contextmanager
    def lifespan(app: App) -> Iterator[None]:
        notes.append("starts")
        threading.Timer(0.01, interrupt).start()
        yield
        notes.append("stops")

    before = signal.getsignal(number)
    App(lifespan=lifespan).run(port=0, server="sync")
    assert notes == ["starts", "stops"]
    assert signal.getsignal(number) is before
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith(f"fasterapi {__version__} (")
    assert ", threads) on http://127.0.0.1:" in lines[0]
    assert lines[1:] == ["stopping; once more to stop at once", "stopped"]


def test_mistakes_are_told() -> None:
    app = App()

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None: ...

    with pytest.raises(TypeError, match=r"/ws: .*echo is async def"):
        run(app, port=0)
    with pytest.raises(ValueError, match="no such log level: 'loud'"):
        run(App(), log_level="loud")
    with pytest.raises(ValueError, match="'aio' or 'sync', not 'gevent'"):
        App().run(server="gevent")
    with pytest.raises(ValueError, match="no event loop; leave loop='uvloop' out"):
        App().run(server="sync", loop="uvloop")
    with pytest.raises(ValueError, match=r"HTTP/1\.1 only; leave http2 out"):
        App().run(server="sync", http2=True)
