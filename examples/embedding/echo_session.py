"""An echo server without a transport: what the programs beside it run on theirs.

Bytes, their end and the time go in; bytes come out, with two wishes for the transport. A server of
something better than echoes is made like this, too.
"""

from __future__ import annotations

from fasterapi import Limits
from fasterapi.http import HTTP1Connection
from fasterapi.protocol import (
    Event,
    HandshakeError,
    Keepalive,
    Request,
    ServerHandshake,
    WebSocketConnection,
)

# The conformance suite has messages of 16 MiB, and of 65,536 fragments.
LIMITS = Limits(max_message_size=1 << 25, max_fragments=1 << 17)


class EchoSession:
    """One connection: a request and the WebSocket that it asks for, or that alone."""

    def __init__(self, now: float, ws: WebSocketConnection | None = None) -> None:
        self._http = HTTP1Connection(limits=LIMITS, now=now)
        self._ws = ws

    def receive(self, data: bytes, now: float) -> None:
        """Take what arrived; ``b""`` is its end."""
        if self._ws is not None:
            self._answer(self._ws.receive_data(data, now) if data else self._ws.receive_eof(now))
        elif not data:
            self._http.receive_eof(now)
        elif request := self._http.receive_data(data, now):
            self._accept(request, now)

    def _accept(self, request: Request, now: float) -> None:
        handshake = ServerHandshake(request)
        try:
            rest = self._http.upgrade(handshake.accept())  # what came behind the request
        except HandshakeError as error:
            self._http.respond(handshake.refuse(error), now=now)
            self._http.close_after_response()
        else:
            keepalive = Keepalive.from_limits(LIMITS)
            self._ws = handshake.connection(limits=LIMITS, keepalive=keepalive)
            self._answer(self._ws.receive_data(rest, now))

    def _answer(self, events: list[Event]) -> None:
        assert self._ws is not None
        for event in events:
            if isinstance(event, str):
                self._ws.send_text(event)
            elif isinstance(event, bytes):
                self._ws.send_binary(event)

    def data_to_send(self) -> bytes:
        """Give what is to be written, after each call of another method."""
        return self._http.data_to_send() + (self._ws.data_to_send() if self._ws else b"")

    def tick(self, now: float) -> None:
        """Do what is due: a ping, or the end of a peer that is silent."""
        self._http.tick(now) if self._ws is None else self._answer(self._ws.tick(now))

    def next_deadline(self) -> float:
        """Tell when to call ``tick``; infinity for never."""
        deadline = (self._ws or self._http).next_deadline()
        return float("inf") if deadline is None else deadline

    @property
    def shut_write(self) -> bool:
        """Whether to end our half of the transport when all is written."""
        return self._ws is not None and self._ws.write_finished

    @property
    def over(self) -> bool:
        """Whether to close the transport when all is written."""
        return self._http.should_close if self._ws is None else self._ws.finished
