"""The core on blocking sockets, a thread for each: ``python -m examples.embedding.blocking 8000``.

The time that ``recv`` may take is the time to the next deadline.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from .echo import LIMITS, Echo
from .echo_session import EchoSession


def serve(sock: socket.socket, session: Echo | EchoSession) -> None:
    """Serve one connection to its end."""
    while not session.over:
        sock.settimeout(LIMITS.write_timeout)
        sock.sendall(session.data_to_send())
        if session.shut_write:
            sock.shutdown(socket.SHUT_WR)
        wait = session.next_deadline() - monotonic()
        sock.settimeout(None if wait == float("inf") else max(0.001, wait))
        try:
            session.receive(sock.recv(65536), monotonic())
        except TimeoutError:
            session.tick(monotonic())
    sock.sendall(session.data_to_send())


def serve_and_close(sock: socket.socket) -> None:
    """Serve one connection, however it ends."""
    with sock, suppress(OSError):  # a client may be gone at any time, or take nothing
        serve(sock, EchoSession(monotonic()))


def listen(port: int, serve: Callable[[socket.socket], None]) -> None:
    """Serve each client in a thread of its own, for ever."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=[sock], daemon=True).start()


if __name__ == "__main__":
    listen(int(sys.argv[1]), serve_and_close)
