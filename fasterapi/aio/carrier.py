"""The transport's side of a WebSocket: bytes between a transport, the protocol and the session.

``WebSocketChannel`` is what every session has on its transport, ``WebSocketProtocol`` the one of a
``WebSocket``; that of a ``SyncWebSocket`` is in ``bridge``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..app.websocket import WebSocketBase
from ..limits import INFLATING_READ
from ..protocol.connection import WebSocketConnection
from ..protocol.events import Event, Fragment
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
        if self.limits.write_high_water != http.limits.write_high_water:
            self.transport.set_write_buffer_limits(high=self.limits.write_high_water)
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
    have theirs; while the transport is full none is. Likewise a long read that may inflate is taken
    step by step; while the handler has enough to do none is, and nothing else is read.
    """

    __slots__ = ("_held_up", "_unread")

    websocket: WebSocket

    def __init__(
        self, websocket: WebSocketBase, connection: WebSocketConnection, http: Channel
    ) -> None:
        super().__init__(websocket, connection, http)
        connection.piecewise = True
        self._unread: bytes | None = None  # what the next steps take, while there are any
        self._held_up = False  # the next step waits for the handler

    def data_received(self, data: bytes) -> None:
        """Take what the transport read."""
        if self._unread is not None:
            self._unread += data
        elif len(data) > INFLATING_READ and self.connection.extensions:
            self._unread = data
            self._take_steps()
        else:
            self._receive(data)

    def _receive(self, data: bytes) -> list[Event]:
        """Take bytes, give their events, and write at once what was sent meanwhile."""
        self.corked = True
        self._burst = 0
        try:
            events = self.connection.receive_data(data, self.server.clock())
            if events:
                self.websocket._take(events)
        finally:
            self.corked = False  # even if a handler has had the process end
        self.flush()
        if self._waiters is not None:
            self.uncork()
        return events

    def _take_steps(self) -> None:
        """Take steps of a long read, and see to it that those behind them follow."""
        assert self._unread is not None
        room = self.limits.receive_high_water
        while self._unread and room > 0 and not self._is_full():
            step, self._unread = self._unread[:INFLATING_READ], self._unread[INFLATING_READ:]
            room -= _size(self._receive(step))
        if self._unread:
            self.read(False)
            self._held_up = self._is_full()
            if not self._held_up:
                self.server.loop.call_soon(self._take_steps)
            return
        self._unread = None
        if self.lost:
            self._end()
        elif self.peer_ended:
            self._take_eof()
        elif not self._is_full():
            self.resume_reading()

    def _is_full(self) -> bool:
        """Tell whether enough waits for the handler; nothing does once the WebSocket is closing."""
        return self.websocket._inbox.full and self.connection.state is OPEN

    def _take_eof(self) -> None:
        if self._unread is None:  # or the last step comes back to it
            self._report(self.connection.receive_eof(self.server.clock()))

    def _end(self) -> None:
        if self._unread is None:
            super()._end()
        else:
            # What is unread is still the handler's to take; who sends, or waits, learns of the end.
            self._paused = True
            self.websocket._release()

    def settle(self) -> None:
        """See to the end, and to that of a read whose handler takes no more of it."""
        if self.lost and self._unread is not None:
            self.resume_reading()
        super().settle()

    def resume_reading(self) -> None:
        """The handler has caught up."""
        if self._unread is None:
            super().resume_reading()
        elif self._held_up:
            self._held_up = False
            self.server.loop.call_soon(self._take_steps)

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


def _size(events: list[Event]) -> int:
    """Give what has come of a read, in characters and bytes."""
    return sum(len(event) for event in events if isinstance(event, (str, bytes, Fragment)))
