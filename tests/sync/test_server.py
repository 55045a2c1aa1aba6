"""The blocking server: start, stop, limits, and what it leaves behind."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from websockets.sync.client import ClientConnection, unix_connect

from fasterapi import (
    App,
    Limits,
    Request,
    Response,
    SyncSSEConnection,
    SyncWebSocket,
    WebSocket,
)
from fasterapi.sync import serve
from fasterapi.sync.connection import Connection
from tests.cycles import connect_echo_close, counted, descriptors

from .pairs import SECONDS, wait_until
from .serving import HANDSHAKE, application, dial, dial_raw, get, refused


@contextmanager
def closed_by_server(ws: ClientConnection) -> Iterator[None]:
    """Answer a Close that comes meanwhile, as a client does who is reading."""
    thread = threading.Thread(target=lambda: list(ws))
    thread.start()
    yield
    thread.join(SECONDS)


def test_unix_sockets(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)  # of a server that is no more
    with serve(application(), uds=path) as server:
        assert server.url == f"unix:{path}"
        with unix_connect(path, "ws://localhost/echo") as ws:
            ws.send("hello")
            assert ws.recv(SECONDS) == "hello"
    assert not Path(path).exists()


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"), serve(application(), uds=str(path)):
        pass
    assert path.read_text() == "precious"


def test_given_sockets() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    with serve(application(), sock=sock) as server:
        assert server.port == sock.getsockname()[1]
        assert get(server.url) == b"<h1>hello</h1>"
    assert sock.fileno() == -1


def test_tls() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serve(application(), port=0, ssl_context=context) as server:
        assert server.url.startswith("https:")
        assert get(server.url, context=trusting) == b"<h1>hello</h1>"
        assert get(f"{server.url}/events", context=trusting).endswith(b"data: 2\n\n")
        with dial(server, ssl=trusting) as ws:
            for size in 1, 100_000, 1_000_000:
                ws.send("x" * size)
                assert ws.recv(SECONDS) == "x" * size


def test_a_failed_tls_handshake_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with serve(application(), port=0, ssl_context=context) as server:
        with dial_raw(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while client.recv(1000):
                pass
        wait_until(lambda: "TLS handshake failed: " in caplog.text)
        wait_until(lambda: not server.connections)


def test_all_addresses() -> None:
    with serve(application(), host=None, port=0) as server:
        assert get(f"http://127.0.0.1:{server.port}/") == b"<h1>hello</h1>"
        assert len({sock.getsockname()[1] for sock in server.sockets}) == 1


def test_an_address_in_use() -> None:
    log: list[str] = []

    @contextmanager
    def lifespan(app: App) -> Iterator[None]:
        log.append("starts")
        yield
        log.append("stops")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = serve(application(lifespan=lifespan), port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            server.start()
    assert log == ["starts", "stops"]


@counted
def test_what_does_not_start_keeps_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        before = descriptors()
        server = serve(App(), port=taken.getsockname()[1])
        assert descriptors() == before
        server.stop()  # there is nothing to stop
        with pytest.raises(OSError, match="in use"):
            server.start()
        wait_until(lambda: descriptors() <= before)
    with server:  # the address is free now
        assert refused(server.url)[0] == 404


def test_who_is_refused_is_gone_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fasterapi.sync.server.MAX_REFUSED", 2)
    told: list[Connection] = []
    refuse = Connection.refuse

    def note(connection: Connection, response: Response) -> None:
        told.append(connection)
        refuse(connection, response)

    monkeypatch.setattr(Connection, "refuse", note)
    with serve(App(limits=Limits(max_connections=1)), port=0) as server, dial_raw(server):
        wait_until(lambda: server.connections)
        clients = [dial_raw(server) for _ in range(3)]
        for client in clients[:2]:
            assert client.recv(100).startswith(b"HTTP/1.1 503 ")
        assert clients[2].recv(100) == b""
        assert server._refused == set(told)
    assert [connection.fileno() for connection in told] == [-1, -1]
    for client in clients:
        client.close()


def test_one_that_fails_at_the_end_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[Connection] = []
    stop = Connection.stop

    def fail_once(connection: Connection) -> None:
        if failed:
            stop(connection)
        else:
            failed.append(connection)
            raise AttributeError("meant to")

    monkeypatch.setattr(Connection, "stop", fail_once)
    with serve(App(), port=0) as server:
        clients = [dial_raw(server) for _ in range(2)]
        wait_until(lambda: len(server.connections) == 2)
        server.stop(grace=0)
        for client in clients:
            assert client.recv(100) == b""
            client.close()
    assert "was not told of the end" in caplog.text


def test_the_lifespan_runs_around_it_all() -> None:
    log: list[str] = []

    @contextmanager
    def lifespan(app: App) -> Iterator[None]:
        log.append("starts")
        yield
        log.append("stops")

    with serve(application(lifespan=lifespan), port=0) as server:
        get(server.url)
        assert log == ["starts"]
    assert log == ["starts", "stops"]
    server.stop()  # once is enough
    assert log == ["starts", "stops"]


def test_what_needs_a_loop_is_refused_at_the_start() -> None:
    app = application()

    @app.websocket("/late")
    async def late(ws: WebSocket) -> None: ...

    with pytest.raises(TypeError, match=r"/late: .*late is async def, .*no event loop.*plain def"):
        serve(app)


def test_more_connections_than_allowed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")
    app = application(limits=Limits(max_connections=1, close_timeout=0.5))
    with serve(app, port=0) as server, dial(server) as ws:
        ws.send("in")
        assert ws.recv(SECONDS) == "in"
        status, headers = refused(server.url)
        assert status == 503
        assert headers["Retry-After"] in set("12345")
        assert "503: too many connections, over Limits.max_connections (1)" in caplog.text


def test_an_orderly_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")
    app = application()
    began = threading.Event()

    @app.sse("/endless")
    def endless(sse: SyncSSEConnection) -> None:
        sse.send("first")
        began.set()
        sse.wait_closed(SECONDS)

    with serve(app, port=0) as server:
        ws = dial(server).__enter__()
        with closed_by_server(ws):
            stream = urllib.request.urlopen(f"{server.url}/endless", timeout=SECONDS)
            idle = dial_raw(server)
            assert began.wait(SECONDS)
            wait_until(lambda: len(server.connections) == 3)
            server.stop()
            assert stream.read() == b"data: first\n\n"
            assert idle.recv(100) == b""
        assert (ws.close_code, ws.close_reason) == (1001, "the server is shutting down")
        ws.close()
        stream.close()
        idle.close()
    assert "grace over" not in caplog.text
    assert not server.connections
    assert not server.working


def test_who_outstays_the_grace_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    app = application()
    gate = threading.Event()

    @app.websocket("/stubborn")
    def stubborn(ws: SyncWebSocket) -> None:
        ws.accept()
        gate.wait(SECONDS)

    with serve(app, port=0) as server, dial_raw(server) as client:
        client.sendall(HANDSHAKE % b"/stubborn")
        assert b" 101 " in client.recv(1000)
        stopping = threading.Thread(target=server.stop, args=[0.05])
        stopping.start()
        wait_until(lambda: "grace over" in caplog.text)
        gate.set()
        stopping.join(SECONDS)
        assert not stopping.is_alive()
    assert "cutting 1 connections, 1 handlers at work" in caplog.text
    assert not server.connections


def test_requests_while_it_stops() -> None:
    app = application()
    gate, entered = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        entered.set()
        gate.wait(SECONDS)
        return "done"

    with serve(app, port=0) as server:
        client = dial_raw(server)
        late = dial_raw(server)
        with client, late:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            late.sendall(b"GET / HTTP/1.1\r\nHo")
            assert entered.wait(SECONDS)
            wait_until(lambda: len(server.connections) == 2)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            wait_until(lambda: server.stopping)
            late.sendall(b"st: a\r\n\r\n")
            answer = late.recv(1000)
            assert b" 503 " in answer
            gate.set()
            answer = client.recv(1000)
            assert b" 200 " in answer
            assert b"connection: close" in answer.lower()
            stopping.join(SECONDS)
            assert not stopping.is_alive()


def test_a_vanished_client_is_noticed_by_keepalive(caplog: pytest.LogCaptureFixture) -> None:
    """It sends nothing any more, not even a FIN: its process is there and does not read."""
    caplog.set_level(logging.INFO, "fasterapi")
    ended = threading.Event()
    app = App(limits=Limits(ping_interval=0.05, ping_timeout=0.05, close_timeout=0.1))

    @app.websocket("/")
    def wait(ws: SyncWebSocket) -> None:
        try:
            ws.receive()
        finally:
            ended.set()

    with serve(app, port=0) as server, dial_raw(server) as client:
        client.sendall(HANDSHAKE % b"/")
        assert ended.wait(SECONDS)
        wait_until(lambda: not server.connections)
    assert "keepalive ping timeout" in caplog.text


@counted
def test_a_thousand_connections_in_turn_leave_nothing_behind() -> None:
    before, threads = descriptors(), set(threading.enumerate())
    with serve(application(), port=0, access_log=False) as server:
        connect_echo_close(("127.0.0.1", server.port), [b"/echo"], 1000)
        wait_until(lambda: not server.connections and not server.working)
        wait_until(lambda: not server.watcher._watched.keys() - set(server._listeners))
    wait_until(lambda: descriptors() <= before)  # others of this process may end meanwhile
    wait_until(lambda: set(threading.enumerate()) <= threads)


def test_a_thousand_threads_may_be_idle() -> None:
    app = application(limits=Limits(max_threads=1100))
    opening = HANDSHAKE % b"/echo"
    clients: list[socket.socket] = []
    with serve(app, port=0, access_log=False) as server:
        for _ in range(1000 if hasattr(os, "fork") else 100):
            client = dial_raw(server)
            client.sendall(opening)
            clients.append(client)
        for client in clients:
            assert b" 101 " in client.recv(1000)
        began = time.process_time()
        for client in clients[::100]:
            client.sendall(b"\x81\x82\0\0\0\0Hi")
            assert client.recv(100) == b"\x81\x02Hi"
        assert time.process_time() - began < 5  # it does not grow with those that are idle
        for client in clients:
            client.close()
        wait_until(lambda: not server.connections)


def test_a_request_is_whole_when_a_handler_sees_it() -> None:
    app = App()

    @app.post("/")
    def length(request: Request) -> str:
        return str(len(request.body))

    with serve(app, port=0) as server, dial_raw(server) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n")
        client.sendall(b"Expect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body" + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = b""
        while data := client.recv(1000):
            got += data
        assert b"\r\n\r\n4HTTP/1.1 405 " in got
