"""Servers of event streams for clients, with answers that are written out byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .relays import listening, read_head

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def until_close(body: bytes) -> bytes:
    return HEAD + b"\r\n" + body


def chunked(body: bytes, size: int = 7, *, whole: bool = True) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + (b"0\r\n\r\n" if whole else b"")


def sized(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


class Server:
    """Answers its connections one after the other, and closes each.

    Attributes:
        requests: What it was asked, heads and bodies.
    """

    def __init__(self, *answers: bytes | Callable[[socket.socket], None]) -> None:
        self._answers = iter(answers)
        self.requests: list[bytes] = []

    def __call__(self, sock: socket.socket) -> None:
        head = read_head(sock)
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        left = int(fields.get(b"Content-Length", b"0"))
        body = b""
        while len(body) < left:
            body += sock.recv(left - len(body))
        self.requests.append(head + body)
        answer = next(self._answers)
        if callable(answer):
            answer(sock)
        else:
            sock.sendall(answer)

    def last_event_ids(self) -> list[bytes | None]:
        found = []
        for request in self.requests:
            _, name, rest = request.partition(b"Last-Event-ID: ")
            found.append(rest.partition(b"\r\n")[0] if name else None)
        return found


@contextmanager
def serving(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[tuple[Server, str]]:
    server = Server(*answers)
    with listening(server) as port:
        yield server, f"http://127.0.0.1:{port}/events"
