"""``fasterapi events``: a server's event stream on the terminal, or as JSON for a script.

What comes from the server is shown, never obeyed: control characters, which could move the cursor
or rename the window, are escaped.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FasterAPIError
from ..protocol.sse import ServerSentEvent
from ..sync.event_stream import SyncEventStream
from .command import Refusal, formatted

__all__ = ["add_events", "follow"]

_EPILOG = """\
examples:
  fasterapi events http://localhost:8000/events
  fasterapi events https://example.com/feed --last-event-id 17 --count 10 --json
  fasterapi events https://example.com/answer -H 'Content-Type: application/json' \\
      --data '{"question": "Why?"}'

A stream that ends or is lost is connected to again, as browsers do it; stderr says so. With a body,
or another method than GET, only --reconnect does that.

exit status: 0 if the server has ended the stream, or --count is reached; 1 if it can't be had or is
lost for good; 2 for arguments that are no good; 130 after Ctrl+C.
"""


def add_events(add_parser: Any, **texts: str) -> None:
    """Add the command and its arguments."""
    parser = formatted(
        add_parser, "events", description="Follow an event stream.", epilog=_EPILOG, **texts
    )
    add = parser.add_argument
    add("url", metavar="URL", help="http:// or https://")
    add("--json", action="store_true", help="print each event as a JSON object, one a line")
    add("--count", type=_positive, metavar="N", help="stop after so many events")
    add("--last-event-id", metavar="ID", help="go on behind this event")
    add(
        "-H", "--header", dest="headers", type=_header, action="append", default=[],
        metavar="'NAME: VALUE'", help="send a header field; may be repeated",
    )  # fmt: skip
    add("--method", help="the method (default: GET, or POST with --data)")
    add("--data", metavar="TEXT", help="the body; @FILE for a file's content, @- for stdin's")
    add(
        "--reconnect", action=argparse.BooleanOptionalAction, default=None,
        help="connect again when the stream ends or is lost (default: with GET)",
    )  # fmt: skip
    add(
        "--idle-timeout", type=_seconds, metavar="S",
        help="seconds without a byte after which the connection counts as lost",
    )  # fmt: skip
    add(
        "--open-timeout", type=_seconds, metavar="S",
        help="seconds that connecting may take (default: 10)",
    )  # fmt: skip
    add("--proxy", metavar="URL", help="a proxy, instead of the one that the environment names")
    add("--no-proxy", action="store_true", help="no proxy, whatever the environment says")
    add("--uds", metavar="PATH", help="unix socket to connect to, instead of the URL's host")
    add("--cafile", metavar="FILE", help="certificates to trust, as PEM, instead of the system's")
    add("--insecure", action="store_true", help="do not verify the server's certificate")


def follow(arguments: argparse.Namespace) -> int:
    """Print a stream's events until it is over; give the exit status.

    Raises:
        Refusal: If it can't be had or is lost, or the arguments don't fit together.
        KeyboardInterrupt: At Ctrl+C.
    """
    write = _write_json if arguments.json else _Printer()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows only ASCII
    stream = _stream(arguments)
    left = arguments.count
    try:
        with _log_on_stderr(), stream:
            for event in stream:
                if not _put(write(event)):
                    return 128 + 13  # as if SIGPIPE had ended it: `| head` has seen enough
                if left is not None:
                    left -= 1
                    if not left:
                        break
    except (OSError, FasterAPIError) as error:
        what = str(error) or type(error).__name__
        raise Refusal(f"{arguments.url}: {escape(what)}", status=1) from None
    return 0


def escape(text: str) -> str:
    r"""Write control characters and other invisible ones as ``\x1b`` or ``\u200b``."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == "\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )


class _Printer:
    """Writes events as a server would, but for what says nothing new."""

    def __init__(self) -> None:
        self._id = ""

    def __call__(self, event: ServerSentEvent) -> str:
        lines = []
        if event.id != self._id:
            self._id = event.id
            lines.append(f"id: {escape(event.id)}")
        if event.event != "message":
            lines.append(f"event: {escape(event.event)}")
        if event.retry is not None:
            lines.append(f"retry: {event.retry}")
        lines += [f"data: {escape(line)}" for line in event.data.split("\n")]
        return "\n".join([*lines, "\n"])


def _write_json(event: ServerSentEvent) -> str:
    return json.dumps(event._asdict()) + "\n"


def _stream(arguments: argparse.Namespace) -> SyncEventStream:
    try:
        return SyncEventStream(
            arguments.url,
            method=arguments.method,
            body=_body(arguments.data),
            headers=arguments.headers,
            last_event_id=arguments.last_event_id,
            reconnect=arguments.reconnect,
            idle_timeout=arguments.idle_timeout,
            open_timeout=arguments.open_timeout,
            proxy=None if arguments.no_proxy else arguments.proxy or True,
            uds=arguments.uds,
            ssl=_context(arguments.cafile, arguments.insecure),
        )
    except (ValueError, FasterAPIError) as error:
        raise Refusal(escape(str(error))) from None


def _body(data: str | None) -> str | bytes | None:
    if data is None or not data.startswith("@"):
        return data
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise Refusal(f"--data {data}: {error.strerror}") from None


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
def _log_on_stderr() -> Iterator[None]:
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
        return escape(super().format(record))


def _put(text: str) -> bool:
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


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds
