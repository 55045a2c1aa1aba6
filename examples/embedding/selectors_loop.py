"""The core in a loop of ``selectors``: ``python -m examples.embedding.selectors_loop 8000``.

It waits for sockets and for deadlines, whichever is first; what a client does then is in
``nonblocking.py``.
"""

from __future__ import annotations

import socket
import sys
from selectors import EVENT_READ, DefaultSelector
from time import monotonic

from .nonblocking import Client


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
