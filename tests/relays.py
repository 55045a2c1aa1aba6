"""Servers and proxies for clients to dial, each a few lines over blocking sockets in threads.

Every wait is bounded: what a client never sends ends a relay, not the test run.
"""

from __future__ import annotations

import base64
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

SECONDS = 10.0

Handler = Callable[[socket.socket], None]


@contextmanager
def listening(
    handle: Handler, *, context: ssl.SSLContext | None = None, uds: Path | None = None,
    host: str = "127.0.0.1",
) -> Iterator[int]:  # fmt: skip
    """Serve each connection with ``handle`` in a thread, while the block runs; gives the port."""
    if uds is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(uds))
        listener.listen()
    else:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, 0), family=family)
    threads: list[threading.Thread] = []

    def serve(sock: socket.socket) -> None:
        with suppress(OSError), sock:  # a client may leave when it likes
            sock.settimeout(SECONDS)
            if context is None:
                handle(sock)
            else:
                with context.wrap_socket(sock, server_side=True) as inner:
                    handle(inner)

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(sock,)))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield 0 if uds is not None else listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(SECONDS)  # before it has ended there may be one more thread
        for thread in threads:
            thread.join(SECONDS)
        assert not any(thread.is_alive() for thread in [acceptor, *threads])


def read_head(sock: socket.socket) -> bytes:
    """Read a request's head."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        if not data:
            raise ConnectionError("the client has left")
        head += data
    return head


class Script:
    """A server that answers its requests one after the other, each on a connection of its own.

    Attributes:
        heads: What it was asked.
    """

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.heads: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        """Serve a connection until the client leaves."""
        self.heads.append(read_head(sock))
        sock.sendall(self._answers.pop(0))
        while sock.recv(1024):
            pass


def http_proxy(seen: list[bytes], *, password: str = "") -> Handler:
    """Make an HTTP proxy that opens tunnels, and forwards nothing."""

    def handle(sock: socket.socket) -> None:
        head = read_head(sock)
        seen.append(head)
        credentials = base64.b64encode(password.encode())
        if password and b"Proxy-Authorization: Basic " + credentials not in head:
            sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = head.split(b" ")[1].rpartition(b":")
        with socket.create_connection((host.decode().strip("[]"), int(port)), SECONDS) as other:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n")
            relay(sock, other)

    return handle


def socks5_proxy(seen: list[bytes], names: dict[bytes, str]) -> Handler:
    """Make a SOCKS5 proxy (RFC 1928) without authentication that knows some names."""

    def handle(sock: socket.socket) -> None:
        methods = sock.recv(2)[1]
        sock.recv(methods)
        sock.sendall(b"\x05\x00")
        kind = sock.recv(4)[3]
        if kind == 3:
            host = sock.recv(sock.recv(1)[0])
            seen.append(host)
            address = names.get(host, "")
        else:
            address = socket.inet_ntoa(sock.recv(4))
            seen.append(address.encode())
        port = int.from_bytes(sock.recv(2), "big")
        if not address:
            sock.sendall(b"\x05\x04\x00\x01" + bytes(6))
            return
        with socket.create_connection((address, port), SECONDS) as other:
            sock.sendall(b"\x05\x00\x00\x01" + bytes(6))
            relay(sock, other)

    return handle


def relay(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on, both ways, until both sides have ended.

    In one thread: a TLS socket may not be read and written by two at once.
    """
    sinks = {one: other, other: one}
    with suppress(OSError):
        while sinks:
            ready = [sock for sock in sinks if isinstance(sock, ssl.SSLSocket) and sock.pending()]
            ready = ready or select.select(list(sinks), [], [], SECONDS)[0]
            if not ready:
                return
            for source in ready:
                if data := source.recv(65536):
                    sinks[source].sendall(data)
                else:
                    sinks.pop(source).shutdown(socket.SHUT_WR)


@contextmanager
def black_hole() -> Iterator[tuple[str, int]]:
    """Give an address that never answers a connection: its queue is full, and nobody accepts."""
    if sys.platform != "linux":
        pytest.skip("other systems answer when the queue is full")
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(address)
        yield address
