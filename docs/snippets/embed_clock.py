import socket
from time import monotonic

from fasterapi import Limits
from fasterapi.http import HTTP1Connection
from fasterapi.protocol import HandshakeError, Keepalive, ServerHandshake, WebSocketConnection


def receive(sock: socket.socket, deadline: float | None) -> bytes | None:
    """Wait for bytes until a deadline; ``None``: it has come. ``b""`` is the end."""
    sock.settimeout(None if deadline is None else max(0.001, deadline - monotonic()))
    try:
        return sock.recv(65536)
    except TimeoutError:
        return None


def write(sock: socket.socket, data: bytes, limits: Limits) -> None:
    """Write bytes; ``TimeoutError`` if the client does not take them in time."""
    sock.settimeout(limits.write_timeout)
    sock.sendall(data)


def serve(sock: socket.socket, limits: Limits) -> None:
    """Serve one connection; ``OSError`` if the client is gone or takes no bytes."""
    if (opened := shake_hands(sock, limits)) is not None:
        echo(sock, *opened)


def shake_hands(sock: socket.socket, limits: Limits) -> tuple[WebSocketConnection, bytes] | None:
    """Read a request and accept it; ``None`` if there is no WebSocket to serve."""
    http, request = HTTP1Connection(limits=limits, now=monotonic()), None
    while request is None:
        data = receive(sock, http.next_deadline())
        if data is None:
            http.tick(monotonic())
        else:
            request = http.receive_data(data, monotonic())
        write(sock, http.data_to_send(), limits)
        if http.should_close or data == b"":
            return None
    handshake = ServerHandshake(request)
    try:
        rest = http.upgrade(handshake.accept())
    except HandshakeError as error:
        http.respond(handshake.refuse(error))
        write(sock, http.data_to_send(), limits)
        return None
    write(sock, http.data_to_send(), limits)
    return handshake.connection(limits=limits, keepalive=Keepalive.from_limits(limits)), rest


def echo(sock: socket.socket, ws: WebSocketConnection, rest: bytes) -> None:
    """Send every message back until the connection has ended."""
    events = ws.receive_data(rest, monotonic())
    while not ws.finished:
        for event in events:
            if isinstance(event, str):
                ws.send_text(event)
            elif isinstance(event, bytes):
                ws.send_binary(event)
        write(sock, ws.data_to_send(), ws.limits)
        if ws.write_finished:
            sock.shutdown(socket.SHUT_WR)
        data = receive(sock, ws.next_deadline())
        if data is None:
            events = ws.tick(monotonic())  # a ping, or the end of a peer that is silent
        elif data:
            events = ws.receive_data(data, monotonic())
        else:
            events = ws.receive_eof(monotonic())
