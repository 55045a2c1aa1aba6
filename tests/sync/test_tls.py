"""TLS over a byte stream, against the standard library's own sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from fasterapi.sync.stream import SocketStream
from fasterapi.sync.tls import TLSStream

from .pairs import SECONDS, elsewhere, socket_pair


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Give a server's context, and that of a client who trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@contextmanager
def established(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> Iterator[tuple[TLSStream, ssl.SSLSocket]]:
    """Give our server's end and the standard library's client."""
    server, client = contexts
    with socket_pair() as (ours, theirs):
        stream = TLSStream(SocketStream(ours), server, server_side=True)
        with elsewhere(stream.handshake, SECONDS) as result:
            peer = client.wrap_socket(theirs, server_hostname="localhost")
        assert result == [None]
        with peer:
            yield stream, peer


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def test_bytes_go_both_ways(contexts: Contexts) -> None:
    with established(contexts) as (stream, peer):
        peer.sendall(b"hello")
        assert stream.recv(100) == b"hello"
        stream.sendall(b"there")
        assert peer.recv(100) == b"there"
        assert (stream.waiting, stream.moved, stream.is_writable()) == (0, 0, True)
        assert stream.fileno() >= 0


def test_many_records_come_at_once(contexts: Contexts) -> None:
    with established(contexts) as (stream, peer):
        for number in range(10):
            peer.sendall(b"%d" % number)
        assert stream.recv(100, SECONDS) == b"0123456789"
        with pytest.raises(BlockingIOError):
            stream.recv_now(100)
        with pytest.raises(TimeoutError):
            stream.recv(100, 0.001)


def test_long_data_goes_through_both_ways(contexts: Contexts) -> None:
    data = bytes(range(256)) * 8192
    with established(contexts) as (stream, peer):
        received = bytearray()
        with elsewhere(peer.sendall, data):
            while len(received) < len(data):
                received += stream.recv(65536, SECONDS)
        assert received == data
        back = bytearray()
        with elsewhere(stream.sendall, data):
            while len(back) < len(data):
                back += peer.recv(65536)
        assert back == data


def test_reading_and_writing_at_once(contexts: Contexts) -> None:
    data = bytes(1_000_000)
    with established(contexts) as (stream, peer):
        received = bytearray()

        def read() -> None:
            while len(received) < len(data):
                received.extend(stream.recv(65536, SECONDS))

        back = 0
        with elsewhere(read), elsewhere(stream.sendall, data):
            for start in range(0, len(data), 50_000):
                peer.sendall(data[start : start + 50_000])
                back += len(peer.recv(100_000))
            while back < len(data):
                back += len(peer.recv(100_000))
        assert received == data


def test_the_end_of_either_half(contexts: Contexts) -> None:
    with established(contexts) as (stream, peer):
        stream.sendall(b"last")
        stream.shut_write()
        assert [peer.recv(9), peer.recv(9)] == [b"last", b""]
        with contextlib.suppress(OSError):  # our half is closed; it sends its alert all the same
            peer.unwrap()
        assert stream.recv(9) == b""
        stream.close()
        stream.release()


def test_an_end_without_an_alert(contexts: Contexts) -> None:
    with established(contexts) as (stream, peer):
        socket.socket.shutdown(peer, socket.SHUT_RDWR)
        assert stream.recv(9) == b""


def test_closing_wakes_whoever_reads(contexts: Contexts) -> None:
    with established(contexts) as (stream, _), elsewhere(stream.recv, 9) as result:
        stream.close()
    assert result == [b""]


def test_how_long_a_peer_may_take_is_the_other_streams(contexts: Contexts) -> None:
    """From a bug: the write timeout of a route did nothing over TLS."""
    with established(contexts) as (stream, _):
        stream.limit_writes(0.02)
        stream.write_timeout = stream.write_timeout / 2
        stream.rest = int
        assert stream._stream.rest is stream.rest is int
        while stream.send_now(bytes(100_000)):
            pass
        with pytest.raises(TimeoutError, match=r"\(0\.01 s\)"):
            stream.wait_writable()


def test_what_is_no_tls_is_refused(contexts: Contexts) -> None:
    with socket_pair() as (ours, theirs):
        theirs.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        stream = TLSStream(SocketStream(ours), contexts[0], server_side=True)
        with pytest.raises(ssl.SSLError):
            stream.handshake(SECONDS)


def test_a_handshake_has_its_time(contexts: Contexts) -> None:
    with socket_pair() as (ours, _), pytest.raises(TimeoutError):
        TLSStream(SocketStream(ours), contexts[0], server_side=True).handshake(0.01)


def test_a_peer_that_leaves_in_the_handshake(contexts: Contexts) -> None:
    with socket_pair() as (ours, theirs):
        theirs.close()
        stream = TLSStream(SocketStream(ours), contexts[0], server_side=True)
        with pytest.raises((ssl.SSLEOFError, BrokenPipeError)):
            stream.handshake(SECONDS)


def test_a_client_checks_the_servers_name(contexts: Contexts) -> None:
    server, client = contexts
    for name, expected in ("localhost", type(None)), ("other.test", ssl.SSLCertVerificationError):
        with socket_pair() as (ours, theirs):
            stream = TLSStream(SocketStream(ours), client, server_hostname=name)
            with elsewhere(stream.handshake, SECONDS) as result, contextlib.suppress(ssl.SSLError):
                server.wrap_socket(theirs, server_side=True).close()
            assert isinstance(result[0], expected)


def test_tls_in_tls(contexts: Contexts) -> None:
    """As to a proxy that is reached by TLS."""
    server, client = contexts
    with socket_pair() as (ours, theirs):
        outer = TLSStream(SocketStream(ours), client, server_hostname="localhost")
        peer = TLSStream(SocketStream(theirs), server, server_side=True)
        with elsewhere(peer.handshake, SECONDS):
            outer.handshake(SECONDS)
        inner = TLSStream(outer, client, server_hostname="localhost")
        innermost = TLSStream(peer, server, server_side=True)
        with elsewhere(innermost.handshake, SECONDS):
            inner.handshake(SECONDS)
        inner.sendall(b"deep")
        assert innermost.recv(9, SECONDS) == b"deep"
