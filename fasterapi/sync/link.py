"""A client's connection while it is being opened: bytes asked and answered within a deadline."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress

from ..http.h1_client import ResponseReader
from .socks import FOREVER
from .stream import READ_SIZE, SocketStream
from .tls import TLSStream

__all__ = ["Link"]


class Link:
    """A connection in the time of the opening handshake, with its deadline.

    Args:
        stream: Its bytes.
        remaining: Gives the seconds that are left for each step; ``None``: no bound.

    Attributes:
        stream: As given, or TLS over it.
    """

    def __init__(self, stream: SocketStream, remaining: Callable[[], float | None]) -> None:
        self.stream = stream
        self._remaining = remaining

    def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Go on in TLS, inside of TLS perhaps.

        Raises:
            OSError: If the other side is not who it should be, or does not speak TLS.
        """
        tls = TLSStream(self.stream, context, server_hostname=server_hostname)
        tls.handshake(self._remaining() or FOREVER)
        self.stream = tls

    def read(self) -> bytes:
        """Wait for bytes; ``b""`` is the end.

        Raises:
            OSError: If the connection was reset, or the time is over (``TimeoutError``).
        """
        return self.stream.recv(READ_SIZE, self._remaining())

    def ask(self, request: bytes, reader: ResponseReader) -> None:
        """Write a request, and read until the reader has its response.

        Raises:
            InvalidResponse: If the answer is no HTTP.
            OSError: If the connection ends before.
        """
        try:
            self.stream.sendall(request, self._remaining())
        except OSError:
            if not self._was_answered(reader):
                raise
            return
        while reader.receive_data(data := self.read()) is None:
            if not data:
                reader.receive_eof()

    def _was_answered(self, reader: ResponseReader) -> bool:
        """Tell whether the answer came before all of the request was taken (RFC 9112, 9.5)."""
        with suppress(OSError):  # there is no more
            while reader.response is None and (data := self.stream.recv_now(READ_SIZE)):
                reader.receive_data(data)
        return reader.response is not None

    def close(self) -> None:
        """End the connection; no other thread may be using it."""
        self.stream.close()
        self.stream.release()
