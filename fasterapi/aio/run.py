"""A process around a ``Server``: the loop, the log, the signals, the exit."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .._speedups import implementation
from .._speedups.deflate import deflate
from .._version import __version__
from ..app.log import server as log
from .server import Server

if TYPE_CHECKING:
    from ..app import App

__all__ = ["configure_logging", "run"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(
    app: App,
    *,
    loop: str = "auto",
    log_level: str = "info",
    access_log: bool = True,
    **options: Any,
) -> None:
    """Serve an app until SIGINT or SIGTERM; a second signal ends the process at once.

    Args:
        app: The application.
        loop: ``"asyncio"``, ``"uvloop"``, or ``"auto"``: uvloop where it is installed.
        log_level: The least severe level that is printed, if the program has not set up logging.
        access_log: Whether requests are logged.
        options: As for ``Server``: host, port, uds, sock, ssl_certfile, ssl_keyfile, grace.

    Raises:
        OSError: If the address can't be listened on.
        ImportError: If ``loop`` is ``"uvloop"`` and it is not installed.
        ValueError: If ``loop`` or ``log_level`` is no such thing.
    """
    factory, name = _loop_factory(loop)
    configure_logging(log_level)
    server = Server(app, access_log=access_log, **options)
    with _signals_restored(), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(server, name))


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Leave signals as they were, which uvloop does not: Ctrl+C would have no effect any more."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # it was set up by Python
                signal.signal(number, handler)


async def _serve(server: Server, loop_name: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, _on_signal, stop, number)
    await server.start()
    log.info(
        "fasterapi %s (%s backend, %s, %s) on %s; stop with Ctrl+C",
        __version__, implementation, deflate, loop_name, server.url,
    )  # fmt: skip
    await stop.wait()
    log.info("stopping; once more to stop at once")
    await server.stop()
    stuck = [call.route.handler.name for call in server.calls if call.task is not None]
    if stuck:
        # The loop would wait for them for ever.
        log.error("stopped without handlers that refuse to be cancelled: %s", ", ".join(stuck))
        _exit(0)
    log.info("stopped")


def _on_signal(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        _exit(128 + number)
    stop.set()


def _exit(status: int) -> None:
    """End the process, whatever tasks and threads are doing."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _loop_factory(
    wish: str,
) -> tuple[Callable[[], asyncio.AbstractEventLoop], str]:
    if wish not in ("auto", "asyncio", "uvloop"):
        raise ValueError(f"loop has to be 'auto', 'asyncio' or 'uvloop', not {wish!r}")
    if wish != "asyncio":
        try:
            import uvloop
        except ImportError:
            if wish == "uvloop":
                raise ImportError(
                    "uvloop is not installed: pip install 'fasterapi[fast]'"
                ) from None
        else:
            return uvloop.new_event_loop, "uvloop"
    return asyncio.new_event_loop, "asyncio"


def configure_logging(level: str) -> None:
    """Print the log on stderr, unless the program has set up logging itself.

    Raises:
        ValueError: If there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"no such log level: {level!r}")
    logger = logging.getLogger("fasterapi")
    if logger.handlers or logging.getLogger().handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(number)
