"""A process around a ``Server``: the log, the signals, the exit."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Unpack

from .._speedups import implementation
from .._speedups.deflate import deflate, inflate
from .._version import __version__
from ..app.log import configure_logging
from ..app.log import server as log
from ..app.serving import ServerOptions, check_options
from .server import Server

if TYPE_CHECKING:
    from ..app import App

__all__ = ["SIGNALS", "exit_now", "greeting", "run", "signals_restored"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Those that end a server in order, and at once when they come a second time."""


def run(app: App, *, log_level: str = "info", **options: Unpack[ServerOptions]) -> None:
    """Serve an app with threads until SIGINT or SIGTERM; a second one ends the process at once.

    Args:
        app: The application.
        log_level: The least severe level that is printed, if the program has not set up logging.
        options: As for ``serve``.

    Raises:
        OSError: If the address can't be listened on.
        TypeError: If there is no such option, or a route or the lifespan needs an event loop.
        ValueError: If ``log_level`` is no such thing, there is a key without a certificate, or
            ``http2`` is true.
    """
    check_options("run", options, ServerOptions)
    configure_logging(log_level)
    server = Server(app, **options)
    with signals_restored(), _first_signal() as signals:
        server.start()
        log.info(*greeting("threads", server.url))
        signals.get()
        log.info("stopping; once more to stop at once")
        server.stop()
    stuck = sorted({connection.handler for connection in server.working})
    if stuck:
        # Their threads would be asked for what is not there any more while Python ends.
        log.error("stopped without handlers that do not end: %s", ", ".join(stuck))
        exit_now(0)
    log.info("stopped")


@contextmanager
def signals_restored() -> Iterator[None]:
    """Leave signals as they were, which uvloop does not: Ctrl+C would have no effect any more."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # it was set up by Python
                signal.signal(number, handler)


@contextmanager
def _first_signal() -> Iterator[SimpleQueue[int]]:
    """Put the first of ``SIGNALS`` into a queue, and end the process at the second.

    The system interrupts any thread with a signal. Python's handlers wait for the main one, which
    may sleep on; but to the wake-up descriptor the number is written at once, for a thread to read.
    """
    first: SimpleQueue[int] = SimpleQueue()
    reader, writer = socket.socketpair()

    def read() -> None:
        stopping = False
        while numbers := reader.recv(64):
            for number in numbers:
                if stopping and number in SIGNALS:
                    exit_now(128 + number)
                if number in SIGNALS:
                    stopping = True
                    first.put(number)

    with reader, writer:
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        thread = threading.Thread(target=read, name="fasterapi-signals", daemon=True)
        thread.start()
        try:
            for number in SIGNALS:
                signal.signal(number, lambda *_: None)  # or there would be nothing to write
            yield first
        finally:
            signal.set_wakeup_fd(before)
            writer.shutdown(socket.SHUT_WR)
            thread.join()


def exit_now(status: int) -> None:
    """End the process, whatever tasks and threads are doing."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def greeting(engine: str, url: str) -> tuple[Any, ...]:
    """Give the log's first line: what runs, and where.

    Args:
        engine: What drives it: a loop, or threads.
        url: Where it listens.
    """
    message = "fasterapi %s (%s backend, deflate %s, inflate %s, %s) on %s; stop with Ctrl+C"
    return message, __version__, implementation, deflate, inflate, engine, url
