"""A ``SyncWebSocket`` on a stream in memory, and the client that it talks to."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from fasterapi import Limits, SyncWebSocket
from fasterapi.protocol import ClientHandshake, Response, Role, ServerHandshake, WebSocketConnection
from fasterapi.protocol.extensions import ExtensionFactory

from .pairs import SECONDS, wait_until


class Pipe:
    """A stream in memory; the other end is ``feed``, ``end`` and ``written``."""

    def __init__(self) -> None:
        self.arrived = threading.Condition()
        self.incoming = bytearray()
        self.ended = False
        self.broken = False
        self.written = bytearray()
        self.corks = False
        self.unsent = bytearray()
        self.waiting = 0
        self.rests = 0
        self.waits = True
        self.patience = SECONDS
        self.fails = False  # to take anything
        self.room = threading.Event()
        self.room.set()
        self.watched = False

    def feed(self, data: bytes) -> None:
        with self.arrived:
            self.incoming += data
            self.arrived.notify_all()

    def end(self) -> None:
        with self.arrived:
            self.ended = True
            self.arrived.notify_all()

    def may_wait(self) -> bool:
        return self.waits

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        if threading.current_thread() is not threading.main_thread():
            with self.arrived:
                if not self.arrived.wait_for(lambda: self.incoming or self.ended, timeout):
                    raise TimeoutError("nothing came")
        return self.recv_now(size)

    def recv_now(self, size: int) -> bytes:
        with self.arrived:
            if not self.incoming and not self.ended:
                raise BlockingIOError
            if self.broken:
                raise ConnectionResetError
            data = bytes(self.incoming[:size])
            del self.incoming[:size]
            return data

    def send_now(self, data: bytes) -> bool:
        if self.broken or self.fails:
            raise BrokenPipeError
        self.unsent += data
        if self.room.is_set():
            self.written += self.unsent
            self.unsent.clear()
        return not self.unsent

    def wait_writable(self) -> None:
        self.waiting += 1
        if not self.waits:
            raise BlockingIOError
        if self.fails:
            raise ConnectionResetError
        if not self.room.wait(self.patience):
            raise TimeoutError("it took no byte")

    def close(self) -> None:
        self.broken = True
        self.end()

    def end_reading(self) -> None:
        self.end()

    def is_writable(self) -> bool:
        return not self.unsent

    def rest(self) -> None:
        self.rests += 1


class Exchange:
    """Answers a handshake."""

    def __init__(self, rest: bytes = b"") -> None:
        self.rest = rest
        self.responses: list[Response] = []

    def respond(self, response: Response) -> None:
        self.responses.append(response)

    def upgrade(self, response: Response) -> bytes:
        self.respond(response)
        return self.rest

    def start_stream(self, response: Response) -> None: ...

    def send_data(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Session:
    """A session, the client it talks to, and the watcher's part, which is the test's."""

    def __init__(
        self, rest: bytes = b"", *, extensions: Sequence[ExtensionFactory] = (), **limits: Any
    ) -> None:
        self.now = 100.0
        self.pipe = Pipe()
        self.exchange = Exchange(rest)
        self.attached: list[SyncWebSocket] = []
        self.client = WebSocketConnection(Role.CLIENT)
        offer = ClientHandshake("ws://test/", subprotocols=["a"], extensions=extensions)
        handshake = ServerHandshake(offer.request, subprotocols=["a"], extensions=extensions)
        self.ws = SyncWebSocket(
            handshake.request,
            handshake=handshake,
            exchange=self.exchange,
            stream=self.pipe,
            attach=self.attached.append,
            clock=lambda: self.now,
            limits=Limits(**limits),
            dumps=json.dumps,
            loads=json.loads,
        )

    def say(self, *messages: str | bytes) -> None:
        """Have messages of the client arrive."""
        for message in messages:
            if isinstance(message, str):
                self.client.send_text(message)
            else:
                self.client.send_binary(message)
        self.pipe.feed(self.client.data_to_send())

    def heard(self) -> list[Any]:
        """Give what the client has got, and answer its pings and its Close."""
        data = bytes(self.pipe.written)
        self.pipe.written.clear()
        events = list(self.client.receive_data(data, self.now))
        self.pipe.feed(self.client.data_to_send())
        return events

    def hears(self, count: int = 1) -> list[Any]:
        """Wait for as many events."""
        events: list[Any] = []
        wait_until(lambda: events.extend(self.heard()) or len(events) >= count)
        return events
