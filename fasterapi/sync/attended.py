"""A connection of the blocking server while its thread is busy elsewhere, or is done with it.

The server's watcher looks after it then: it takes what the client sends while a handler is at work,
keeps deadlines, and at the end waits for the client to hang up. What HTTP/1.1 says of it is
``fasterapi.http``'s. A connection that becomes a WebSocket is its carrier's from then on.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from ..errors import ConnectionClosed
from ..limits import Limits
from ..protocol.flow import WriteProgress
from ..protocol.http import Request
from .answering import Answering
from .carrier import WebSocketCarrier
from .sse import SyncSSEConnection
from .stream import read_now
from .watcher import READ, WRITE
from .websocket import SyncWebSocket

__all__ = ["Attended"]


class Attended(Answering):
    """What the watcher does for a connection, as ``Watched``; derive from it.

    Attributes:
        bucket, listed: The watcher's.
        carrier: Who has taken over, once this is a WebSocket.
    """

    bucket: int | None
    listed: bool
    carrier: WebSocketCarrier | None
    _early: Request | None  # came while the watcher was reading
    _ended: bool  # the peer has ended its half
    _leave_by: float | None  # when the peer has to have hung up
    _over: bool
    _progress: WriteProgress
    _shut: bool  # our half has ended

    def go_by(self, limits: Limits) -> None:
        """Give the client the time of these limits to take what is written."""
        with self._lock:
            self._progress = WriteProgress(limits)
            self._stream.limit_writes(limits.write_timeout)

    def look_after(self, session: SyncSSEConnection | SyncWebSocket | None) -> None:
        """Have the watcher look after the socket while a handler is at work, or no more."""
        with self._lock:
            self._session = session
        if session is not None:
            self.server.watcher.touch(self)
            if self.server.stopping:
                self.stop()

    def see_off(self) -> None:
        """Have the watcher wait for the client to hang up.

        Closing at once, with bytes of the client's unread, would reset the connection and could
        cost the client what we wrote last (RFC 9112, section 9.6).
        """
        with self._lock:
            self._leave_by = self.server.clock() + self.server.app.limits.close_timeout
            self._shut_write()
        self.server.watcher.touch(self)

    def hand_over(self, websocket: SyncWebSocket) -> None:
        """Give the socket to a WebSocket whose handshake is accepted."""
        server = self.server
        self.go_by(websocket._limits)
        with self._lock:
            self.carrier = WebSocketCarrier(
                websocket,
                self._stream,
                server.watcher,
                clock=server.clock,
                access_log=server.access_log,
                on_end=partial(server.forget, self),
                hurry=lambda: server.stopping,
            )
            del self._h1  # a WebSocket may live long, and has no use for it
        if server.stopping:
            websocket.shut_down()

    # -------------------------------------------------------------------------- for the watcher

    def fileno(self) -> int:
        """Give the descriptor."""
        return self._stream.fileno()

    def look(self) -> int:
        """Tell what to watch for: the client's going, while a handler is at work or at the end."""
        with self._lock:
            if self.carrier is not None or self._over:
                return 0
            if self._leave_by is not None:
                return self._wait_for_its_end()
            if self.lost:
                return 0
            if self._h1.should_close:
                self._shut_write()  # the handler may go on; its client need not wait for that
            room = 0 if self._stream.is_writable() else WRITE
            watched = self._session is not None and not self._ended and self._h1.wants_data
            return room | (READ if watched else 0)

    def _shut_write(self) -> None:
        if not (self._shut or self.lost or self._stream.waiting):
            self._shut = True
            self._stream.shut_write()

    def ready(self, events: int) -> int:
        """Take what the client sends while a handler is at work, and its end."""
        with self._lock:
            if self.carrier is None and not self._over:
                if events & WRITE:
                    self._write()
                if events & READ and (self._leave_by is not None or self._session is not None):
                    self._take()
        return self.look()

    def _take(self) -> None:
        data = read_now(self._stream)
        if data is None:
            return
        if not data:
            # No client of an event stream ends its half and goes on; nor does a WebSocket's.
            self._ended = True
            self.lose()
        elif self._leave_by is None:
            self._early = self._h1.receive_data(data, self.server.clock())

    def _wait_for_its_end(self) -> int:
        """Give the socket back when the client has hung up, or has had its time to."""
        assert self._leave_by is not None
        self._shut_write()
        # A server that stops waits for nobody who has been told.
        over = self._ended or self.lost or (self._shut and self.server.stopping)
        if over or self.server.clock() >= self._leave_by:
            self.release()
            return 0
        return READ if self._stream.is_writable() else READ | WRITE

    def release(self) -> None:
        """Give the descriptor back."""
        self._over = True
        self._stream.close()
        self._stream.release()
        self.server.forget(self)

    def next_deadline(self) -> float | None:
        """Give the earliest: a comment that is due, the end of patience with a slow reader."""
        if self.carrier is not None or self._over:
            return None
        now = self.server.clock()
        self._progress.update(self._stream.waiting, now, self._stream.moved)
        deadlines = [self._leave_by, self._progress.deadline()]
        session = self._session
        if isinstance(session, SyncSSEConnection) and self._stream.is_writable():
            deadlines.append(session._next_deadline())
        return min((d for d in deadlines if d is not None), default=None)

    def on_timer(self, now: float) -> float | None:
        """Do what is due."""
        if self.carrier is not None or self._over:
            return None
        self._progress.update(self._stream.waiting, now, self._stream.moved)
        if self._progress.stalled(now):
            self.give_up(self._stream.stalled)
        session = self._session
        if isinstance(session, SyncSSEConnection) and self._stream.is_writable():
            with suppress(ConnectionClosed):  # the handler will see it too
                session._tick(now)
        self._stream.rest()
        return self.next_deadline()

    # ------------------------------------------------------------------------ the server's end

    def stop(self) -> None:
        """Say goodbye, for the server stops. Never blocks."""
        with self._lock:  # the handler may be about to accept
            session = self.carrier.websocket if self.carrier is not None else self._session
            if self.carrier is not None or self._leave_by is not None:
                pass
            elif session is not None:
                self._h1.close_after_response()
            elif self._h1.resting and not self._stream.has_arrived():
                self._stream.end_reading()  # its thread waits for what need not come any more
        with suppress(ConnectionClosed):
            if isinstance(session, SyncSSEConnection):
                session._end()
            elif session is not None:
                session.shut_down()
        self.server.watcher.touch(self)

    def cut(self) -> None:
        """End the connection at once."""
        if self.carrier is not None:
            self.carrier.websocket.lose()
        else:
            self.lose()
