"""What the commands that are clients share: options, and text of servers on a terminal.

What comes from a server is shown, never obeyed: control characters, which could move the cursor or
rename the window, are escaped.
"""

from __future__ import annotations

import argparse
import logging
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..protocol.text import printable
from ..protocol.uri import without_userinfo
from .command import Refusal

__all__ = ["add_route", "failure", "log_on_stderr", "positive", "put", "route", "seconds"]


def add_route(add: Callable[..., Any]) -> None:
    """Add the arguments that say how to get to a server, and what to tell it."""
    add(
        "-H", "--header", dest="headers", type=_header, action="append", default=[],
        metavar="'NAME: VALUE'", help="send a header field; may be repeated",
    )  # fmt: skip
    add(
        "--open-timeout", type=seconds, metavar="S",
        help="seconds that connecting may take (default: 10)",
    )  # fmt: skip
    add("--proxy", metavar="URL", help="a proxy, instead of the one that the environment names")
    add("--no-proxy", action="store_true", help="no proxy, whatever the environment says")
    add("--uds", metavar="PATH", help="unix socket to connect to, instead of the URL's host")
    add("--cafile", metavar="FILE", help="certificates to trust, as PEM, instead of the system's")
    add("--insecure", action="store_true", help="do not verify the server's certificate")


def route(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make a client's options of these arguments.

    Raises:
        Refusal: If the certificates can't be read.
    """
    options: dict[str, Any] = {
        "headers": arguments.headers,
        "proxy": None if arguments.no_proxy else arguments.proxy or True,
        "uds": arguments.uds,
        "ssl": _context(arguments.cafile, arguments.insecure),
    }
    if arguments.open_timeout is not None:
        options["open_timeout"] = arguments.open_timeout
    return options


def failure(url: str, error: Exception) -> Refusal:
    """Say in one line why a server can't be had, or is lost, and what helps if that is known."""
    what = printable(str(error) or type(error).__name__)
    if isinstance(error, ssl.SSLCertVerificationError):
        what += "; --cafile names a certificate to trust, --insecure trusts any"
    return Refusal(f"{without_userinfo(url)}: {what}", status=1)


def _context(cafile: str | None, insecure: bool) -> ssl.SSLContext | None:
    if cafile is None and not insecure:
        return None
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise Refusal(f"--cafile {cafile}: {error.strerror or error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """Have the client's log tell of reconnections."""
    log = logging.getLogger("fasterapi.client")
    handler = logging.StreamHandler()
    handler.setFormatter(_Escaping("fasterapi: %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


class _Escaping(logging.Formatter):
    """Escapes what servers may have put into a message."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def put(text: str) -> bool:
    """Write to stdout; tell whether anybody still reads it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer has to go somewhere when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return False
    return True


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is no header field: 'Name: value'")
    return name.strip(), value.strip()


def positive(text: str) -> int:
    """Read an argument that counts something."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """Read an argument that is a time."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value
