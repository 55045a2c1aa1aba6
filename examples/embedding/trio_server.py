"""The core in trio: ``python -m examples.embedding.trio_server 8000``.

A nursery's task for each connection; a deadline is a cancel scope.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial

import trio

from .echo import LIMITS
from .echo_session import EchoSession


async def serve(stream: trio.SocketStream) -> None:
    """Serve one connection to its end."""
    session = EchoSession(trio.current_time())
    while not session.over:
        data = None
        with trio.move_on_at(session.next_deadline()):
            data = await stream.receive_some(65536)
        if data is None:
            session.tick(trio.current_time())
        else:
            session.receive(bytes(data), trio.current_time())
        with trio.fail_after(LIMITS.write_timeout):
            if waiting := session.data_to_send():
                await stream.send_all(waiting)
            if session.shut_write:
                await stream.send_eof()


async def serve_and_close(stream: trio.SocketStream) -> None:
    """Serve one connection, however it ends."""
    async with stream:
        with suppress(trio.BrokenResourceError, trio.TooSlowError):
            await serve(stream)


if __name__ == "__main__":
    trio.run(partial(trio.serve_tcp, serve_and_close, int(sys.argv[1]), host="127.0.0.1"))
