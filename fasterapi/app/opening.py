"""A WebSocket as long as its handshake is not answered, and what it is besides its messages.

The handshake is accepted at the first use, or rejected with a response. Here is no socket, no loop,
no lock and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConnectionClosed, HandshakeError, LocalProtocolError
from ..limits import DEFAULT_LIMITS, Limits
from ..protocol.connection import WebSocketConnection
from ..protocol.handshake import ServerHandshake
from ..protocol.headers import HeaderPairs
from ..protocol.http import Request, Response
from ..protocol.keepalive import Keepalive
from ..protocol.state import State
from .exchange import Exchange
from .handlers import NO_PARAMS
from .inbox import EMPTY

__all__ = ["Opening"]

Message = str | bytes


class Opening:
    """What ``WebSocketBase`` begins as; see there for its attributes.

    Args:
        request: The request that asked for it.
        handshake: The server's half of the handshake; ``None`` if ``connection`` is given.
        exchange: Where the handshake's response goes; ``None`` if ``connection`` is given.
        connection: The WebSocket itself, where the handshake is done.
        response: What the server answered, of a client; ``connection`` is given then.
        path_params: What the route's pattern matched.
        limits: Of this route.
        dumps, loads: JSON to text and back.
    """

    __slots__ = (
        "_answering", "_connection", "_ending", "_exchange", "_handshake", "_inbox", "_limits",
        "_local_close", "_ping_count", "_status", "close_code", "close_reason", "dumps", "latency",
        "loads", "path_params", "request", "response",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        *,
        handshake: ServerHandshake | None = None,
        exchange: Exchange | None = None,
        connection: WebSocketConnection | None = None,
        response: Response | None = None,
        path_params: Mapping[str, Any] | None = None,
        limits: Limits = DEFAULT_LIMITS,
        dumps: Callable[[Any], str],
        loads: Callable[[Message], Any],
    ) -> None:
        self.request = request
        self.response = response
        self.path_params: Mapping[str, Any] = path_params or NO_PARAMS
        self.close_code: int | None = None
        self.close_reason: str = ""
        self.latency: float | None = None
        self.dumps = dumps
        self.loads = loads
        self._handshake = handshake
        self._exchange = exchange
        self._connection = connection
        self._limits = limits
        self._inbox = EMPTY
        self._answering = False  # the handler took a message and has not asked for another
        self._ending = False  # the connection is over for the handler: see close_code
        self._local_close: tuple[int, str] | None = None
        self._ping_count = 0
        self._status: int | None = None  # what the handshake was answered with

    # ---------------------------------------------------------------- for a deriving class

    def _flush(self) -> None:
        """Write what ``_data_to_send`` gives, now or when the transport takes it."""
        raise NotImplementedError

    def _attach(self, rest: bytes) -> None:
        """Begin to serve the connection that has just been made; ``rest`` is its first data."""
        raise NotImplementedError

    # -------------------------------------------------------------------------- properties

    @property
    def state(self) -> State:
        """Where the WebSocket stands; ``CONNECTING`` until it is accepted."""
        if self._connection is not None:
            return self._connection.state
        return State.CONNECTING if self._undecided else State.CLOSED

    @property
    def _undecided(self) -> bool:
        """Whether the handshake can still be accepted or rejected."""
        return self._connection is None and self._status is None and not self._ending

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol agreed on; before ``accept``, the one that would be."""
        if self._connection is not None:
            return self._connection.subprotocol
        return self._handshake.subprotocol if self._handshake is not None else None

    # --------------------------------------------------------------------------- handshake

    def _check(self) -> Response | None:
        """Judge the handshake before a handler runs; give the response that refuses it."""
        if self._handshake is None:
            return None
        try:
            self._handshake.check()
        except HandshakeError as error:
            return self._handshake.refuse(error)
        return None

    def _open(self) -> WebSocketConnection:
        """Give the connection, accepting the handshake if nobody has.

        Raises:
            ConnectionClosed: If the handshake was rejected.
        """
        if self._connection is None:
            self._accept(None, ())
        assert self._connection is not None
        return self._connection

    def _accept(self, subprotocol: str | None, headers: HeaderPairs) -> None:
        """Accept the handshake.

        Raises:
            LocalProtocolError: If it was accepted already, or as ``ServerHandshake.accept`` says.
            ConnectionClosed: If it was rejected, or the client is gone.
        """
        self._check_side()
        if self._connection is not None:
            raise LocalProtocolError("this WebSocket is accepted already")
        if not self._undecided or self._handshake is None or self._exchange is None:
            raise self._closed_error()
        response = self._handshake.accept(subprotocol=subprotocol, headers=headers)
        self._status = response.status
        rest = self._exchange.upgrade(response)
        keepalive = None
        if self._limits.ping_interval is not None:
            keepalive = Keepalive.from_limits(self._limits)
        self._connection = self._handshake.connection(limits=self._limits, keepalive=keepalive)
        self._handshake = self._exchange = None
        self._attach(rest)

    def _reject(self, status: int, headers: HeaderPairs, body: bytes | str) -> None:
        """Decline the handshake.

        Raises:
            LocalProtocolError: If it was answered already, or the response can't be sent.
        """
        self._check_side()
        if self._connection is not None or self._status is not None or self._handshake is None:
            raise LocalProtocolError("this WebSocket's handshake is answered already")
        if self._ending:
            raise self._closed_error()
        self._respond(self._handshake.reject(status, headers=headers, body=body))

    def _check_side(self) -> None:
        if self.response is not None:
            raise LocalProtocolError(
                "this WebSocket is a client's: its server has accepted it, and close() ends it"
            )

    def _respond(self, response: Response) -> None:
        assert self._exchange is not None
        self._status = response.status
        try:
            self._exchange.respond(response)
        except LocalProtocolError:
            self._status = None  # it can't be sent: there has been no answer
            raise
        self._ended(1006, f"handshake rejected with status {response.status}")

    # -------------------------------------------------------------------------------- the end

    def _ended(self, code: int, reason: str) -> None:
        if not self._ending:
            self._ending = True
            self.close_code, self.close_reason = code, reason

    def _closed_error(self) -> ConnectionClosed:
        if self.close_code is not None:
            return ConnectionClosed(self.close_code, self.close_reason)
        return ConnectionClosed(*(self._local_close or (1006, "")))
