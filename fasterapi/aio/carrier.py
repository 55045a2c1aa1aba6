"""The transport's side of a WebSocket: bytes between a transport, the protocol and the session.

``WebSocketChannel`` is what every session has on its transport, ``WebSocketProtocol`` the one of a
``WebSocket``; that of a ``SyncWebSocket`` is in ``bridge``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..app.websocket import WebSocketBase
from ..protocol.connection import WebSocketConnection
from ..protocol.events import Event
from ..protocol.state import OPEN
from .channel import Channel

if TYPE_CHECKING:
    from .websocket import WebSocket

__all__ = ["WebSocketChannel", "WebSocketProtocol"]


_LONG = 64 * 1024
"""Bytes from which on what is written is not joined first, if the loop takes it so."""


class WebSocketChannel(Channel):
    """The transport's side of a WebSocket, whoever serves its handler.

    Args:
        websocket: The handler's side.
        connection: The protocol.
        http: The channel that carried the handshake, whose transport it takes over.

    Attributes:
        began: When it did, in seconds.
    """

    __slots__ = ("began", "connection", "websocket")

    def __init__(
        self, websocket: WebSocketBase, connection: WebSocketConnection, http: Channel
    ) -> None:
        super().__init__(http.server, connection.limits)
        self.websocket = websocket
        self.connection = connection
        self.transport = http.transport
        self.client = http.client
        self._paused, self._progress, self._reading = http._paused, http._progress, http._reading
        self.peer_ended = http.peer_ended
        self.began = self.server.clock()
        http.limit_writes(self.limits)
        self.transport.set_protocol(self)
        self.server.replace(http, self)

    def eof_received(self) -> bool:
        """Take the peer's end; our own half ends when what we owe is written."""
        self.peer_ended = True
        self._take_eof()
        return self.transport.can_write_eof()  # over TLS the peer's end is ours

    def connection_lost(self, error: Exception | None) -> None:
        """Take the transport's end."""
        super().connection_lost(error)
        self.server.forget(self)
        self._end()

    def _end(self) -> None:
        """Tell the session of the transport's end, and the log of the session's."""
        self._take_eof()
        self.websocket._log_end(self.server.clock() - self.began, self.server.access_log)

    def _take_eof(self) -> None:
        """Tell the protocol that the peer sends no more."""
        raise NotImplementedError

    @property
    def queued(self) -> int:
        """Bytes that wait for ``flush``."""
        return self.connection.queued

    def _deadline(self) -> float | None:
        return self.connection.next_deadline()

    def settle(self) -> None:
        """See to the deadlines and, once the WebSocket is closing, to the transport's end."""
        if self.lost:
            return
        if self.connection.finished:
            if self.peer_ended or not self.transport.get_write_buffer_size():
                self.close_when_written()
            else:
                self.transport.abort()  # it had its time
        elif self.connection.write_finished:
            self.shut_write()
        elif self.connection.state is not OPEN:
            self.resume_reading()  # the peer's end is to come, whatever the handler left unread
        self.reschedule()

    def resume_reading(self) -> None:
        """The handler has caught up."""
        self.connection.reading = True
        self.read(True)


class WebSocketProtocol(WebSocketChannel):
    """The transport's side of a ``WebSocket``.

    A long message is encoded piece by piece, one in a turn of the loop, so that other connections
    have theirs; while the transport is full none is. Likewise a read that inflates to a lot is
    taken step by step; while the handler has enough to do none is, and nothing else is read.
    """

    __slots__ = ("_held_up",)

    websocket: WebSocket

    def __init__(
        self, websocket: WebSocketBase, connection: WebSocketConnection, http: Channel
    ) -> None:
        super().__init__(websocket, connection, http)
        connection.piecewise = connection.stepwise = True
        self._held_up = False  # the next step of a read waits for the handler

    def data_received(self, data: bytes) -> None:
        """Take what the transport read, and write at once what was sent meanwhile."""
        self.corked = True
        self._burst = 0
        connection = self.connection
        try:
            events = connection.receive_data(data, self.server.clock())
            if events:
                self.websocket._take(events)
        finally:
            self.corked = False  # even if a handler has had the process end
        self.flush()
        if self._waiters is not None:
            self.uncork()
        if connection.unread:
            self._leave_unread()

    def _leave_unread(self) -> None:
        """See to it that the next step of a read follows, and that nothing else is read."""
        self.read(False)
        self._held_up = self.websocket._inbox.full and self.connection.state is OPEN
        if not self._held_up:
            self.server.loop.call_soon(self._take_step)

    def _take_step(self) -> None:
        connection = self.connection
        if connection.unread:  # or more has arrived all the same, and brought the step about
            self.data_received(b"")
            self._end_read(connection.unread)

    def _end_read(self, unread: bool) -> None:
        """Go on where the last step of a read has been taken."""
        if unread:
            return
        if self.lost:
            self._end()
        elif not self.websocket._inbox.full or self.connection.state is not OPEN:
            self.resume_reading()

    def _take_eof(self) -> None:
        # Of a peer that we have cut off nothing more is taken.
        self._report(self.connection.receive_eof(self.server.clock(), drop=self.aborted))

    def _end(self) -> None:
        if self.connection.unread and not self.aborted:
            # What is unread is still the handler's to take; who sends, or waits, learns of the end.
            self._paused = True
            self.websocket._release()
        else:
            super()._end()

    def drop_unread(self) -> None:
        """Let go of what waits behind a transport that is gone, so that the session ends."""
        if self.lost and self.connection.unread:
            self._report(self.connection.receive_eof(self.server.clock(), drop=True))
            self._end()

    def settle(self) -> None:
        """See to the end, and to that of a read whose handler takes no more of it."""
        if self._held_up:
            self.resume_reading()
        super().settle()

    def resume_reading(self) -> None:
        """The handler has caught up, or is not going to."""
        if not self.connection.unread:
            super().resume_reading()
        elif self._held_up:
            self._held_up = False
            self.server.loop.call_soon(self._take_step)

    def _resumed(self) -> None:
        self.flush()
        if not self._paused:
            self.websocket.drained()

    def _tick(self, now: float) -> None:
        self._report(self.connection.tick(now))

    def shut_down(self) -> None:
        """Close with 1001."""
        self.websocket._shut_down()

    def _report(self, events: list[Event]) -> None:
        """Hand events to the session and do what they ask of the transport."""
        connection = self.connection
        if events:
            self.websocket._take(events)
        if not self.corked and (connection.state is not OPEN or connection.has_data_to_send()):
            self.flush_soon()

    def stop_reading(self) -> None:
        """Leave what the peer sends with the system until the handler has caught up."""
        if self.connection.state is OPEN:
            self.connection.reading = False
            self.read(False)

    def flush(self) -> None:
        """Write what is queued, unless the transport has enough; close if that was all."""
        connection = self.connection
        if connection.state is OPEN:
            if self._paused:
                return
            if connection.queued >= _LONG and self.server.gathers:
                self.transport.writelines(connection.pieces_to_send())
            elif data := connection.data_to_send():
                self.transport.write(data)
            if connection.behind or self.behind:
                self._catch_up()
            return
        data = b"" if self._paused else self.websocket._data_to_send()
        if data and not self.lost:
            self.transport.write(data)
        self._catch_up()
        self.settle()

    def _catch_up(self) -> None:
        """Go on in the loop's next turn, if there is more of a long message to encode."""
        self.behind = self.connection.behind
        if self.behind and not self._paused and not self.lost:
            self.flush_soon()
