"""``fasterapi connect``: a WebSocket on the terminal, or in a pipe.

On a terminal, lines are typed, with editing and history, while messages come in above them. In a
pipe, and with ``--exec``, each line is a message out, and each message in is a line.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

from ..errors import ConnectionClosed, FasterAPIError, LocalProtocolError
from ..protocol.events import Closed, Event, Ping, Pong
from ..protocol.state import State
from ..protocol.text import printable
from ..protocol.uri import without_userinfo
from ..sync.client import Connecting
from ..sync.websocket import SyncWebSocket
from .client import add_route, failure, positive, put, route, seconds
from .command import Refusal, formatted
from .screen import PROMPT, Screen, hexadecimal

__all__ = ["add_connect", "talk"]

_EPILOG = """\
examples:
  fasterapi connect ws://localhost:8000/ws
  fasterapi connect wss://example.com/chat --subprotocol chat -H 'Authorization: Bearer x'
  fasterapi connect ws://localhost:8000/ws --exec '{"subscribe": "news"}' --count 10
  echo hello | fasterapi connect ws://localhost:8000/echo

on a terminal, a line is sent as a text message, but for these:
  /ping [TEXT]            send a ping, and tell how long its answer took
  /hex 00ff..             send a binary message
  /close [CODE [REASON]]  close (so does Ctrl+D)
  //...                   send a line that begins with a slash

In a pipe and with --exec, every line is sent as it is. What comes in goes to stdout, a message a
line, control characters escaped and binary as 0x00ff; all else goes to stderr. When all is sent it
goes on receiving, until --count messages have come or --wait seconds were silent.

exit status: 0 if it was closed with 1000, by either side; 1 if it can't be opened, is lost, or was
closed with another code; 2 for arguments that are no good; 130 after Ctrl+C.
"""


def add_connect(add_parser: Any, **texts: str) -> None:
    """Add the command and its arguments."""
    parser = formatted(
        add_parser, "connect", description="Talk to a WebSocket.", epilog=_EPILOG, **texts
    )
    add = parser.add_argument
    add("url", metavar="URL", help="ws:// or wss://")
    add(
        "--exec", dest="lines", action="append", metavar="TEXT",
        help="send this, instead of what is typed or piped; may be repeated",
    )  # fmt: skip
    add("--count", type=positive, metavar="N", help="close after so many messages have come")
    add(
        "--wait", type=seconds, default=1.0, metavar="S",
        help="seconds of silence to wait for when all is sent, in a pipe (default: 1)",
    )  # fmt: skip
    add(
        "--subprotocol", dest="subprotocols", action="append", default=[], metavar="NAME",
        help="offer a subprotocol; may be repeated, the preferred one first",
    )  # fmt: skip
    add("--origin", help="the Origin header, as if a page had asked")
    add(
        "--ping", type=seconds, metavar="S", help="ping every so many seconds, and tell the latency"
    )
    add("--no-compression", action="store_true", help="do not offer compression")
    add_route(add)


def talk(arguments: argparse.Namespace) -> int:
    """Open a WebSocket, send and show until it is closed; give the exit status.

    Raises:
        Refusal: If it can't be opened, or the arguments don't fit together.
        KeyboardInterrupt: At Ctrl+C.
    """
    screen = Screen(arguments.lines is None and sys.stdin.isatty())
    options = route(arguments)
    options |= {"subprotocols": arguments.subprotocols, "origin": arguments.origin}
    if arguments.no_compression:
        options["compression"] = None
    try:
        connecting = _Connecting(arguments.url, options, screen)
    except (ValueError, FasterAPIError) as error:
        raise Refusal(printable(str(error))) from None
    try:
        with connecting as websocket:
            _Talk(websocket, screen, arguments).run()
    except UnicodeError as error:
        raise Refusal(f"what is to be sent is no text: {error}", status=1) from None
    except (OSError, FasterAPIError, ValueError) as error:
        raise failure(arguments.url, error) from None
    reason = f" {printable(websocket.close_reason)}" if websocket.close_reason else ""
    screen.note(f"closed: {websocket.close_code}{reason}")
    return 0 if websocket.close_code == 1000 else 1


class _Over(Exception):
    """The connection has ended while the main thread waited for a line."""


class _Shown(SyncWebSocket):
    """A WebSocket that tells of pings and pongs."""

    __slots__ = ()

    screen: ClassVar[Screen]

    def _dispatch(self, events: list[Event]) -> None:
        super()._dispatch(events)
        for event in events:
            if isinstance(event, Ping):
                self.screen.note(f"ping from the server{_payload(event.payload)}")
            elif isinstance(event, Pong) and event.latency is None:
                self.screen.note(f"pong from the server, unasked{_payload(event.payload)}")
            elif isinstance(event, Closed) and not event.remote and self._local_close is None:
                self.screen.note(f"lost: {printable(event.reason) or 'the connection has ended'}")


class _Connecting(Connecting):
    """Opens a WebSocket that is shown."""

    def __init__(self, url: str, options: Any, screen: Screen) -> None:
        super().__init__(url, options)
        self.kind = type("_ShownHere", (_Shown,), {"__slots__": (), "screen": screen})


class _Talk:
    """One WebSocket: a thread receives, one pings, and the main thread reads what to send."""

    def __init__(
        self, websocket: SyncWebSocket, screen: Screen, arguments: argparse.Namespace
    ) -> None:
        self._websocket = websocket
        self._screen = screen
        self._arguments = arguments
        self._left: int | None = arguments.count
        self._heard = time.monotonic()
        self._over = threading.Event()
        self._woken = threading.Event()
        self._reading = False

    def run(self) -> None:
        """Send and show, until all is said or the connection is closed."""
        chosen = (
            f", subprotocol {self._websocket.subprotocol}" if self._websocket.subprotocol else ""
        )
        if self._screen.interactive:
            url = without_userinfo(self._arguments.url)
            self._screen.note(f"connected to {url}{chosen}; Ctrl+D closes")
        threads = [threading.Thread(target=self._receive, daemon=True)]
        if self._arguments.ping is not None:
            threads.append(threading.Thread(target=self._ping_often, daemon=True))
        for thread in threads:
            thread.start()
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            with suppress(ConnectionClosed, _Over):
                self._send_all()
            self._stop_reading()
            if not self._screen.interactive:
                self._linger()
        finally:
            self._stop_reading()
            signal.signal(signal.SIGINT, before)

    def _stop_reading(self) -> None:
        self._reading = False
        self._woken.set()

    def _interrupted(self, number: int, frame: Any) -> None:
        """Take Ctrl+C, or the signal by which ``_receive`` wakes whoever waits for a line."""
        if not self._over.is_set():
            raise KeyboardInterrupt
        if self._reading:
            raise _Over

    def _send_all(self) -> None:
        lines = self._arguments.lines
        for line in self._read() if lines is None else lines:
            if self._over.is_set():
                return
            if lines is None and self._screen.interactive and line.startswith("/"):
                self._command(line)
            elif line or not self._screen.interactive:
                self._websocket.send(line)

    def _read(self) -> Iterator[str]:
        """Give what is typed, or piped, line by line; the connection's end interrupts it."""
        self._reading = True
        if not self._screen.interactive:
            yield from (line.removesuffix("\n") for line in sys.stdin)
            return
        while not self._over.is_set():
            with self._screen.line():
                try:
                    line = input(PROMPT)
                except EOFError:
                    put("\n")
                    return
            yield line

    def _command(self, line: str) -> None:
        name, _, rest = line[1:].partition(" ")
        try:
            if name == "ping":
                self._ping(rest or None)
            elif name == "hex":
                self._websocket.send(_bytes(rest))
            elif name == "close":
                code, _, reason = rest.partition(" ")
                self._websocket.close(int(code or 1000), reason)
                self._over.set()
            elif name.startswith("/"):
                self._websocket.send(line[1:])
            else:
                self._screen.note(
                    f"no command /{printable(name)}: /ping, /hex, /close, or // for a text"
                )
        except (ValueError, LocalProtocolError) as error:
            self._screen.note(str(error))

    def _ping(self, payload: str | None = None) -> None:
        with suppress(TimeoutError, ConnectionClosed):  # the end of a connection is told elsewhere
            latency = self._websocket.ping(payload)
            self._screen.note(f"pong after {latency * 1000:.1f} ms")

    def _ping_often(self) -> None:
        while not self._over.wait(self._arguments.ping):
            self._ping()

    def _receive(self) -> None:
        for message in self._websocket:
            self._heard = time.monotonic()
            self._screen.message(message)
            if self._left is not None:
                self._left -= 1
            if self._left == 0 or self._screen.broken:
                break
        self._over.set()
        while self._reading:
            # Whoever waits for a line has to be woken, and only a signal does that; one that comes
            # just before the wait begins does not, so there may have to be another one.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            self._woken.wait(0.05)

    def _linger(self) -> None:
        """Go on receiving for a while."""
        self._heard = time.monotonic()
        patience: float = self._arguments.wait
        while not self._over.is_set() and self._websocket.state is not State.CLOSED:
            left = self._heard + patience - time.monotonic()
            if left <= 0 and self._left is None:
                return
            self._over.wait(max(0.01, left))


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("/hex takes pairs of hexadecimal digits, such as /hex 00ff") from None


def _payload(payload: bytes) -> str:
    if not payload:
        return ""
    text = payload.decode("latin-1")
    return f": {text}" if text.isascii() and text.isprintable() else f": {hexadecimal(payload)}"
