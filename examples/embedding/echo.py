"""A WebSocket that gives back what it is sent, behind its handshake, without a transport.

Bytes, their end and the time go in; bytes come out, with two wishes for the transport. A server of
something better than echoes is made like this, too.
"""

from __future__ import annotations

from fasterapi import Limits
from fasterapi.protocol import Event, Keepalive, ServerHandshake

# The conformance suite has messages of 16 MiB, and of 65,536 fragments.
LIMITS = Limits(max_message_size=1 << 25, max_fragments=1 << 17)


class Echo:
    """The WebSocket of a handshake that was accepted, and what came behind its request."""

    def __init__(self, handshake: ServerHandshake, rest: bytes, now: float) -> None:
        keepalive = Keepalive.from_limits(LIMITS)
        self._ws = handshake.connection(limits=LIMITS, keepalive=keepalive)
        self._answer(self._ws.receive_data(rest, now))

    def receive(self, data: bytes, now: float) -> None:
        """Take what arrived; ``b""`` is its end."""
        self._answer(self._ws.receive_data(data, now) if data else self._ws.receive_eof(now))

    def tick(self, now: float) -> None:
        """Do what is due: a ping, or the end of a peer that is silent."""
        self._answer(self._ws.tick(now))

    def _answer(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, str):
                self._ws.send_text(event)
            elif isinstance(event, bytes):
                self._ws.send_binary(event)

    def data_to_send(self) -> bytes:
        """Give what is to be written, after each call of another method."""
        return self._ws.data_to_send()

    def next_deadline(self) -> float:
        """Tell when to call ``tick``; infinity for never."""
        deadline = self._ws.next_deadline()
        return float("inf") if deadline is None else deadline

    @property
    def shut_write(self) -> bool:
        """Whether to end our half of the transport when all is written."""
        return self._ws.write_finished

    @property
    def over(self) -> bool:
        """Whether to close the transport when all is written."""
        return self._ws.finished
