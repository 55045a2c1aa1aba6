"""What is logged, and at which level: one wording for every adapter.

``fasterapi.access`` gets a line a request at INFO, and a second one when a WebSocket or an event
stream ends. ``fasterapi.server`` gets the rest: what a peer did wrong at INFO, never with a
traceback; what a handler did wrong at ERROR, with one. ``fasterapi.client`` gets a line at INFO for
each connection of ours that is lost and opened again. Each record carries its facts as attributes
too (``extra``), for whoever logs in JSON.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from ..protocol.http import Request
from ..protocol.text import printable

__all__ = [
    "access", "client", "configure_logging", "log_access", "log_crash", "log_end", "log_fault",
    "log_retry", "server",
]  # fmt: skip

access = logging.getLogger("fasterapi.access")
server = logging.getLogger("fasterapi.server")
client = logging.getLogger("fasterapi.client")


def log_access(request: Request, status: int) -> None:
    """Note that a request was answered."""
    access.info(
        '%s "%s %s HTTP/%s" %d',
        request.client or "-", request.method, request.target, request.http_version, status,
        extra={**_facts(request), "status": status},
    )  # fmt: skip


def log_end(request: Request, what: str, detail: str, seconds: float) -> None:
    """Note that a WebSocket or an event stream has ended, why, and how long it took."""
    access.info(
        '%s "%s %s" %s after %.1f s',
        request.client or "-", what, request.target, detail, seconds,
        extra={**_facts(request), "detail": detail, "seconds": seconds},
    )  # fmt: skip


def log_fault(client: str, fault: str) -> None:
    """Note what a peer did wrong, or which limit it met."""
    server.info("%s: %s", client or "-", fault, extra={"client": client, "fault": fault})


def log_retry(url: str, reason: object, seconds: float, *, failed: bool) -> None:
    """Note why a client opens its WebSocket again, and when; a failure is a warning."""
    reason = printable(str(reason))  # the server has a say in it
    client.log(
        logging.WARNING if failed else logging.INFO,
        "WebSocket %s: %s; connecting again in %.1f s",
        url, reason, seconds,
        extra={"url": url, "reason": reason, "seconds": seconds},
    )  # fmt: skip


def log_crash(request: Request, handler: str, error: BaseException) -> None:
    """Note that a handler raised what it should not, with the traceback."""
    server.error(
        '%s "%s %s": %s raised %s',
        request.client or "-", request.method, request.target, handler, type(error).__name__,
        exc_info=error,
        extra=_facts(request),
    )  # fmt: skip


def _facts(request: Request) -> dict[str, Any]:
    return {
        "client": request.client,
        "method": request.method,
        "target": request.target,
        "http_version": request.http_version,
    }


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
