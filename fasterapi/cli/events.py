"""``fasterapi events``: a server's event stream on the terminal, or as JSON for a script."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import FasterAPIError
from ..protocol.sse import ServerSentEvent
from ..protocol.text import printable
from ..sync.event_stream import SyncEventStream
from .client import add_route, failure, log_on_stderr, positive, put, route, seconds
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
    add("--count", type=positive, metavar="N", help="stop after so many events")
    add("--last-event-id", metavar="ID", help="go on behind this event")
    add("--method", help="the method (default: GET, or POST with --data)")
    add("--data", metavar="TEXT", help="the body; @FILE for a file's content, @- for stdin's")
    add(
        "--reconnect", action=argparse.BooleanOptionalAction, default=None,
        help="connect again when the stream ends or is lost (default: with GET)",
    )  # fmt: skip
    add(
        "--idle-timeout", type=seconds, metavar="S",
        help="seconds without a byte after which the connection counts as lost",
    )  # fmt: skip
    add_route(add)


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
        with log_on_stderr(), stream:
            for event in stream:
                if not put(write(event)):
                    return 128 + 13  # as if SIGPIPE had ended it: `| head` has seen enough
                if left is not None:
                    left -= 1
                    if not left:
                        break
    except (OSError, FasterAPIError, ValueError) as error:
        raise failure(arguments.url, error) from None
    return 0


class _Printer:
    """Writes events as a server would, but for what says nothing new."""

    def __init__(self) -> None:
        self._id = ""

    def __call__(self, event: ServerSentEvent) -> str:
        lines = []
        if event.id != self._id:
            self._id = event.id
            lines.append(f"id: {printable(event.id)}")
        if event.event != "message":
            lines.append(f"event: {printable(event.event)}")
        if event.retry is not None:
            lines.append(f"retry: {event.retry}")
        lines += [f"data: {printable(line)}" for line in event.data.split("\n")]
        return "\n".join([*lines, "\n"])


def _write_json(event: ServerSentEvent) -> str:
    return json.dumps(event._asdict()) + "\n"


def _stream(arguments: argparse.Namespace) -> SyncEventStream:
    try:
        return SyncEventStream(
            arguments.url,
            method=arguments.method,
            body=_body(arguments.data),
            last_event_id=arguments.last_event_id,
            reconnect=arguments.reconnect,
            idle_timeout=arguments.idle_timeout,
            **route(arguments),
        )
    except (ValueError, FasterAPIError) as error:
        raise Refusal(printable(str(error))) from None


def _body(data: str | None) -> str | bytes | None:
    if data is None or not data.startswith("@"):
        return data
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise Refusal(f"--data {data}: {error.strerror}") from None
