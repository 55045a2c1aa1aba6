"""What a WebSocket is to an application, without a way to wait: the base of both adapters' classes.

A session stands between a ``WebSocketConnection`` and a handler: it accepts at the first use, keeps
what arrived until it is asked for, turns the end into ``ConnectionClosed``, and closes with the
right code when the handler is done. Whoever derives from it adds what a transport can do: write,
wait, and tell the time. Here is no socket, no loop, no lock and no clock.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ..errors import ConnectionClosed, HTTPError, InvalidMessage, LocalProtocolError
from ..protocol.connection import WebSocketConnection
from ..protocol.events import Closed, Event, Fragment, Pong
from ..protocol.frames import Buffer
from ..protocol.prepared import PreparedMessage
from ..protocol.state import OPEN, State
from .inbox import EMPTY, Inbox, PartReader
from .log import log_end, log_fault
from .opening import Opening
from .outcome import is_crash, unwrap
from .responses import busy_response, error_response

__all__ = ["WebSocketBase"]

Message = str | bytes
Received = str | Any
"""What ``receive`` gives, ``str`` or ``bytes``, as a type that a handler need not narrow: most
know which of the two their clients send, and a type checker would hold the other against them."""

_TO_KEEP = frozenset((str, bytes, Fragment))  # what waits for the handler


class WebSocketBase(Opening):
    """The state that ``WebSocket`` and ``SyncWebSocket`` share.

    Attributes:
        request: The request that asked for this WebSocket: path, query, headers, cookies, client.
        response: The server's answer to it, where we are the client: status and headers; else
            ``None``.
        path_params: Values of the path's parameters by name.
        close_code: How the connection closed (RFC 6455, section 7.1.5); ``None`` while it is open.
        close_reason: The reason given with it.
        latency: Seconds that the last ping took to be answered; ``None`` before there was one.
    """

    __slots__ = ()

    # ---------------------------------------------------------------- for a deriving class

    def _answered_ping(self, payload: bytes, latency: float) -> None:
        """A ping of ours is answered."""
        raise NotImplementedError

    def _send_prepared(self, message: PreparedMessage) -> bool:
        """Send a message that goes to many, without waiting; tell whether it was queued."""
        raise NotImplementedError

    def is_open(self) -> bool:
        """Tell whether there may be something to receive: open, or with messages unread."""
        if self._connection is None:
            return self._undecided
        return self._connection.state is OPEN or bool(self._inbox)

    # ---------------------------------------------------------------------------------- in

    def _dispatch(self, events: list[Event]) -> None:
        """Take what the connection reported."""
        messages: Any = events
        if not _TO_KEEP.issuperset(map(type, events)):
            messages = [event for event in events if type(event) in _TO_KEEP]
            for event in events:
                if isinstance(event, Pong):
                    self._take_pong(event)
                elif isinstance(event, Closed):
                    self._ended(event.code, event.reason)
        # Nobody asks any more for what arrives behind a Close of ours.
        if messages and self._local_close is None:
            self._own_inbox().extend(messages)

    def _take_pong(self, pong: Pong) -> None:
        if pong.latency is not None:
            self.latency = pong.latency
            for payload in pong.answers:
                self._answered_ping(payload, pong.latency)

    def _begin_receive(self) -> None:
        """Note that the handler asks for a message, and so has answered the one before."""
        if self._connection is None:
            self._open()
        self._answering = False

    def _next_message(self) -> Message | None:
        """Take the next whole message; ``None`` if there is none yet.

        Raises:
            ConnectionClosed: If there will be none: the handler has reached the end, and an owed
                Close goes out.
        """
        inbox = self._inbox
        if inbox.reader is not None:
            self._end_stream(inbox.reader)
        message = inbox.next_message()
        if message is None:
            self._check_end()
        else:
            self._answering = True
        return message

    def _next_part(self, reader: PartReader) -> Message | Fragment | None:
        """Take the next message, or the next part of one; errors as above.

        Raises:
            LocalProtocolError: If another reader has taken over.
        """
        part = self._inbox.next_part(reader)
        if part is None:
            self._check_end()
        else:
            self._answering = True
        return part

    def _check_end(self) -> None:
        """Raise ``ConnectionClosed`` if nothing will come; an owed Close goes out."""
        if self._ending:
            self._answering = False
            self._flush()
            raise self._closed_error()

    def _begin_stream(self) -> PartReader:
        """Have messages handed on in parts, and give their reader."""
        self._begin_receive()
        self._open().streaming = True
        return self._own_inbox().begin()

    def _own_inbox(self) -> Inbox:
        """Give the inbox to put something into, which most sessions never do."""
        if self._inbox is EMPTY:
            self._inbox = Inbox(self._limits.receive_high_water)
        return self._inbox

    def _end_stream(self, reader: PartReader) -> None:
        """Have messages handed on whole again, if the reader has not long left."""
        if self._inbox.end(reader):
            self._open().streaming = False

    # --------------------------------------------------------------------------------- out

    def _sendable(self) -> WebSocketConnection:
        """Give the connection to send on.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
        """
        connection = self._connection or self._open()
        state = connection.state
        if state is not State.OPEN and state is not State.REMOTE_CLOSING:
            raise self._closed_error()
        return connection

    def _send_message(self, message: Message | Buffer, compress: bool | None) -> None:
        if isinstance(message, str):
            self._sendable().send_text(message, compress=compress)
        else:
            self._sendable().send_binary(message, compress=compress)

    def _takes_prepared(self) -> bool:
        """Tell whether a message can be sent now, whatever state the handler has left it in."""
        connection = self._connection
        return connection is not None and connection.state is OPEN and not connection.midway

    def _send_ping(
        self, payload: bytes | str | None, unanswered: Container[bytes], now: float
    ) -> bytes:
        """Queue a ping; give its payload, unlike any other of this connection's if it is ``None``.

        Raises:
            ConnectionClosed: If nothing can be sent any more.
            LocalProtocolError: If the payload is too long, or of a ping still unanswered.
        """
        connection = self._sendable()
        if payload is None:
            self._ping_count += 1
            payload = self._ping_count.to_bytes(4, "big")
        elif isinstance(payload, str):
            payload = payload.encode()
        if payload in unanswered:
            raise LocalProtocolError("a ping with this payload is still unanswered")
        connection.ping(payload, now=now)
        return payload

    def _data_to_send(self) -> bytes:
        """Give what is to be written; an owed Close only when the handler has answered all."""
        if self._connection is None:
            return b""
        return self._connection.data_to_send(hold_close=self._answering or bool(self._inbox))

    def _close(self, code: int, reason: str) -> None:
        """Send Close; once is enough. A handshake that waits is accepted, so that the code arrives.

        Raises:
            LocalProtocolError: If the code or the reason can't be sent.
        """
        if self._undecided:
            self._open()
        if self._connection is None:
            return
        if self._connection.state in (State.OPEN, State.REMOTE_CLOSING):
            self._connection.close(code, reason)
            self._local_close = code, reason
            self._inbox.clear()
            self._answering = False
            self._flush()

    # --------------------------------------------------------------------------- JSON, kinds

    def _text(self, message: Message) -> str:
        if isinstance(message, str):
            return message
        raise InvalidMessage(1003, "received a binary message where text was expected")

    def _bytes(self, message: Message) -> bytes:
        if isinstance(message, bytes):
            return message
        raise InvalidMessage(1003, "received a text message where binary was expected")

    def _json(self, message: Message) -> Any:
        try:
            return self.loads(message)
        except (ValueError, RecursionError) as error:
            raise InvalidMessage(1007, f"received a message that is not JSON: {error}") from error

    # ----------------------------------------------------------------------- the server's end

    def _shut_down(self) -> None:
        """The server stops: close with 1001, or answer a handshake that waits with 503."""
        if self._undecided:
            self._respond(busy_response("shutting down"))
        else:
            self._close(1001, "the server is shutting down")

    def _log_end(self, seconds: float, access: bool) -> None:
        """Log how the connection has closed.

        Args:
            seconds: How long it was open.
            access: Whether the access log is wanted.
        """
        # The reason may be the peer's, and hold a line of a log that nobody wrote.
        reason = f" {self.close_reason!r}" if self.close_reason else ""
        detail = f"closed {self.close_code}{reason}"
        if self._connection is not None and self._connection.failed:
            log_fault(self.request.client, f'"WebSocket {self.request.target}" {detail}')
        if access:
            log_end(self.request, "WebSocket", detail, seconds)

    # ----------------------------------------------------------------------- the handler's end

    def _conclude(self, error: BaseException | None) -> bool:
        """Do what is left when the handler has ended.

        Args:
            error: What escaped the handler.

        Returns:
            Whether the handler crashed: an error that is neither the peer's nor meant for it.
        """
        error = unwrap(error)
        if self._undecided:
            return self._conclude_handshake(error)
        if error is None or isinstance(error, ConnectionClosed):
            self._close(1000, "")
            return False
        if isinstance(error, InvalidMessage):
            self._close(error.code, "")
            return False
        crashed = is_crash(error)
        self._close(1011 if crashed else 1001, "")
        return crashed

    def _conclude_handshake(self, error: BaseException | None) -> bool:
        if error is None or isinstance(error, ConnectionClosed):  # another connection's
            self._close(1000, "")
            return False
        if isinstance(error, HTTPError):
            self._respond(error_response(error.status, error.detail, headers=error.headers))
            return False
        crashed = is_crash(error)
        self._respond(error_response(500 if crashed else 503))
        return crashed
