"""TLS that a server has begun on a socket of its own, as a byte stream.

An ``SSLSocket`` can be neither duplicated nor taken apart, may not be read and written by two
threads at once, and forgets its keys when it is shut down. So it is read and written here a record
at a time, under a lock and without waiting, and ended behind its back.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from contextlib import suppress
from typing import Any

from ..sync.stream import LONGEST_WAIT, SocketStream

__all__ = ["ServedTLSStream"]

_RECORD = 16384
"""Bytes that are encrypted at once: the most that a record holds (RFC 8446, section 5.1)."""


class ServedTLSStream(SocketStream):
    """The socket of a server that speaks TLS, as a byte stream; see ``ByteStream``.

    Args:
        sock: An ``SSLSocket`` after its handshake, of ``ssl`` or of gevent. Until ``release`` it
            does not wait, and if the server closes it, it is closed then.
        write_timeout: Seconds that the peer has to take a byte while some wait.
    """

    __slots__ = ("_shared",)

    def __init__(self, sock: Any, *, write_timeout: float) -> None:
        self._shared = _SharedSocket(sock)
        super().__init__(self._shared, write_timeout=write_timeout)  # type: ignore[arg-type]

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        """Wait for bytes; see ``SocketStream``."""
        return super().recv(size, LONGEST_WAIT if timeout is None else timeout)

    def has_arrived(self) -> bool:
        """Tell whether there are records to read."""
        return self._wait(select.POLLIN, 0)

    def shut_write(self) -> None:
        """End our half of the connection, with the alert that says so (RFC 8446, section 6.1)."""
        self._shared.end_records()
        super().shut_write()


class _SharedSocket:
    """An ``SSLSocket`` of somebody else's as a plain socket that never waits.

    There is no descriptor of our own, as for a socket without TLS: records are read and written by
    the server's, so it is that one which has to stay open.
    """

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._hold = sock.makefile("rb", 0)  # as long as it is open, so is the socket
        self._lock = threading.Lock()
        self._timeout: float | None = sock.gettimeout()
        self.family = sock.family
        self.setsockopt = sock.setsockopt
        self.getpeername = sock.getpeername
        sock.setblocking(False)

    def setblocking(self, _flag: bool) -> None:
        """Do nothing."""

    def fileno(self) -> int:
        """Give the descriptor; -1 after ``close``."""
        number: int = -1 if self._hold.closed else self._socket.fileno()
        return number

    def recv(self, size: int, _flags: int) -> bytes:
        """Give what has arrived; ``BlockingIOError`` if it is no whole record.

        All of the record is given: OpenSSL takes no more than one from the system, so nothing waits
        where nobody who watches the descriptor sees it.
        """
        with self._lock:
            try:
                data: bytes = self._socket.read(size)
                if left := self._socket.pending():
                    data += self._socket.read(left)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise BlockingIOError from None
            except ValueError:  # it is shut down
                return b""
        return data

    def send(self, data: bytes | bytearray, _flags: int) -> int:
        """Take what there is room for; what is left has to be given again, with more or without.

        OpenSSL may have encrypted the next record already, and goes on with it then.
        """
        taken = 0
        with self._lock:
            try:
                while taken < len(data):
                    taken += self._socket.write(data[taken : taken + _RECORD])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if not taken:
                    raise BlockingIOError from None
            except ValueError:
                raise ConnectionAbortedError("the server has shut the connection down") from None
        return taken

    def end_records(self) -> None:
        """Say that nothing will follow."""
        with self._lock, suppress(OSError, ValueError):  # it is said; the peer's is still to come
            self._socket.unwrap()

    def shutdown(self, how: int) -> None:
        """End a half, or both, below TLS."""
        with socket.socket(fileno=os.dup(self._socket.fileno())) as same:
            same.shutdown(how)

    def close(self) -> None:
        """Give the socket back as it was."""
        with suppress(OSError):  # it is gone
            self._socket.settimeout(self._timeout)
        self._hold.close()
