"""Blocking byte streams: what ``SyncWebSocket`` stands on, and a socket as one.

A stream is read by one thread at a time, which may wait, or by a watcher, which does not; its
writers take turns and never wait while it is theirs. Who takes turns with whom is the session's
affair. The bridge from a thread into an event loop is a stream too.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from ..limits import DEFAULT_LIMITS

__all__ = [
    "LONGEST_WAIT", "READ_SIZE", "ByteStream", "SocketStream", "keep_alive", "limit_silence",
    "read_now",
]  # fmt: skip

_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
_PUSH_SIZE = 1 << 18
READ_SIZE = 65536
"""Bytes that are read at once."""

LONGEST_WAIT = 2e6
"""Seconds that are waited at most, some weeks: the system takes no more than its integers hold."""

_SOON = 0.05
"""Seconds in which room is waited for on the socket; after that a watcher waits for it anyway."""
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Seconds of silence, seconds between two probes, and how many may go unanswered."""


class ByteStream(Protocol):
    """A connection's bytes, both ways.

    While a handler waits for a message it reads the stream itself. While it is busy elsewhere a
    watcher does, by calling the session's ``pump`` when there is something to read; ``rest``
    tells the watcher to look at the session soon.

    Attributes:
        corks: Whether the watcher also writes what a session has queued and left.
    """

    corks: bool

    def may_wait(self) -> bool:
        """Tell whether the caller's thread may wait; that of an event loop must not."""

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        """Wait for bytes; ``b""`` is the end. ``TimeoutError`` after ``timeout`` seconds."""

    def recv_now(self, size: int) -> bytes:
        """Give what has arrived, without waiting; ``BlockingIOError`` if it is nothing."""

    def send_now(self, data: bytes) -> bool:
        """Take ``data`` without waiting, behind what waits already; ``b""`` pushes that on.

        Returns:
            Whether all of it is on its way; if it is not, wait with ``wait_writable``.

        Raises:
            OSError: If nobody is left to take it.
        """

    def wait_writable(self) -> None:
        """Wait for room to push on. ``TimeoutError`` if the peer takes nothing for too long."""

    def is_writable(self) -> bool:
        """Tell whether nothing waits to be written."""

    @property
    def rest(self) -> Callable[[], object]:
        """Has the watcher look at the session: it reads no longer, or has a deadline."""

    def end_reading(self) -> None:
        """Have whoever waits in ``recv`` go on, as if the peer had ended its half."""

    def close(self) -> None:
        """End the connection; whoever waits in ``recv`` or ``wait_writable`` goes on."""


def read_now(stream: ByteStream) -> bytes | None:
    """Give what has arrived; ``None`` if it is nothing, ``b""`` at the end, as after a reset."""
    try:
        return stream.recv_now(READ_SIZE)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def keep_alive(sock: Any) -> None:
    """Have the system probe a silent TCP connection, and end it when there is no answer.

    Args:
        sock: A socket, or what asyncio gives for one; of another kind it is left alone.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # it is closed already, which reading tells
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def limit_silence(sock: Any, seconds: float) -> None:
    """Have the system end a TCP connection whose peer acknowledges nothing for so long.

    Args:
        sock: A socket; one that listens hands it on to those that it accepts.
        seconds: Since the oldest byte that waits to be acknowledged.
    """
    if sock.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def _nobody_watches() -> None:
    """Stand in for a watcher."""


class SocketStream:
    """A connected socket as a byte stream; see ``ByteStream``.

    Args:
        sock: It becomes a blocking one, and is closed by ``release``.
        write_timeout: Seconds that the peer has to take a byte while some wait.

    Attributes:
        corks: As in ``ByteStream``.
        moved: Bytes that the system took after they had to wait.
        rest: Has the watcher look at the session; set by whoever watches the stream.
        write_timeout: As given.
    """

    __slots__ = (
        "_closed", "_drained", "_raw", "_socket", "_unsent", "corks", "moved", "rest",
        "write_timeout",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, *, write_timeout: float = DEFAULT_LIMITS.write_timeout
    ) -> None:
        sock.setblocking(True)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        # A socket of gevent's waits even where it is told not to; the one inside of it does not.
        self._raw: socket.socket = getattr(sock, "_sock", sock)
        self._unsent = bytearray()
        self._closed = False
        self._drained = threading.Condition()  # nothing waits any more, or it is closed
        self.corks = False
        self.moved = 0
        self.rest: Callable[[], object] = _nobody_watches
        self.write_timeout = write_timeout

    def may_wait(self) -> bool:
        """Tell that every thread may wait here."""
        return True

    # ------------------------------------------------------------------------------- reading

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        """Wait for bytes; ``b""`` is the end.

        Raises:
            TimeoutError: After ``timeout`` seconds.
            OSError: If the connection was reset.
        """
        if timeout is None:
            return self._socket.recv(size)
        end = time.monotonic() + timeout
        while self._wait(select.POLLIN, end - time.monotonic()):
            try:
                return self.recv_now(size)
            except BlockingIOError:
                pass  # somebody else was quicker, or the system was wrong
        raise TimeoutError("nothing arrived in time")

    def recv_now(self, size: int) -> bytes:
        """Give what has arrived; ``BlockingIOError`` if it is nothing."""
        return self._raw.recv(size, _AT_ONCE)

    def has_arrived(self) -> bool:
        """Tell whether ``recv`` would not wait."""
        try:
            self._raw.recv(1, _AT_ONCE | socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass  # which it would tell
        return True

    # ------------------------------------------------------------------------------- writing

    @property
    def waiting(self) -> int:
        """Bytes that the system has not taken yet."""
        return len(self._unsent)

    def is_writable(self) -> bool:
        """Tell whether nothing waits to be written."""
        return not self._unsent

    def send_now(self, data: bytes) -> bool:
        """Take ``data`` without waiting; tell whether all of it is on its way.

        Raises:
            OSError: If the connection is gone.
        """
        if self._unsent:
            self._unsent += data
            return self._push()
        if not data:
            return True
        try:
            sent = self._raw.send(data, _AT_ONCE)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._unsent += memoryview(data)[sent:]
        return False

    def _push(self) -> bool:
        unsent = self._unsent
        while unsent:
            try:
                sent = self._raw.send(unsent[:_PUSH_SIZE], _AT_ONCE)
            except BlockingIOError:
                return False
            del unsent[:sent]
            self.moved += sent
        with self._drained:
            self._drained.notify_all()
        return True

    def wait_writable(self, timeout: float | None = None) -> None:
        """Wait for room, or until nothing waits because somebody else has written it.

        The socket alone would not do: when a watcher has written the rest there may be no room
        for more, and nothing either that needs some.

        Raises:
            TimeoutError: If there is none for ``timeout`` seconds; by default ``write_timeout``.
        """
        patience = self.write_timeout if timeout is None else timeout
        watched = self.rest is not _nobody_watches
        in_time = self._wait(select.POLLOUT, min(_SOON, patience) if watched else patience)
        if not in_time and not (watched and self._wait_drained(patience)):
            raise TimeoutError(self.stalled if timeout is None else "not all was taken in time")

    def _wait_drained(self, seconds: float) -> bool:
        """Wait until nothing waits; give up after so many seconds without progress."""
        with self._drained:
            while self._unsent and not self._closed:
                moved = self.moved
                if not self._drained.wait(seconds) and self.moved == moved:
                    return False
        return True

    @property
    def stalled(self) -> str:
        """What to say of a peer that takes nothing."""
        return f"it took no byte for Limits.write_timeout ({self.write_timeout:g} s)"

    def sendall(self, data: bytes, timeout: float | None = None) -> None:
        """Write all of ``data``, waiting for room.

        Args:
            data: The bytes.
            timeout: Seconds that it may take in all; by default each wait may take
                ``write_timeout``.

        Raises:
            TimeoutError: If it takes longer.
            OSError: If the connection is gone.
        """
        end = None if timeout is None else time.monotonic() + timeout
        done = self.send_now(data)
        while not done:
            self.wait_writable(None if end is None else max(0.0, end - time.monotonic()))
            done = self.send_now(b"")

    def _wait(self, event: int, seconds: float) -> bool:
        """Wait until the socket is ready, or shut down; tell whether it is."""
        descriptor = self._socket.fileno()
        if descriptor < 0:
            return True  # released: there is nothing to wait for
        poll = select.poll()
        poll.register(descriptor, event)
        return bool(poll.poll(min(max(0.0, seconds), LONGEST_WAIT) * 1000))

    # ------------------------------------------------------------------------------ the rest

    def fileno(self) -> int:
        """Give the descriptor to watch; -1 after ``release``."""
        return self._socket.fileno()

    def getpeername(self) -> object:
        """Give the peer's address, as a socket does."""
        return self._socket.getpeername()

    def keep_alive(self) -> None:
        """Have the system notice a peer that is gone without a word, for who can't ask it."""
        keep_alive(self._socket)

    def limit_writes(self, seconds: float) -> None:
        """Set ``write_timeout``, and have the system go by it as well; for a server."""
        self.write_timeout = seconds
        with suppress(OSError):  # it is gone already
            limit_silence(self._socket, seconds)

    def shut_write(self) -> None:
        """End our half of the connection; the peer may go on."""
        self._shut(socket.SHUT_WR)

    def end_reading(self) -> None:
        """Have whoever waits in ``recv`` go on, as if the peer had ended its half."""
        self._shut(socket.SHUT_RD)

    def close(self) -> None:
        """End the connection; whoever waits goes on. The descriptor stays until ``release``."""
        self._shut(socket.SHUT_RDWR)
        with self._drained:
            self._closed = True
            self._drained.notify_all()

    def release(self) -> None:
        """Give the descriptor back; only when no thread can be waiting on it any more.

        The system may give its number to another connection at once, and a thread that is late
        would read that one's bytes.
        """
        self._socket.close()

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # it is gone already
            self._socket.shutdown(how)
