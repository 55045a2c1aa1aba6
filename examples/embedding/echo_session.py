"""An echo server without a transport, from the first byte on: what the programs here run on theirs.

A request, and then the WebSocket that it asks for; whoever calls need not know which it is now.
"""

from __future__ import annotations

from fasterapi.http import HTTP1Connection
from fasterapi.protocol import HandshakeError, Request, ServerHandshake

from .echo import LIMITS, Echo


class EchoSession:
    """One connection. Its methods and properties are those of ``Echo``."""

    def __init__(self, now: float) -> None:
        self._http = HTTP1Connection(limits=LIMITS, now=now)
        self._echo: Echo | None = None

    def receive(self, data: bytes, now: float) -> None:
        if self._echo is not None:
            self._echo.receive(data, now)
        elif not data:
            self._http.receive_eof(now)
        elif request := self._http.receive_data(data, now):
            self._accept(request, now)

    def _accept(self, request: Request, now: float) -> None:
        handshake = ServerHandshake(request)
        try:
            rest = self._http.upgrade(handshake.accept())
        except HandshakeError as error:
            self._http.respond(handshake.refuse(error), now=now)
            self._http.close_after_response()
        else:
            self._echo = Echo(handshake, rest, now)

    def tick(self, now: float) -> None:
        (self._echo or self._http).tick(now)

    def data_to_send(self) -> bytes:
        return self._http.data_to_send() + (self._echo.data_to_send() if self._echo else b"")

    def next_deadline(self) -> float:
        deadline = (self._echo or self._http).next_deadline()
        return float("inf") if deadline is None else deadline

    @property
    def shut_write(self) -> bool:
        return self._echo is not None and self._echo.shut_write

    @property
    def over(self) -> bool:
        return self._echo.over if self._echo else self._http.should_close
