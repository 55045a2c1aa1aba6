"""An echo server around the protocol core, with blocking sockets and a thread per connection.

No event loop and no ``App``: what is read goes into ``HTTP1Connection`` and then into a
``WebSocketConnection``, and what these give is written. Run it with ``python examples/embed.py``;
``docs/embedding.md`` tells what it leaves out.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from fasterapi.http import HTTP1Connection
from fasterapi.protocol import HandshakeError, ServerHandshake


def serve(sock: socket.socket) -> None:
    """Serve one connection: read a request, accept the handshake, send every message back."""
    http, request = HTTP1Connection(), None
    while request is None:
        data = sock.recv(65536)
        request = http.receive_data(data)
        sock.sendall(http.data_to_send())  # a refusal, if that is no request
        if http.should_close or not data:
            return
    handshake = ServerHandshake(request)
    try:
        data = http.upgrade(handshake.accept())  # and what has come behind the request
    except HandshakeError as error:
        http.respond(handshake.refuse(error))
        sock.sendall(http.data_to_send())
        return
    sock.sendall(http.data_to_send())
    ws = handshake.connection()
    events = ws.receive_data(data)
    while not ws.finished:
        for event in events:
            if isinstance(event, str):
                ws.send_text(event)
            elif isinstance(event, bytes):
                ws.send_binary(event)
        sock.sendall(ws.data_to_send())  # pongs and the Close are in it
        if ws.write_finished:
            sock.shutdown(socket.SHUT_WR)
        data = sock.recv(65536)
        events = ws.receive_data(data) if data else ws.receive_eof()


def serve_and_close(sock: socket.socket) -> None:
    """Serve one connection, however it ends."""
    with sock, suppress(OSError):  # a client may be gone at any time
        serve(sock)


def main() -> None:
    """Listen on http://127.0.0.1:8000 until Ctrl+C."""
    with socket.create_server(("127.0.0.1", 8000)) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve_and_close, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
