"""The blocking client against our own server, and on a socket pair against a clock of our own."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from fasterapi import (
    ConnectionClosed,
    HandshakeError,
    InvalidMessage,
    Limits,
    LocalProtocolError,
    Reconnect,
    State,
    SyncWebSocket,
)
from fasterapi.http.websocket_request import WebSocketRequest
from fasterapi.protocol import Ping, Role, ServerHandshake, WebSocketConnection
from fasterapi.protocol.events import Closed
from fasterapi.sync import SocketStream, connect
from fasterapi.sync.carrier import WebSocketCarrier
from fasterapi.sync.watcher import Watcher
from tests.cycles import counted, descriptors
from tests.serving import client_app, in_a_thread

AT_ONCE = Reconnect(delay=0.0, jitter=0.0)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with in_a_thread() as server:
        yield server.url


def test_a_message_there_and_back(url: str) -> None:
    with connect(url) as ws:
        assert (ws.state, ws.is_open()) == (State.OPEN, True)
        ws.send("hello")
        assert ws.receive_text(timeout=10) == "hello"
        ws.send(b"\x00" * 1_000_000)
        assert ws.receive_bytes(timeout=10) == b"\x00" * 1_000_000
        assert 0 < ws.ping(timeout=10) == ws.latency
    assert (ws.state, ws.close_code) == (State.CLOSED, 1000)


def test_what_is_entered_again_opens_another(url: str) -> None:
    connecting, opened = connect(url), []
    with connecting as outer:
        with connecting as inner:
            inner.send("inner")
        assert inner.close_code == 1000
        outer.send("outer")
        assert outer.receive(timeout=10) == "outer"
    together = threading.Barrier(3)

    def work() -> None:
        with connecting as ws:
            opened.append(ws)
            together.wait(10)
        together.wait(10)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work) for _ in range(3)]:
            done.result(20)
    assert len(set(opened)) == 3
    assert [ws.close_code for ws in (outer, *opened)] == [1000] * 4


def test_openings_beside_each_other_have_a_deadline_each() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as pool:
        listener.settimeout(5)
        at = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        connecting = connect(at, limits=Limits(open_timeout=20))
        led_on = pool.submit(connecting.open)
        first, _ = listener.accept()
        refused = pool.submit(connecting.open)
        second, _ = listener.accept()
        with first, second:
            second.recv(65536)
            second.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nbut")
            with pytest.raises(HandshakeError):  # when the rest of the body does not come
                refused.result(10)
            answer = f"HTTP/1.1 302 Found\r\nLocation: {at}again\r\nContent-Length: 0\r\n\r\n"
            first.sendall(answer.encode())
            third, _ = listener.accept()
            with third:
                third.recv(65536)
                third.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                with pytest.raises(HandshakeError, match="404"):
                    led_on.result(10)


def test_what_a_client_knows_of_its_connection(url: str) -> None:
    with connect(f"{url}/request?a=b", subprotocols=["x", "chat"], headers={"X-Y": "z"}) as ws:
        query, *fields = ws.receive_json(timeout=10)
        assert query == "a=b"
        assert ["x-y", "z"] in fields
        assert ws.subprotocol == "chat"
        assert ws.response is not None
        assert (ws.response.status, ws.response.headers["upgrade"]) == (101, "websocket")
        assert (ws.request.path, ws.request.client) == ("/request", url.removeprefix("ws://"))


def test_what_only_servers_do(url: str) -> None:
    with connect(url) as ws:
        for refused in (ws.accept, ws.reject):
            with pytest.raises(LocalProtocolError, match="its server has accepted it"):
                refused()


def test_open_leaves_the_closing_to_its_caller(url: str) -> None:
    ws = connect(url).open()
    ws.send("x")
    assert ws.receive(timeout=10) == "x"
    ws.close(4000, "done")
    assert (ws.close_code, ws.close_reason) == (4000, "done")
    ws.close()
    assert ws.wait_closed(timeout=10)


def test_the_server_s_close(url: str) -> None:
    with connect(f"{url}/close") as ws:
        assert ws.receive(timeout=10) == "last words"
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive(timeout=10)
        assert (caught.value.code, caught.value.reason) == (4001, "enough")
        with pytest.raises(ConnectionClosed):
            ws.send("too late")


def test_many_messages_of_a_server_that_closes_behind_them(url: str) -> None:
    with connect(f"{url}/push") as ws:
        assert len(list(ws)) == 1000


def test_a_close_from_another_thread_wakes_who_waits(url: str) -> None:
    with connect(url) as ws:
        threading.Timer(0.01, ws.close, [4000, "enough"]).start()
        with pytest.raises(ConnectionClosed, match="4000 enough"):
            ws.receive(timeout=10)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("a bug"), 1011),
        (InvalidMessage(1007, "no JSON"), 1007),
        (ConnectionClosed(1000), 1000),
        (KeyboardInterrupt(), 1001),
        (BaseException("no Exception, and a bug"), 1011),
    ],
)
def test_how_a_block_that_fails_closes(url: str, error: BaseException, code: int) -> None:
    with pytest.raises(type(error)), connect(url) as ws:
        raise error
    assert ws.close_code == code


def test_a_refusal(url: str) -> None:
    with pytest.raises(HandshakeError, match="403 Forbidden: members only") as caught:
        connect(f"{url}/reject").open()
    assert (caught.value.status, caught.value.body) == (403, b"members only")
    with pytest.raises(HandshakeError, match="404"), connect(f"{url}/nowhere"):
        pytest.fail("there is nothing")


def test_tls_and_a_unix_socket(tmp_path: Path) -> None:
    ca = trustme.CA()
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("localhost").configure_cert(served)
    ca.configure_trust(trusting)
    with in_a_thread(ssl_context=served) as server:
        at = server.url.replace("127.0.0.1", "localhost")
        with connect(at, ssl=trusting) as ws:
            ws.send("x" * 100_000)
            assert ws.receive(timeout=10) == "x" * 100_000
    path = str(tmp_path / "s")
    with in_a_thread(uds=path), connect("ws://localhost/", uds=path) as ws:
        ws.send("x")
        assert ws.receive(timeout=10) == "x"


def test_over_tls_both_ends_of_the_stream_are_seen_at_once() -> None:
    # The server's Close and the end of its TLS may come in one read, and nothing behind them.
    ca = trustme.CA()
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("localhost").configure_cert(served)
    ca.configure_trust(trusting)
    patient = client_app([], Limits(close_timeout=100))  # the test would time out before
    with in_a_thread(patient, ssl_context=served) as server:
        at = server.url.replace("127.0.0.1", "localhost")
        with connect(at, ssl=trusting, limits=Limits(close_timeout=100)) as ws:
            ws.close()
            assert ws.close_code == 1000


# ------------------------------------------------------------------------------ reconnecting


def test_a_loop_opens_again_what_the_server_closes(url: str) -> None:
    messages: list[Any] = []
    for ws in connect(f"{url}/close", reconnect=AT_ONCE):
        messages += list(ws)
        if len(messages) == 3:
            break
    assert messages == ["last words"] * 3
    assert ws.close_code == 4001


def test_a_loop_raises_what_stays_as_it_is(url: str) -> None:
    with pytest.raises(HandshakeError, match="403"):
        for _ in connect(f"{url}/reject", reconnect=AT_ONCE):
            pytest.fail("it was refused")


def test_a_loop_ends_when_its_policy_says_so(url: str) -> None:
    ends = iter([True, True, False])
    policy = Reconnect(delay=0.0, jitter=0.0, retries=lambda error, transient: next(ends))
    assert len(list(connect(f"{url}/close", reconnect=policy))) == 3


def test_a_loop_tries_again_and_tells_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fasterapi.client")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    policy = Reconnect(delay=0.0, jitter=0.0, first=True, factor=1.0, attempts=2)
    with pytest.raises(ConnectionRefusedError):
        list(connect(f"ws://user:secret@127.0.0.1:{port}/", reconnect=policy))
    assert caplog.text.count("connecting again in 0.1 s") == 2
    assert f"ws://127.0.0.1:{port}/: " in caplog.text
    assert "secret" not in caplog.text


# ------------------------------------------------------------------------ on a pair of sockets


class Pair:
    """A client on one end of a socket pair, and the server's half of the protocol."""

    def __init__(self) -> None:
        self.now = 100.0
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(10)
        stream = SocketStream(ours)
        self.watcher = Watcher(self.clock, threaded=False)
        attempt = WebSocketRequest("ws://test/", {"compression": None}).attempt()
        response = ServerHandshake(attempt.opening.request).accept()
        self.server = WebSocketConnection(Role.SERVER)
        self.over: list[bool] = []
        self.ws = SyncWebSocket(
            stream=stream,
            attach=lambda ws: WebSocketCarrier(
                ws, stream, self.watcher, clock=self.clock, on_end=lambda: self.over.append(True)
            ),
            clock=self.clock,
            **attempt.session(response),
        )
        self.ws._attach(b"")

    def clock(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time go by; do what the watcher's thread would."""
        self.now += seconds
        for _ in range(2):
            self.watcher.look()
        self.watcher.attend(0)
        self.watcher.walk(self.now)
        self.watcher.look()

    def heard(self) -> list[Any]:
        """Give the events of what the client has written."""
        return list(self.server.receive_data(self.peer.recv(65536), self.now))


def test_a_server_that_vanishes_is_noticed_by_keepalive() -> None:
    pair = Pair()
    pair.advance(0.1)
    pair.advance(21)
    [ping] = pair.heard()
    assert isinstance(ping, Ping)
    pair.advance(21)
    assert pair.ws.close_code == 1011
    with pytest.raises(ConnectionClosed, match="1011 keepalive ping timeout"):
        pair.ws.receive(timeout=0)
    [closed] = pair.heard()
    assert isinstance(closed, Closed)
    # Nor does anybody answer the Close: the socket goes when its time is over.
    pair.advance(0.1)
    assert not pair.over
    pair.advance(6)
    pair.advance(0.1)
    assert pair.over == [True]
    pair.peer.close()
    pair.watcher.close()


def test_a_ping_of_the_server_is_answered_while_the_client_is_busy_elsewhere() -> None:
    pair = Pair()
    pair.advance(0.1)
    pair.server.ping(b"there?")
    pair.peer.sendall(pair.server.data_to_send())
    pair.advance(0.1)
    [pong] = pair.heard()
    assert pong.payload == b"there?"
    pair.peer.close()
    pair.advance(0.1)
    pair.advance(0.1)
    assert pair.over == [True]
    pair.watcher.close()


@counted
def test_a_thousand_cycles_leave_nothing_behind(url: str) -> None:
    with connect(url):
        pass
    gc.collect()
    files, threads = descriptors(), threading.active_count()

    def cycles() -> None:
        for _ in range(40):
            with connect(url, compression=None) as ws:
                ws.send("x")
                assert ws.receive(timeout=10) == "x"

    # Many at once, for a cycle is mostly a wait for the watchers of both ends.
    workers = [threading.Thread(target=cycles) for _ in range(25)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    gc.collect()
    wait_until(lambda: descriptors() <= files)
    assert threading.active_count() <= threads


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)
