"""The programs of docs/embedding.md: the core in servers and clients of somebody else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from fasterapi import Limits
from fasterapi.examples import embed
from fasterapi.protocol import ServerSentEvent

from .snippets import SNIPPETS, load

clock = load(SNIPPETS / "embed_clock.py")


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections and serve each in a thread; all of them have to end."""
    threads: list[threading.Thread] = []

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):  # the end of the test
            while True:
                sock, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(sock,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, args=(listener,))
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in [accepting, *threads]:
                thread.join(10)
                assert not thread.is_alive()


def serve_by_the_clock(sock: socket.socket, limits: Limits = Limits()) -> None:  # noqa: B008
    with sock, suppress(OSError):
        clock.serve(sock, limits)


@contextmanager
def opened(port: int, request: bytes) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as sock:
        sock.sendall(request)
        yield sock


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(partial(sock.recv, 65536), b""))


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
servers = pytest.mark.parametrize("serve", [embed.serve_and_close, serve_by_the_clock])


@servers
def test_an_echo(serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as port, connect(f"ws://127.0.0.1:{port}") as client:
        for message in ("hello", b"\0\xff", "x" * 1_000_000):
            client.send(message)
            assert client.recv() == message
        assert client.ping().wait(10)
        client.close(1000, "done")
        assert client.close_code == 1000


@servers
def test_a_message_right_behind_the_handshake(serve: Callable[[socket.socket], None]) -> None:
    hello = bytes.fromhex("81 82 37 fa 21 3d 7f 93")
    with listening(serve) as port, opened(port, HANDSHAKE + hello) as sock:
        sock.shutdown(socket.SHUT_WR)
        head, _, frames = read_all(sock).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert frames == b"\x81\x02Hi"


@servers
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"426"),
        (HANDSHAKE.replace(b": 13", b": 12"), b"426"),
        (HANDSHAKE.replace(b"Host: localhost\r\n", b""), b"400"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
    ],
)
def test_no_handshake(
    serve: Callable[[socket.socket], None], request_: bytes, status: bytes
) -> None:
    with listening(serve) as port, opened(port, request_) as sock:
        assert read_all(sock).startswith(b"HTTP/1.1 " + status)


@servers
def test_a_page_of_another_origin(serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as port, pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{port}", origin="https://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403


@servers
@pytest.mark.parametrize("sent", [b"", b"GET", HANDSHAKE, HANDSHAKE + b"\x81\x85"])
def test_a_client_that_goes_away(serve: Callable[[socket.socket], None], sent: bytes) -> None:
    with listening(serve) as port, opened(port, sent):
        pass


def test_a_request_that_does_not_come() -> None:
    serve = partial(serve_by_the_clock, limits=Limits(handshake_timeout=0.02))
    with listening(serve) as port, opened(port, b"GET / HT") as sock:
        assert read_all(sock).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_is_silent() -> None:
    serve = partial(serve_by_the_clock, limits=Limits(ping_interval=0.02, ping_timeout=0.02,
                                                      close_timeout=0.02))  # fmt: skip
    with listening(serve) as port, opened(port, HANDSHAKE) as sock:
        frames = read_all(sock).partition(b"\r\n\r\n")[2]
        ping, close = frames[:6], frames[6:]
        assert ping[:2] == b"\x89\x04"
        assert (
            close[:1] + close[2:] == b"\x88" + (1011).to_bytes(2, "big") + b"keepalive ping timeout"
        )


def test_two_ends_without_a_network() -> None:
    load(SNIPPETS / "embed_pair.py")


def test_events_for_other_frameworks() -> None:
    module = load(SNIPPETS / "embed_events.py")
    body = b"".join(module.countdown(2))
    expected = [
        ServerSentEvent('{"left":2}', "count", "2"),
        ServerSentEvent('{"left":1}', "count", "1"),
    ]
    assert list(module.read([body])) == expected
    assert list(module.read(body[i : i + 1] for i in range(len(body)))) == expected
