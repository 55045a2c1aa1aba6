"""Two ends of a connection without a port, and a clock that stands still until it is told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fasterapi import Limits, SyncWebSocket
from fasterapi.protocol import ClientHandshake, Response, Role, ServerHandshake, WebSocketConnection
from fasterapi.protocol.extensions import ExtensionFactory
from fasterapi.sync.carrier import WebSocketCarrier
from fasterapi.sync.stream import SocketStream
from fasterapi.sync.watcher import Watcher

SECONDS = 10.0


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for another thread."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@contextmanager
def elsewhere(function: Callable[..., Any], *args: Any, **options: Any) -> Iterator[list[Any]]:
    """Call a function in a thread of its own; gives what it returned or raised, at the end."""
    result: list[Any] = []

    def call() -> None:
        try:
            result.append(function(*args, **options))
        except Exception as error:  # noqa: BLE001  # the test looks at it
            result.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    yield result
    thread.join(SECONDS)
    assert not thread.is_alive(), "it never came back"


@contextmanager
def socket_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two sockets that are connected; the second one's waits are bounded."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(SECONDS)
    with ours, theirs:
        yield ours, theirs


def fill(sock: socket.socket) -> int:
    """Send until the system takes no more; tell how much that was."""
    total = 0
    sock.setblocking(False)
    try:
        while True:
            total += sock.send(bytes(65536))
    except BlockingIOError:
        return total
    finally:
        sock.setblocking(True)


class Pretended:
    """An exchange that has upgraded already."""

    def upgrade(self, response: Response) -> bytes:
        return b""

    def respond(self, response: Response) -> None: ...

    def start_stream(self, response: Response) -> None: ...

    def send_data(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Line:
    """A ``SyncWebSocket`` on one end of a socket pair, and a client on the other.

    Its watcher has a thread where ``threaded``; otherwise the test calls ``look`` and ``turn``.
    """

    def __init__(
        self,
        sock: socket.socket,
        peer: socket.socket,
        *,
        threaded: bool = False,
        extensions: Sequence[ExtensionFactory] = (),
        **limits: Any,
    ) -> None:
        self.now = 100.0
        self.peer = peer
        self.client = WebSocketConnection(Role.CLIENT)
        self.stream = SocketStream(sock)
        self.ended: list[str] = []
        clock = time.monotonic if threaded else lambda: self.now
        self.watcher = Watcher(clock, threaded=threaded)
        request = ClientHandshake("ws://test/", extensions=extensions).request
        handshake = ServerHandshake(request, extensions=extensions)

        def attach(ws: SyncWebSocket) -> None:
            self.carrier = WebSocketCarrier(
                ws, self.stream, self.watcher, clock=clock, on_end=lambda: self.ended.append("over")
            )

        self.ws = SyncWebSocket(
            handshake.request,
            handshake=handshake,
            exchange=Pretended(),
            stream=self.stream,
            attach=attach,
            clock=clock,
            limits=Limits(**limits),
            dumps=json.dumps,
            loads=json.loads,
        )
        self.ws.accept()

    def say(self, *messages: str | bytes) -> None:
        """Send messages of the client."""
        for message in messages:
            if isinstance(message, str):
                self.client.send_text(message)
            else:
                self.client.send_binary(message)
        self.flush()

    def flush(self) -> None:
        """Send what the client has queued."""
        self.peer.sendall(self.client.data_to_send())

    def hears(self, count: int = 1) -> list[Any]:
        """Read until there are as many events."""
        events: list[Any] = []
        while len(events) < count:
            data = self.peer.recv(65536)
            if not data:
                return [*events, *self.client.receive_eof()]
            events += self.client.receive_data(data, self.now)
        return events

    def turn(self, looks: int = 3) -> None:
        """Do what the watcher's thread would: look, take what is ready, see to deadlines."""
        for _ in range(looks):
            self.watcher.look()
        self.watcher.attend(0)
        self.watcher.walk(self.now)
        self.watcher.look()


@contextmanager
def line(**options: Any) -> Iterator[Line]:
    """Give a ``Line``, and close its watcher in the end."""
    with socket_pair() as (ours, theirs):
        made = Line(ours, theirs, **options)
        try:
            yield made
        finally:
            made.watcher.close()
