"""How a request is answered, whatever carries it: the seam between sessions and transports.

An HTTP/1.1 connection implements it, a stream of an HTTP/2 connection can, and so can a bridge from
a thread to either. Sessions (``WebSocketBase``, ``SSEBase``) know nothing else of the transport.
"""

from __future__ import annotations

from typing import Protocol

from ..protocol.http import Response

__all__ = ["Exchange"]


class Exchange(Protocol):
    """One request's way to its answer; each method raises ``ConnectionClosed`` if nobody is left.

    Either ``respond``, or ``start_stream``, ``send_data`` and ``end``, or ``upgrade``, once.
    """

    def respond(self, response: Response) -> None:
        """Write a whole response."""

    def start_stream(self, response: Response) -> None:
        """Write the head of a response whose body follows piece by piece."""

    def send_data(self, data: bytes) -> None:
        """Write the next piece of the body."""

    def end(self) -> None:
        """End the body."""

    def upgrade(self, response: Response) -> bytes:
        """Write the response to a handshake; give the bytes that came behind the request."""
