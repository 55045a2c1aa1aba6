"""The core behind another parser, h11: ``python -m examples.embedding.h11_server 8000``.

Whoever has read a head makes a ``Request`` of it, and writes the ``Response`` that comes back.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from time import monotonic

import h11

from fasterapi.protocol import HandshakeError, Request, Response, ServerHandshake

from .blocking import listen, serve
from .echo import LIMITS, Echo


def read_request(sock: socket.socket, http: h11.Connection) -> Request:
    """Read a request that has no body."""
    sock.settimeout(LIMITS.handshake_timeout)
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(sock.recv(16384))
    if not isinstance(event, h11.Request) or type(http.next_event()) is not h11.EndOfMessage:
        raise h11.RemoteProtocolError("no request, or one with a body")
    method, target = event.method.decode(), event.target.decode()
    return Request(method, target, event.headers, http_version=event.http_version.decode())


def write_response(sock: socket.socket, http: h11.Connection, response: Response) -> None:
    """Write what the handshake answers: 101, or a refusal."""
    fields = [*response.headers]
    if response.status == 101:
        sock.sendall(http.send(h11.InformationalResponse(status_code=101, headers=fields)) or b"")
        return
    fields += [("Content-Length", str(len(response.body))), ("Connection", "close")]
    sock.sendall(http.send(h11.Response(status_code=response.status, headers=fields)) or b"")
    sock.sendall(http.send(h11.Data(response.body)) or b"")


def serve_and_close(sock: socket.socket) -> None:
    """Serve one connection, however it ends; what h11 refuses is dropped."""
    with sock, suppress(OSError, h11.RemoteProtocolError):
        http = h11.Connection(h11.SERVER)
        handshake = ServerHandshake(read_request(sock, http))
        try:
            write_response(sock, http, handshake.accept())
        except HandshakeError as error:
            write_response(sock, http, handshake.refuse(error))
            return
        rest = http.trailing_data[0]  # what came behind the request
        serve(sock, Echo(handshake, rest, monotonic()))


if __name__ == "__main__":
    listen(int(sys.argv[1]), serve_and_close)
