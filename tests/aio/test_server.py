"""``Server`` on real sockets: where it listens, TLS, start and stop, what it sets on sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme

from fasterapi import App, Limits, Server, SSEConnection, SyncWebSocket, WebSocket, serve
from tests.blackbox.peer import HANDSHAKE, Peer, close, get, text
from tests.cycles import connect_echo_close, counted, descriptors

from .conftest import Runner
from .memory import Network, until

Result = TypeVar("Result")
Address = tuple[str, int] | str


def application(**options: Any) -> App:
    app = App(**options)

    @app.get("/")
    async def index() -> str:
        return "hello"

    @app.get("/large")
    async def large() -> bytes:
        return bytes(8 * 1024 * 1024)

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        async for message in ws:
            await ws.send(message)

    @app.websocket("/def/ws")
    def echo_in_thread(ws: SyncWebSocket) -> None:
        for message in ws:
            ws.send(message)

    @app.sse("/events")
    async def events(sse: SSEConnection) -> None:
        for number in range(3):
            await sse.send(str(number))
        await sse.wait_closed()

    return app


async def outside(function: Callable[..., Result], *args: Any) -> Result:
    """Run a client, which blocks, in a thread."""
    return await asyncio.to_thread(function, *args)


def fetch(address: Address, tls: ssl.SSLContext | None = None) -> bytes:
    with Peer(address, tls=tls) as peer:
        peer.send(get("/", "Connection: close"))
        body = peer.read_body(peer.read_head())
        assert peer.is_over()
        return body


def address_of(server: Server) -> tuple[str, int]:
    return "127.0.0.1", server.port


# ------------------------------------------------------------------------------ where it listens


def test_a_port(run_everywhere: Runner) -> None:
    async def main() -> None:
        async with serve(application(), port=0) as server:
            assert server.port > 0
            assert server.url == f"http://127.0.0.1:{server.port}"
            assert await outside(fetch, address_of(server)) == b"hello"
            taken = server.port
            with pytest.raises(OSError, match="address already in use"):
                await serve(application(), port=taken).start()
        with pytest.raises(ConnectionRefusedError):
            await outside(fetch, ("127.0.0.1", taken))

    run_everywhere(main())


def test_ipv6(run: Runner) -> None:
    async def main() -> None:
        async with serve(application(), host="::1", port=0) as server:
            assert server.url == f"http://[::1]:{server.port}"

    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    run(main())


def test_a_unix_socket(run_everywhere: Runner, tmp_path: Path) -> None:
    path = tmp_path / "server.sock"

    async def main() -> None:
        for _ in range(2):  # what is left of the first does not stand in the second's way
            async with serve(application(), uds=str(path)) as server:
                assert server.url == f"unix:{path}"
                assert await outside(fetch, str(path)) == b"hello"
            assert not path.exists()

    run_everywhere(main())


def test_a_unix_socket_of_somebody_else_is_left_alone(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "server.sock"

    async def main() -> None:
        async with serve(application(), uds=str(path)):
            path.unlink()
            path.write_text("not ours")
        assert path.read_text() == "not ours"

    run(main())


def test_a_given_socket(run_everywhere: Runner) -> None:
    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        async with serve(application(), sock=sock) as server:
            assert server.port == sock.getsockname()[1]
            assert await outside(fetch, address_of(server)) == b"hello"

    run_everywhere(main())


def test_a_given_unix_socket(run: Runner, tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")

    async def main() -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        async with serve(application(), sock=sock):
            assert await outside(fetch, path) == b"hello"

    run(main())


def test_before_and_after_it_runs_it_has_no_sockets(run: Runner) -> None:
    async def main() -> None:
        server = serve(application(), port=0)
        assert server.sockets == []
        async with server:
            assert len(server.sockets) == 1
        assert server.sockets == []

    run(main())


# ------------------------------------------------------------------------------------------- TLS


class Certificate:
    """A certificate of localhost, its files, and a context that trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        self.options = {
            "ssl_certfile": str(folder / "cert.pem"),
            "ssl_keyfile": str(folder / "key.pem"),
        }
        certificate.cert_chain_pems[0].write_to_path(self.options["ssl_certfile"])
        certificate.private_key_pem.write_to_path(self.options["ssl_keyfile"])
        self.trust = ssl.create_default_context()
        authority.configure_trust(self.trust)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


def ours(record: logging.LogRecord) -> bool:
    """Tell our records from asyncio's, whose debug mode reports how slow the machine is."""
    return record.name.startswith("fasterapi")


def test_tls(
    run_everywhere: Runner, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    def websocket(address: Address, path: str) -> None:
        with Peer(address, tls=certificate.trust) as peer:
            peer.send(HANDSHAKE.replace(b"/ws", path.encode(), 1))
            assert peer.read_head().status == 101
            for message in ("hello", "x" * 1_000_000):
                peer.send(text(message))
                assert peer.read_message() == message
            peer.send(close(1000))
            assert peer.read_close() == (1000, "")
            assert peer.is_over()

    def stream(address: Address) -> None:
        with Peer(address, tls=certificate.trust) as peer:
            peer.send(get("/events"))
            assert peer.read_head().status == 200
            body = b""
            while body.count(b"\n\n") < 3:
                body += peer.read_chunk()
            assert body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"

    def leave(address: Address) -> None:
        for path in (b"/ws", b"/def/ws"):
            with Peer(address, tls=certificate.trust) as peer:
                peer.send(HANDSHAKE.replace(b"/ws", path, 1))
                assert peer.read_head().status == 101

    async def main() -> None:
        async with serve(application(), port=0, **certificate.options) as server:
            address = address_of(server)
            assert server.url.startswith("https://")
            assert await outside(fetch, address, certificate.trust) == b"hello"
            await outside(websocket, address, "/ws")
            await outside(websocket, address, "/def/ws")
            await outside(stream, address)
            await outside(leave, address)
            await until(lambda: not server.connections and not server.calls)

    run_everywhere(main())
    assert [r.getMessage() for r in caplog.records if r.levelno > logging.INFO and ours(r)] == []


def test_a_large_response_over_tls_to_a_slow_reader(run: Runner, certificate: Certificate) -> None:
    limits = Limits(close_timeout=0.2)

    def read(address: Address) -> int:
        with Peer(address, tls=certificate.trust, receive_buffer=65536) as peer:
            peer.send(get("/large", "Connection: close"))
            size = int(peer.read_head().headers["content-length"])
            read = 0
            while read < size:
                read += len(peer.read(size // 64))
                peer.readable(0.02)
            return len(peer.read_all()) + read

    async def main() -> None:
        async with serve(application(limits=limits), port=0, **certificate.options) as server:
            assert await outside(read, address_of(server)) == 8 * 1024 * 1024

    run(main())


def test_plain_http_on_a_port_that_speaks_tls(
    run_everywhere: Runner, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    def plain(address: Address) -> bytes:
        with Peer(address) as peer:
            peer.send(get("/"))
            return peer.read_all()

    async def main() -> None:
        async with serve(application(), port=0, **certificate.options) as server:
            answer = await outside(plain, address_of(server))
            assert b"HTTP/1.1" not in answer
            assert await outside(fetch, address_of(server), certificate.trust) == b"hello"

    run_everywhere(main())
    assert [r.getMessage() for r in caplog.records if r.levelno > logging.INFO and ours(r)] == []
    faults = [r.getMessage() for r in caplog.records if r.name == "fasterapi.server"]
    assert all("TLS handshake failed" in fault for fault in faults)  # libuv keeps it to itself


def test_tls_on_a_port_that_speaks_plain_http(
    run: Runner, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    async def main() -> None:
        async with serve(application(), port=0) as server:
            with pytest.raises(OSError):  # noqa: PT011  # which one is OpenSSL's choice
                await outside(fetch, address_of(server), certificate.trust)

    run(main())
    (record,) = caplog.records
    assert "looks like TLS" in record.getMessage()


def test_a_tls_handshake_that_takes_too_long(
    run: Runner, certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fasterapi")

    def wait(address: Address) -> bytes:
        with Peer(address) as peer:
            return peer.read_all()

    async def main() -> None:
        app = application(limits=Limits(handshake_timeout=0.1))
        async with serve(app, port=0, **certificate.options) as server:
            assert await outside(wait, address_of(server)) == b""

    run(main())
    (record,) = caplog.records
    assert "TLS handshake failed" in record.getMessage()


def test_a_ready_context(run: Runner, certificate: Certificate) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.options["ssl_certfile"], certificate.options["ssl_keyfile"])

    async def main() -> None:
        async with serve(application(), port=0, ssl_context=context) as server:
            assert await outside(fetch, address_of(server), certificate.trust) == b"hello"

    run(main())


def negotiated(address: Address, trust: ssl.SSLContext) -> str | None:
    with Peer(address, tls=trust) as peer:
        assert isinstance(peer.socket, ssl.SSLSocket)
        return peer.socket.selected_alpn_protocol()


@pytest.mark.parametrize(
    ("options", "ready", "agreed"),
    [({}, False, "h2"), ({"http2": True}, False, "h2"), ({"http2": False}, False, "http/1.1"),
     ({}, True, None), ({"http2": True}, True, "h2")],
)  # fmt: skip
def test_http2_is_offered_over_tls(
    run: Runner, certificate: Certificate, options: dict[str, Any], ready: bool, agreed: str | None
) -> None:
    certificate.trust.set_alpn_protocols(["h2", "http/1.1"])
    tls: dict[str, Any] = dict(certificate.options)
    if ready:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls["ssl_certfile"], tls["ssl_keyfile"])
        tls = {"ssl_context": context}

    async def main() -> None:
        async with serve(application(), port=0, **tls, **options) as server:
            assert await outside(negotiated, address_of(server), certificate.trust) == agreed

    run(main())


def test_http2_without_h2(monkeypatch: pytest.MonkeyPatch, certificate: Certificate) -> None:
    monkeypatch.delitem(sys.modules, "fasterapi.aio.h2", raising=False)
    monkeypatch.delitem(sys.modules, "fasterapi.http.h2", raising=False)
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(ImportError, match="pip install 'fasterapi\\[http2\\]'"):
        Server(App(), http2=True)
    assert type(Server(App(), **certificate.options)._protocol()).__name__ == "HTTPProtocol"


def test_mistakes_about_certificates(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ssl_keyfile needs ssl_certfile"):
        Server(App(), ssl_keyfile="key.pem")
    with pytest.raises(FileNotFoundError):
        Server(App(), ssl_certfile=str(tmp_path / "none.pem"))


# ------------------------------------------------------------------------------- start and stop


def test_start_up_and_shutdown_surround_everything(run_everywhere: Runner) -> None:
    notes: list[str] = []
    ready = threading.Event()

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        notes.append(f"start {app.state.name}")
        yield
        notes.append("stop")

    app = App(lifespan=lifespan)
    app.state.name = "shop"

    @app.websocket("/ws")
    async def handler(ws: WebSocket) -> None:
        try:
            await ws.receive()
        finally:
            notes.append("handler ended")

    def client(address: Address) -> tuple[int | None, str]:
        with Peer(address) as peer:
            peer.send(HANDSHAKE)
            peer.read_head()
            ready.set()
            told = peer.read_close()
            peer.send(close(1001))
            return told

    async def main() -> None:
        async with serve(app, port=0) as server:
            assert notes == ["start shop"]
            task = asyncio.create_task(outside(client, address_of(server)))
            await until(ready.is_set)
        assert await task == (1001, "the server is shutting down")
        assert notes == ["start shop", "handler ended", "stop"]

    run_everywhere(main())


def test_a_start_up_that_fails(run: Runner) -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    async def main() -> None:
        server = serve(App(lifespan=lifespan), port=0)
        with pytest.raises(LookupError, match="no database"):
            await server.start()
        assert server.sockets == []

    run(main())


def test_an_address_that_is_taken_still_shuts_the_app_down(run: Runner) -> None:
    notes: list[str] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        yield
        notes.append("stop")

    async def main() -> None:
        taken = socket.create_server(("127.0.0.1", 0))
        with taken, pytest.raises(OSError, match="in use"):
            await serve(App(lifespan=lifespan), port=taken.getsockname()[1]).start()
        assert notes == ["stop"]

    run(main())


def test_two_servers_in_one_loop(run: Runner) -> None:
    async def main() -> None:
        async with serve(application(), port=0) as one, serve(application(), port=0) as two:
            assert await outside(fetch, address_of(one)) == b"hello"
            assert await outside(fetch, address_of(two)) == b"hello"

    run(main())


def test_a_connection_limit_counts_open_connections(run_everywhere: Runner) -> None:
    def client(address: Address) -> None:
        with Peer(address) as first, Peer(address) as second:
            for peer in (first, second):
                peer.send(get("/"))
                assert peer.read_body(peer.read_head()) == b"hello"
            with Peer(address) as third:
                head = third.read_head()
                assert head.status == 503
                assert head.headers["retry-after"] in set("12345")
                third.read_body(head)
                assert third.is_over()

    async def main() -> None:
        app = application(limits=Limits(max_connections=2))
        async with serve(app, port=0) as server:
            for _ in range(3):
                await outside(client, address_of(server))
                await until(lambda: not server.connections)

    run_everywhere(main())


# -------------------------------------------------------------------------------------- sockets


def test_a_client_that_vanishes_is_noticed_by_tcp(run_everywhere: Runner) -> None:
    """Nobody pings an event stream, so these options are all that ends one whose client is gone."""

    async def main() -> None:
        app = application(limits=Limits(write_timeout=7))
        async with serve(app, port=0) as server:
            _, writer = await asyncio.open_connection(*address_of(server))
            await until(lambda: server.connections)
            (channel,) = server.connections
            sock = channel.transport.get_extra_info("socket")

            def option(name: str) -> int:
                level = socket.IPPROTO_TCP if name.startswith("TCP") else socket.SOL_SOCKET
                value: int = sock.getsockopt(level, getattr(socket, name))
                return value

            assert option("SO_KEEPALIVE") == 1
            assert option("TCP_NODELAY") == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert option("TCP_USER_TIMEOUT") == 7000
                idle, interval = option("TCP_KEEPIDLE"), option("TCP_KEEPINTVL")
                assert idle + interval * option("TCP_KEEPCNT") <= 30
            writer.close()
            await writer.wait_closed()

    run_everywhere(main())


def our_threads() -> set[threading.Thread]:
    """Give those that are not the loop's own."""
    return {each for each in threading.enumerate() if each.name.startswith("fasterapi")}


@counted
def test_a_thousand_connections_in_turn_leave_nothing_behind(run_everywhere: Runner) -> None:
    async def main() -> None:
        tasks, threads = asyncio.all_tasks(), our_threads()
        async with serve(application(), port=0, access_log=False) as server:

            async def cycles(times: int) -> None:
                paths = b"/ws", b"/def/ws"
                await outside(connect_echo_close, address_of(server), paths, times)
                await until(lambda: not server.connections and not server.calls)
                await until(lambda: asyncio.all_tasks() <= tasks)

            await cycles(2)  # what is made once: the thread of a pool, the clients' thread
            files = descriptors()
            await cycles(1000)
            await until(lambda: descriptors() <= files)
            assert not server.timers._buckets
        await until(lambda: our_threads() <= threads)

    run_everywhere(main())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has the option")
def test_a_route_may_give_its_clients_more_time(run_everywhere: Runner) -> None:
    async def main() -> None:
        app = App(limits=Limits(write_timeout=7))
        seen: list[int] = []

        def look() -> None:
            (channel,) = server.connections
            sock = channel.transport.get_extra_info("socket")
            milliseconds = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            seen.append(milliseconds // 1000)

        @app.get("/")
        async def usual() -> str:
            look()
            return ""

        @app.sse("/events", limits=Limits(write_timeout=8))
        async def events(sse: SSEConnection) -> None:
            look()

        @app.websocket("/ws", limits=Limits(write_timeout=9))
        async def ws(ws: WebSocket) -> None:
            await ws.accept()
            look()

        def client() -> None:
            with Peer(address_of(server)) as peer:
                for path in ("/", "/events", "/"):
                    peer.send(get(path))
                    peer.read_body(peer.read_head())
                peer.send(HANDSHAKE)
                assert peer.read_head().status == 101
                peer.read_frame()

        async with serve(app, port=0) as server:
            await outside(client)
        assert seen == [7, 8, 7, 9]

    run_everywhere(main())


def test_the_date_is_made_once_a_second(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        server = Network(App()).server
        monkeypatch.setattr("time.time", lambda: 784111777.9)
        first = server.default_headers()
        assert first == [("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]
        monkeypatch.setattr("time.time", lambda: 784111778.0)
        assert server.default_headers() == [("Date", "Sun, 06 Nov 1994 08:49:38 GMT")]

    run(main())
