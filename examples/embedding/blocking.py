"""The core on blocking sockets, a thread for each: ``python -m examples.embedding.blocking 8000``.

The time that ``recv`` may take is the time to the next deadline.
"""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from time import monotonic

from .echo_session import LIMITS, EchoSession


def serve(sock: socket.socket, session: EchoSession) -> None:
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


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve_and_close, args=[sock], daemon=True).start()
