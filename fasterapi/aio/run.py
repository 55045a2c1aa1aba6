"""A process around a ``Server``: the loop, the log, the signals, the exit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Unpack

from ..app.log import configure_logging
from ..app.log import server as log
from ..app.serving import ServerOptions, check_options
from ..sync.run import SIGNALS, exit_now, greeting, signals_restored
from .server import Server

if TYPE_CHECKING:
    from ..app import App

__all__ = ["run"]


def run(
    app: App,
    *,
    loop: str = "auto",
    log_level: str = "info",
    **options: Unpack[ServerOptions],
) -> None:
    """Serve an app until SIGINT or SIGTERM; a second signal ends the process at once.

    Args:
        app: The application.
        loop: ``"asyncio"``, ``"uvloop"``, or ``"auto"``: uvloop where it is installed.
        log_level: The least severe level that is printed, if the program has not set up logging.
        options: As for ``serve``.

    Raises:
        OSError: If the address can't be listened on.
        ImportError: If ``loop`` is ``"uvloop"`` and it is not installed, or ``http2`` is true and
            h2 is not.
        TypeError: If there is no such option.
        ValueError: If ``loop`` or ``log_level`` is no such thing, or there is a key without a
            certificate.
    """
    check_options("run", options, ServerOptions)
    factory, name = _loop_factory(loop)
    configure_logging(log_level)
    server = Server(app, **options)
    with signals_restored(), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(server, name))


async def _serve(server: Server, loop_name: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, _on_signal, stop, number)
    await server.start()
    log.info(*greeting(loop_name, server.url))
    await stop.wait()
    log.info("stopping; once more to stop at once")
    await server.stop()
    stuck = [call.route.handler.name for call in server.calls if call.task is not None]
    if stuck:
        # The loop would wait for them for ever.
        log.error("stopped without handlers that refuse to be cancelled: %s", ", ".join(stuck))
        exit_now(0)
    log.info("stopped")


def _on_signal(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        exit_now(128 + number)
    stop.set()


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
