"""A server's connection and h2's client, in memory."""

from __future__ import annotations

from fasterapi.http.h2 import HTTP2Connection
from fasterapi.http.h2_events import (
    RequestReceived,
    StreamEvent,
)
from fasterapi.http.h2_stream import HTTP2Stream
from fasterapi.limits import Limits
from fasterapi.protocol.http import Response

from .h2_peer import GET, Heard, Peer, fields

POST = fields(GET, method="POST")


class Link:
    """A server's connection and h2's client, with time between them."""

    def __init__(self, limits: Limits | None = None, peer: Peer | None = None) -> None:
        self.now = 0.0
        self.limits = limits or Limits()
        self.server = HTTP2Connection(limits=self.limits, client="192.0.2.1:1", now=0.0)
        self.peer = peer or Peer()
        self.events: list[StreamEvent] = []
        self.run()

    def run(self) -> list[StreamEvent]:
        """Carry bytes both ways until there are none; give what the server reported."""
        events: list[StreamEvent] = []
        moved = True
        while moved:
            moved = False
            if data := self.peer.h2.data_to_send():
                events += self.server.receive_data(data, self.now)
                moved = True
            while data := self.server.data_to_send(self.now):
                self.peer.hear(data)
                self.server.progressed()
                moved = True
        self.events += events
        return events

    def inject(self, data: bytes) -> list[StreamEvent]:
        """Have the server receive bytes that h2's client did not make."""
        events = self.server.receive_data(data, self.now)
        return events + self.run()

    def tick(self, seconds: float) -> list[StreamEvent]:
        """Let time go by."""
        self.now += seconds
        events = self.server.tick(self.now)
        self.run()
        return events

    def ask(self, headers: list[tuple[str, str]] = GET, body: bytes | None = None) -> HTTP2Stream:
        """Send a request; give the server's stream of it."""
        self.peer.request(headers, body)
        [event] = self.run()
        assert isinstance(event, RequestReceived)
        return event.stream

    def tunnel(self) -> HTTP2Stream:
        """Open a tunnel, accepted."""
        self.peer.connect()
        [event] = self.run()
        assert isinstance(event, RequestReceived)
        event.stream.upgrade(Response(200))
        self.run()
        return event.stream

    def heard(self, stream: HTTP2Stream) -> Heard:
        """Give what the client heard of a stream."""
        return self.peer.heard[stream.number]


def answer(stream: HTTP2Stream, response: Response) -> None:
    """Answer as an adapter does: what the exchange queues goes to the transport, to its end."""
    stream.respond(response)
    stream.write(stream.data_to_send())
    stream.write_eof()
