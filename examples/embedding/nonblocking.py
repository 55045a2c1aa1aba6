"""A non-blocking socket and what speaks on it, for whatever loop tells when the socket is ready.

As long as a client does not take what waits for it, nothing more is read: that bounds what waits.
"""

from __future__ import annotations

import socket
from selectors import EVENT_READ, EVENT_WRITE
from time import monotonic

from fasterapi.protocol import WriteProgress

from .echo import LIMITS
from .echo_session import EchoSession


class Client:
    """A socket, what speaks on it, and what waits to be written."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock, self.out = sock, bytearray()
        self.session, self.progress = EchoSession(monotonic()), WriteProgress(LIMITS)

    def deadline(self) -> float:
        """Tell when to come back without the socket being ready."""
        return min(self.session.next_deadline(), self.progress.deadline() or float("inf"))

    def turn(self, ready: int, now: float) -> int:
        """Do what the socket allows and the clock asks for; give what to wait for, 0: the end."""
        try:
            if ready & EVENT_READ:
                self.session.receive(self.sock.recv(65536), now)
            self.session.tick(now)
            self.out += self.session.data_to_send()
            del self.out[: self.sock.send(self.out)]
            if not self.out and self.session.shut_write:
                self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass  # it takes nothing at the moment
        except OSError:
            return 0
        self.progress.update(len(self.out), now)
        if self.out:
            return 0 if self.progress.stalled(now) else EVENT_WRITE
        return 0 if self.session.over else EVENT_READ
