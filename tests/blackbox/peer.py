"""A client that sends exactly the bytes it is told to, over a socket, and reads what comes back."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Iterable
from typing import NamedTuple, Self

from tests.protocol.wire import BINARY, CLOSE, KEY, PING, PONG, TEXT, frame, xor

__all__ = [
    "BINARY", "CLOSE", "HANDSHAKE", "KEY", "PING", "PONG", "TEXT", "Frame", "Head", "Peer",
    "close", "frame", "get", "handshake", "hexed", "text", "xor",
]  # fmt: skip

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SECONDS = 20.0
"""How long a read may take; what is later never comes."""


class Frame(NamedTuple):
    """A frame as it came: its first byte and its payload."""

    first: int
    payload: bytes


class Head(NamedTuple):
    """The head of a response."""

    status: int
    headers: dict[str, str]


class Peer:
    """One connection to the server.

    Args:
        address: Host and port, or the path of a unix socket.
        receive_buffer: Bytes of ``SO_RCVBUF``, for a client that does not take much.
        tls: Encrypt with this context.
    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        *,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        try:
            self.socket.connect(address)
            if family == socket.AF_INET:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        except BaseException:
            self.socket.close()
            raise
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def reset(self) -> None:
        """End it with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def finish(self) -> None:
        """Send nothing more, and keep on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    # --------------------------------------------------------------------------------- writing

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a write of its own."""
        for piece in pieces:
            self.socket.sendall(piece)

    def send_all_it_takes(self, data: bytes, most: int, seconds: float = 0.5) -> int:
        """Send ``data`` over and over without reading.

        Stops after ``most`` bytes, when the connection ends, and when it takes nothing more for
        ``seconds``.

        Returns:
            The bytes that were sent.
        """
        self.socket.settimeout(seconds)
        sent = 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < most:
                sent += self.socket.send(data[sent % len(data) :])
        self.socket.settimeout(SECONDS)
        return sent

    # --------------------------------------------------------------------------------- reading

    def readable(self, seconds: float = 0.0) -> bool:
        """Tell whether there is something to read, or the end."""
        return bool(self._unread) or bool(select.select([self.socket], [], [], seconds)[0])

    def read(self, size: int) -> bytes:
        """Read exactly ``size`` bytes."""
        while len(self._unread) < size:
            data = self.socket.recv(262144)
            assert data, f"the end instead of {size} bytes, after {self._unread[:200]!r}"
            self._unread += data
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def read_until(self, end: bytes) -> bytes:
        """Read up to and including ``end``."""
        while end not in self._unread:
            data = self.socket.recv(262144)
            assert data, f"the end instead of {end!r}, after {self._unread[:200]!r}"
            self._unread += data
        size = self._unread.index(end) + len(end)
        return self.read(size)

    def read_all(self) -> bytes:
        """Read to the end, be it FIN or RST."""
        pieces, self._unread = [self._unread], b""
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(262144):
                pieces.append(data)
        return b"".join(pieces)

    def read_head(self) -> Head:
        """Read the head of a response."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        fields = [line.partition(":") for line in lines[1:-2]]
        return Head(int(status), {name.lower(): value.strip() for name, _, value in fields})

    def read_body(self, head: Head) -> bytes:
        """Read the body that a head announces."""
        if head.headers.get("transfer-encoding") == "chunked":
            body = b""
            while chunk := self.read_chunk():
                body += chunk
            return body
        return self.read(int(head.headers["content-length"]))

    def read_chunk(self) -> bytes:
        """Read a chunk of a body; ``b""`` is its end."""
        size = int(self.read_until(b"\r\n"), 16)
        chunk = self.read(size)
        assert self.read(2) == b"\r\n"
        return chunk

    def read_frame(self) -> Frame:
        """Read a frame, which a server never masks."""
        first, length = self.read(2)
        assert not length & 0x80, "a masked frame from a server"
        if length > 125:
            length = int.from_bytes(self.read(2 if length == 126 else 8), "big")
        return Frame(first, self.read(length))

    def read_message(self) -> str | bytes:
        """Read a message in one frame."""
        first, payload = self.read_frame()
        assert first in (0x80 | TEXT, 0x80 | BINARY), (hex(first), payload)
        return payload.decode() if first == 0x80 | TEXT else payload

    def read_close(self) -> tuple[int | None, str]:
        """Read up to a Close: its code and its reason."""
        while (frame := self.read_frame()).first != 0x80 | CLOSE:
            pass
        if not frame.payload:
            return None, ""
        return int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()

    def is_over(self) -> bool:
        """Read on: tell whether there is nothing but the end."""
        return self.read_all() == b""


def text(message: str, *, fin: bool = True) -> bytes:
    """Write a text frame."""
    return frame(TEXT, message.encode(), fin=fin)


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """Write a Close frame."""
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def get(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Write a request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


def handshake(
    *fields: str | bytes,
    without: Iterable[str] = (),
    path: str = "/ws",
    method: str = "GET",
    version: str = "1.1",
) -> bytes:
    """Write a handshake with other ``fields``: each takes the place of those of its name.

    Args:
        fields: Header lines; of one name several, if they come one after the other.
        without: Names of fields to leave out.
        path, method, version: Of the request line.
    """
    given = [field.encode() if isinstance(field, str) else field for field in fields]
    names = {field.partition(b":")[0].lower() for field in given}
    names |= {name.lower().encode() for name in without}
    standard = HANDSHAKE.split(b"\r\n")[1:-2]
    kept = [line for line in standard if line.partition(b":")[0].lower() not in names]
    first = f"{method} {path} HTTP/{version}".encode()
    return b"\r\n".join([first, *kept, *given, b"", b""])


def hexed(digits: str) -> bytes:
    """Read bytes as the table writes them."""
    return bytes.fromhex(digits)
