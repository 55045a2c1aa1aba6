"""The core in a loop of ``selectors``: ``python -m examples.embedding.selectors_loop 8000``.

As long as a client does not take what waits for it, nothing more is read: that bounds what waits.
"""

from __future__ import annotations

import socket
import sys
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic

from fasterapi.protocol import WriteProgress

from .echo_session import LIMITS, EchoSession


class Client:
    """A socket, what speaks on it, and what waits to be written."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock, self.out = sock, bytearray()
        self.session, self.progress = EchoSession(monotonic()), WriteProgress(LIMITS)

    def deadline(self) -> float:
        """Tell when to come back without the socket being ready."""
        return min(self.session.next_deadline(), self.progress.deadline() or float("inf"))

    def turn(self, ready: int, now: float) -> int:
        """Do what the socket allows and the clock asks for; give what to wait for, 0: the end."""
        try:
            if ready & EVENT_READ:
                self.session.receive(self.sock.recv(65536), now)
            self.session.tick(now)
            self.out += self.session.data_to_send()
            del self.out[: self.sock.send(self.out)]
            if not self.out and self.session.shut_write:
                self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass  # it takes nothing at the moment
        except OSError:
            return 0
        self.progress.update(len(self.out), now)
        if self.out:
            return 0 if self.progress.stalled(now) else EVENT_WRITE
        return 0 if self.session.over else EVENT_READ


def main(port: int) -> None:
    """Serve for ever."""
    with DefaultSelector() as selector, socket.create_server(("127.0.0.1", port)) as listener:
        selector.register(listener, EVENT_READ)
        while True:
            clients = [key.data for key in selector.get_map().values() if key.data]
            wait = min((c.deadline() for c in clients), default=float("inf")) - monotonic()
            selected = selector.select(None if wait == float("inf") else max(0.0, wait))
            ready = {key.data: events for key, events in selected}
            if None in ready:
                client = Client(listener.accept()[0])
                selector.register(client.sock, EVENT_READ, client)
            for client in [c for c in clients if c in ready or c.deadline() <= monotonic()]:
                if wanted := client.turn(ready.get(client, 0), monotonic()):
                    selector.modify(client.sock, wanted, client)
                else:
                    selector.unregister(client.sock)
                    client.sock.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
