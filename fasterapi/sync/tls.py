"""TLS over a byte stream: plain bytes on one side, records on the other.

An ``SSLSocket`` may not be read and written by two threads at once, and what it has decrypted and
not handed out is invisible to whoever watches the socket. Here the records are in memory: the
stream below is an ordinary one, which may be waited on by any number of threads, and the lock is
held only while bytes are turned into others. It may be stacked, for a proxy that is reached by TLS.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .stream import SocketStream

__all__ = ["TLSStream"]

_RECORDS = 32768
"""Bytes read at once. All that they hold is handed out, so none wait where nobody sees them."""


class TLSStream(SocketStream):
    """A byte stream, encrypted; see ``ByteStream``.

    Args:
        stream: What carries the records; it belongs to this one from now on.
        context: Certificates, keys and what is allowed.
        server_side: Which end this is.
        server_hostname: Of the server, for a client: checked against its certificate.
    """

    __slots__ = ("_incoming", "_lock", "_outgoing", "_stream", "tls")

    def __init__(
        self,
        stream: SocketStream,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.corks = False

    def handshake(self, timeout: float) -> None:
        """Agree on keys with the peer.

        Args:
            timeout: Seconds that it may take in all.

        Raises:
            TimeoutError: If it took longer.
            ssl.SSLError: If the peer speaks no TLS, or each side's certificate does not do.
            OSError: If the connection is gone.
        """
        end = time.monotonic() + timeout
        done = False
        while not done:
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            finally:
                left = max(0.0, end - time.monotonic())
                self._stream.sendall(self._outgoing.read(), left)  # even if it is only an alert
            if not done:
                self._feed(self._stream.recv(_RECORDS, max(0.0, end - time.monotonic())))

    def recv(self, size: int, timeout: float | None = None) -> bytes:
        """Wait for bytes; ``b""`` is the end. ``size`` is a wish. Errors as in ``SocketStream``."""
        end = None if timeout is None else time.monotonic() + timeout
        while (data := self._decrypt()) is None:
            left = None if end is None else max(0.0, end - time.monotonic())
            self._feed(self._stream.recv(_RECORDS, left))
        return data

    def recv_now(self, size: int) -> bytes:
        """Give what has arrived; ``BlockingIOError`` if it is not even a record."""
        while (data := self._decrypt()) is None:
            self._feed(self._stream.recv_now(_RECORDS))
        return data

    def has_arrived(self) -> bool:
        """Tell whether there are records to read."""
        return self._stream.has_arrived()

    def _feed(self, records: bytes) -> None:
        with self._lock:
            if records:
                self._incoming.write(records)
            else:
                self._incoming.write_eof()

    def _decrypt(self) -> bytes | None:
        """Give all that can be decrypted: ``b""`` at the end, ``None`` if it takes more records."""
        pieces: list[bytes] = []
        with self._lock:
            try:
                while piece := self.tls.read(_RECORDS):
                    pieces.append(piece)
                ended = True
            except ssl.SSLWantReadError:
                ended = False
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                ended = True
            if self._outgoing.pending:  # what TLS itself has to say, new keys for instance
                with suppress(OSError):  # reading tells the end
                    self._stream.send_now(self._outgoing.read())
        if pieces or ended:
            return b"".join(pieces)
        return None

    @property
    def rest(self) -> Callable[[], object]:
        """Has the watcher look at the session."""
        return self._stream.rest

    @rest.setter
    def rest(self, rest: Callable[[], object]) -> None:
        self._stream.rest = rest

    @property
    def write_timeout(self) -> float:
        """Seconds that the peer has to take a byte while some wait."""
        return self._stream.write_timeout

    @write_timeout.setter
    def write_timeout(self, seconds: float) -> None:
        self._stream.write_timeout = seconds

    def limit_writes(self, seconds: float) -> None:
        """Set ``write_timeout``, and have the system go by it as well; for a server."""
        self._stream.limit_writes(seconds)

    @property
    def waiting(self) -> int:
        """Bytes of records that the system has not taken yet."""
        return self._stream.waiting

    @property
    def moved(self) -> int:  # type: ignore[override]  # it is the other stream's
        """Bytes of records that the system took after they had to wait."""
        return self._stream.moved

    def is_writable(self) -> bool:
        """Tell whether nothing waits to be written."""
        return self._stream.is_writable()

    def send_now(self, data: bytes) -> bool:
        """Take ``data`` without waiting; tell whether all of it is on its way."""
        with self._lock:
            if data:
                self.tls.write(data)
            return self._stream.send_now(self._outgoing.read())

    def wait_writable(self, timeout: float | None = None) -> None:
        """Wait for room; see ``SocketStream``."""
        self._stream.wait_writable(timeout)

    def fileno(self) -> int:
        """Give the descriptor to watch; -1 after ``release``."""
        return self._stream.fileno()

    def getpeername(self) -> object:
        """Give the peer's address, as a socket does."""
        return self._stream.getpeername()

    def keep_alive(self) -> None:
        """Have the system notice a peer that is gone without a word; see ``SocketStream``."""
        self._stream.keep_alive()

    def shut_write(self) -> None:
        """End our half of the connection, with the alert that says so (RFC 8446, section 6.1)."""
        with self._lock:
            with suppress(ssl.SSLError):  # the peer's alert is still to come
                self.tls.unwrap()
            with suppress(OSError):
                self._stream.send_now(self._outgoing.read())
        self._stream.shut_write()

    def end_reading(self) -> None:
        """Have whoever waits in ``recv`` go on, as if the peer had ended its half."""
        self._stream.end_reading()

    def close(self) -> None:
        """End the connection; whoever waits goes on."""
        self._stream.close()

    def release(self) -> None:
        """Give the descriptor back; see ``SocketStream.release``."""
        self._stream.release()
