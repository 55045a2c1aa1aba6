"""A process around a server: which loop, which log, which signals. Its exits are in blackbox."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from fasterapi import App, __version__
from fasterapi.aio.run import configure_logging, run


@contextmanager
def untouched() -> Iterator[logging.Logger]:
    """Have our logger as if nobody had set up any; the test runner's own handlers are put aside."""
    ours, root = logging.getLogger("fasterapi"), logging.getLogger()
    before = ours.handlers, ours.level, root.handlers
    ours.handlers, root.handlers = [], []
    try:
        yield ours
    finally:
        ours.handlers, ours.level, root.handlers = before


def stopping(signal_number: int, notes: list[Any]) -> App:
    """Make an app that is told to stop as soon as it runs."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        notes.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal_number)
        yield
        notes.append("stopped")

    return App(lifespan=lifespan)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_it_serves_until_a_signal(
    capsys: pytest.CaptureFixture[str], loop: str, number: int
) -> None:
    notes: list[Any] = []
    before = signal.getsignal(number)
    with untouched():
        run(stopping(number, notes), loop=loop, port=0)
    assert notes == [loop, "stopped"]
    assert signal.getsignal(number) is before
    lines = capsys.readouterr().err.splitlines()
    assert f" INFO    fasterapi {__version__} (" in lines[0]
    assert f", {loop}) on http://127.0.0.1:" in lines[0]
    assert [line.split("    ")[1] for line in lines[1:]] == [
        "stopping; once more to stop at once",
        "stopped",
    ]


def test_auto_takes_uvloop_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[Any] = []
    run(stopping(signal.SIGTERM, notes), port=0)
    assert notes[0] == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    run(stopping(signal.SIGTERM, notes), port=0)
    assert notes[2] == "asyncio"
    with pytest.raises(ImportError, match=r"pip install 'fasterapi\[fast\]'"):
        run(App(), loop="uvloop", port=0)


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="'auto', 'asyncio' or 'uvloop', not 'trio'"):
        run(App(), loop="trio")
    with pytest.raises(ValueError, match="no such log level: 'loud'"):
        run(App(), log_level="loud")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        run(App(), port=taken.getsockname()[1])


def test_the_log_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with untouched():
        configure_logging("warning")
        configure_logging("debug")  # the program has it set up by now
        logging.getLogger("fasterapi.server").warning("one %s", "line")
        logging.getLogger("fasterapi.access").info("none")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(" WARNING one line\n")


def test_a_program_that_logs_itself_is_left_alone() -> None:
    with untouched() as logger:
        logging.getLogger().addHandler(logging.NullHandler())
        configure_logging("info")
        assert logger.handlers == []
