"""TLS that a server has begun, as a byte stream: what no handler of a test server shows."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from fasterapi.contrib.wsgi_tls import ServedTLSStream

Pair = tuple[ssl.SSLSocket, ssl.SSLSocket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A server's socket and a client's, after their handshake."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    ours, theirs = socket.socketpair()
    made: list[ssl.SSLSocket] = []

    def handshake() -> None:
        made.append(server_context.wrap_socket(ours, server_side=True))

    thread = threading.Thread(target=handshake)
    thread.start()
    client = client_context.wrap_socket(theirs, server_hostname="localhost")
    thread.join(20)
    made[0].settimeout(20)
    client.settimeout(20)
    with made[0], client:
        yield made[0], client


def test_bytes_both_ways_and_what_has_arrived(pair: Pair) -> None:
    sock, client = pair
    stream = ServedTLSStream(sock, write_timeout=20)
    assert not stream.has_arrived()
    with pytest.raises(BlockingIOError):
        stream.recv_now(100)
    with pytest.raises(TimeoutError):
        stream.recv(100, 0)
    client.send(b"hello" * 1000)
    assert stream.recv(100) == b"hello" * 1000  # a whole record: none of it waits unseen
    with pytest.raises(BlockingIOError):
        stream.recv_now(100)
    stream.sendall(b"answer", 20)
    assert client.recv(100) == b"answer"
    stream.release()


def test_what_there_is_no_room_for_waits_and_arrives_in_order(pair: Pair) -> None:
    sock, client = pair
    stream = ServedTLSStream(sock, write_timeout=20)
    sent = b""
    for number in range(1000):  # lengths of any kind, each attempt longer than the last one
        piece = bytes([number % 256]) * (number * 37 % 5000)
        stream.send_now(piece)
        sent += piece
    assert stream.waiting
    received = b""
    while len(received) < len(sent):
        received += client.recv(65536)
        stream.send_now(b"")
    assert received == sent
    assert stream.is_writable()
    stream.release()


def test_the_end_of_each_half(pair: Pair) -> None:
    sock, client = pair
    stream = ServedTLSStream(sock, write_timeout=20)
    stream.shut_write()
    assert client.recv(100) == b""
    client.send(b"still here")
    assert stream.recv(100) == b"still here"
    client.close()
    assert stream.recv(100) == b""
    stream.release()


def test_a_server_that_closes_its_socket_does_so_in_the_end(pair: Pair) -> None:
    sock, client = pair
    stream = ServedTLSStream(sock, write_timeout=20)
    sock.close()
    stream.sendall(b"still here", 20)
    assert client.recv(100) == b"still here"
    assert stream.fileno() == sock.fileno() >= 0
    stream.release()
    assert stream.fileno() == sock.fileno() == -1
    assert client.recv(100) == b""


def test_a_server_that_shuts_the_connection_down(pair: Pair) -> None:
    sock, _ = pair
    stream = ServedTLSStream(sock, write_timeout=20)
    sock.shutdown(socket.SHUT_WR)
    assert stream.recv_now(100) == b""
    with pytest.raises(ConnectionAbortedError):
        stream.send_now(b"late")
    stream.shut_write()
    stream.close()
    stream.release()


def test_the_servers_socket_is_left_as_it_was(pair: Pair) -> None:
    sock, client = pair
    stream = ServedTLSStream(sock, write_timeout=20)
    assert sock.gettimeout() == 0
    stream.release()
    assert sock.gettimeout() == 20
    sock.sendall(b"402")
    assert client.recv(100) == b"402"
