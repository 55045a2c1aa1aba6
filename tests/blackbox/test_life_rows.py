"""Rows 49 to 56: how connections end, and how the server does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from .conftest import SERVERS, Echo
from .peer import BINARY, HANDSHAKE, PING, Peer, close, frame, get, hexed, text
from .server import KIB, MIB, ServerProcess, eventually

HI = hexed("81 82 37 fa 21 3d 7f 93")


def said_hi(echo: Echo, path: str = "/ws") -> Peer:
    """Open a WebSocket whose handler is at work."""
    peer = echo.open(path, rest=HI)
    assert peer.read_message() == "Hi"
    return peer


# ------------------------------------------------------------------------------- rows 49 and 50

UNFINISHED = {
    "nothing": b"",
    "mid-header": b"\x82\xfe",
    "mid-payload": frame(BINARY, bytes(5000))[:1000],
    "mid-message": frame(BINARY, bytes(1000), fin=False),
}


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
def test_row_49_the_peer_goes(echo: Echo, data: bytes, end: str) -> None:
    echo.site.get("/endings")
    lines = echo.site.log().count("\n")
    peer = said_hi(echo)
    peer.send(data)
    getattr(peer, end)()
    eventually(lambda: echo.site.get("/endings") == [1006], "the handler's end")
    log = echo.site.log().splitlines()[lines:]
    assert [line for line in log if "GET /endings" not in line and "ERROR" in line] == []
    assert len([line for line in log if "/ws" in line]) <= 2  # accepted, closed


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("sent", [0, 10, 100, len(HANDSHAKE)])
def test_row_49_the_peer_goes_in_the_handshake(echo: Echo, sent: int, end: str) -> None:
    peer = echo.site.connect()
    peer.send(HANDSHAKE.replace(b"/ws", echo.prefix.encode() + b"/ws", 1)[:sent])
    getattr(peer, end)()


def test_row_50_the_peer_ends_its_half(echo: Echo) -> None:
    echo.site.get("/endings")
    with said_hi(echo) as peer:
        peer.finish()
        assert peer.is_over()
        eventually(lambda: echo.site.get("/endings") == [1006], "the handler's end")


def test_row_50_the_peer_ends_its_half_with_the_handshake(echo: Echo) -> None:
    """It may be answered; a handler in a thread may also accept when the end has been seen."""
    in_a_thread = echo.site.name == "sync" or echo.prefix == "/def"
    for _ in range(5):
        with echo.site.connect() as peer:
            peer.send(HANDSHAKE.replace(b"/ws", echo.prefix.encode() + b"/ws", 1))
            peer.finish()
            answer = peer.read_all()
            head, _, rest = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ") or (in_a_thread and not answer)
            assert rest == b""


def test_row_50_a_close_and_the_end_at_once(echo: Echo) -> None:
    for _ in range(5):
        with said_hi(echo) as peer:
            peer.send(text("one") + close(1000))
            peer.finish()
            assert peer.read_message() == "one"
            assert peer.read_close() == (1000, "")
            assert peer.is_over()


def test_row_50_a_close_and_the_end_before_the_answer(echo: Echo) -> None:
    with echo.open("/later") as peer:
        peer.send(text("one") + close(1000))
        peer.finish()
        assert peer.read_message() == "one"
        assert peer.read_close() == (1000, "")
        assert peer.is_over()


# ------------------------------------------------------------------------------- rows 51 to 53


@pytest.mark.parametrize("answer", ["nothing", "a close and no end", "a flood"])
def test_row_51_the_server_closes(echo: Echo, answer: str) -> None:
    """``close_timeout`` is 0.5 s here."""
    echo.site.get("/endings")
    with echo.open("/closing") as peer:
        peer.send(text("close"))
        assert peer.read_close() == (4000, "enough")
        if answer == "a flood":
            peer.send_all_it_takes(1000 * text("x" * 100), most=256 * MIB, seconds=1)
        if answer == "a close and no end":
            peer.send(close(4000))
            eventually(lambda: echo.site.get("/endings") == [4000], "the handler's end")
        else:
            eventually(lambda: echo.site.get("/endings") == [1006], "the handler's end")
        assert peer.is_over()


@pytest.mark.event_loop
def test_row_52_one_slow_reader_among_many(site: ServerProcess) -> None:
    """20 subscribers and 12 MB each, here; 50 and 100 MB together in the row."""
    rounds, chunk = 200, bytes(64 * KIB)
    with ExitStack() as stack, site.grows_less_than(12 * MIB):
        slow = stack.enter_context(site.websocket("/room", receive_buffer=4096))
        fast = [stack.enter_context(site.websocket("/room")) for _ in range(20)]
        for number in range(rounds):
            message = number.to_bytes(4, "big") + chunk
            fast[0].send(frame(BINARY, message))
            for peer in fast:
                assert peer.read_message() == message
        log = site.log()  # on a busy machine its time may be over before the buffer is full
        assert "Limits.max_write_buffer (1048576)" in log or "Limits.write_timeout (1 s)" in log
        slow.read_all()


def test_row_53_the_peer_answers_no_pings(echo: Echo) -> None:
    """Pings after 0.3 s, and 0.4 s to answer."""
    echo.site.get("/endings")
    with said_hi(echo, "/pinged") as peer:
        assert peer.read_frame().first == 0x80 | PING
        assert peer.read_close() == (1011, "keepalive ping timeout")
        assert peer.is_over()
    eventually(lambda: echo.site.get("/endings") == [1011], "the handler's end")


def test_any_byte_is_a_sign_of_life(echo: Echo) -> None:
    with said_hi(echo, "/pinged") as peer:
        data = frame(BINARY, b"a message in many pieces")
        for at in range(len(data)):
            peer.send(data[at : at + 1])
            time.sleep(0.035)  # it is silence that is tested, for longer than 0.7 s
        while (answer := peer.read_frame()).first == 0x80 | PING:
            pass
        assert answer.payload == b"a message in many pieces"


# ---------------------------------------------------------------------------------------- row 54


@pytest.mark.parametrize("server_name", SERVERS)
def test_row_54_no_more_file_descriptors(server_name: str) -> None:
    with ServerProcess(server_name, "--nofile", "50") as server, ExitStack() as stack:
        before = server.websocket()
        fds = server.fds()
        clients = [stack.enter_context(server.connect()) for _ in range(100)]
        eventually(lambda: server.fds() >= 49, "the limit is reached")
        cpu = server.cpu()
        time.sleep(1.0)  # it is what the server does meanwhile that is tested
        assert server.cpu() - cpu < 0.5
        before.send(text("still there?"))
        assert before.read_message() == "still there?"
        for client in clients:
            client.close()
        eventually(lambda: server.fds() <= fds, "the clients are gone")
        with server.websocket(rest=HI) as peer:
            assert peer.read_message() == "Hi"
        before.close()
        log = server.log()
        if server_name != "uvloop":  # libuv turns connections away without a word
            assert 1 <= log.count("Too many open files") < 5
        assert "Traceback" not in log


# ---------------------------------------------------------------------------------------- row 55


def test_row_55_a_handler_that_raises(echo: Echo) -> None:
    with echo.open("/crash") as peer:
        peer.send(text("now"))
        assert peer.read_close()[0] == 1011
        assert peer.is_over()
    echo.site.crashes = 1
    assert "RuntimeError: meant to" in echo.site.log()


@pytest.mark.event_loop
def test_row_55_a_handler_that_is_cancelled(site: ServerProcess) -> None:
    with site.websocket("/cancelled") as peer:
        peer.send(text("now"))
        assert peer.read_close()[0] == 1001
        assert peer.is_over()


def test_row_55_sending_after_closing(echo: Echo) -> None:
    echo.site.get("/endings")
    with echo.open("/closing") as peer:
        peer.send(text("close"))
        assert peer.read_close() == (4000, "enough")
        peer.send(close(4000))
        assert peer.is_over()
    eventually(lambda: echo.site.get("/endings") == [4000], "the handler's end")


# ---------------------------------------------------------------------------------------- row 56


@pytest.fixture(params=SERVERS)
def own(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server for one case, which may end it."""
    with ServerProcess(request.param) as server:
        yield server


STREAMS = ("/ticks", "/def/ticks", "/generator", "/def/generator", "/silent")


def streams(server: ServerProcess, stack: ExitStack, count: int) -> list[Peer]:
    """Open event streams of every kind of handler."""
    peers = []
    for number in range(count):
        peer = stack.enter_context(server.connect())
        peer.send(get(STREAMS[number % len(STREAMS)]))
        assert peer.read_head().status == 200
        assert peer.read_chunk() == b"data: first\n\n"
        peers.append(peer)
    return peers


@pytest.mark.parametrize("server_name", SERVERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_row_56_an_orderly_end(server_name: str, number: signal.Signals) -> None:
    """20 WebSockets and 25 streams here, with all limits as they are by default.

    The table has 200 connections. Not one of these clients hurries to close its socket.
    """
    with ServerProcess(server_name, "--default-limits") as own, ExitStack() as stack:
        sockets = [stack.enter_context(own.websocket(("/ws", "/def/ws")[n % 2])) for n in range(20)]
        events = streams(own, stack, 25)
        idle = stack.enter_context(own.connect())
        idle.send(get("/http"))
        idle.read_body(idle.read_head())
        began = time.monotonic()
        own.signal(number)
        for peer in sockets:
            assert peer.read_close() == (1001, "the server is shutting down")
            peer.send(close(1001))
        for peer in events:
            while peer.read_chunk():
                pass
            assert peer.is_over()
        assert idle.is_over()
        assert own.wait() == 0
        assert time.monotonic() - began < 2.5
        log = own.log()
        assert "Traceback" not in log
        assert "WARNING" not in log
        assert log.splitlines()[-1].endswith("stopped")
        assert log.count('/ws" closed 1001') == 20


def test_row_56_clients_that_do_not_answer(own: ServerProcess) -> None:
    """Some never answer the Close, and some have not read for long."""
    with ExitStack() as stack:
        silent = stack.enter_context(own.websocket("/ws"))
        slow = [
            stack.enter_context(own.websocket(path, receive_buffer=4096))
            for path in ("/ws", "/def/ws")
        ]
        message = frame(BINARY, bytes(100_000))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda peer: peer.send_all_it_takes(message, most=32 * MIB), slow))
        flooded = stack.enter_context(own.connect(receive_buffer=4096))
        flooded.send(get("/def/flood"))
        own.signal(signal.SIGTERM)
        assert silent.read_close()[0] == 1001
        assert own.wait() == 0
    assert "Traceback" not in own.log()


def test_row_56_requests_while_the_server_stops(own: ServerProcess) -> None:
    with own.connect() as slow, own.connect() as late:
        late.send(get("/http")[:-2])
        slow.send(get("/slower"))
        own.get("/calls")  # what was sent before has arrived by now
        own.signal(signal.SIGTERM)
        head = slow.read_head()
        assert (head.status, slow.read_body(head)) == (200, b"ok")
        assert slow.is_over()
        late.send(b"\r\n")
        head = late.read_head()
        assert head.status == 503
        late.read_body(head)
        assert late.is_over()
        assert own.wait() == 0


@pytest.mark.parametrize("server_name", SERVERS)
def test_row_56_handlers_that_outstay_the_grace(server_name: str) -> None:
    with ServerProcess(server_name, "--grace", "0.2") as server, ExitStack() as stack:
        for path in ("/stubborn", "/def/stubborn"):
            stack.enter_context(server.websocket(path))
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert "grace over" in server.log()


def test_row_56_a_second_signal_ends_at_once(own: ServerProcess) -> None:
    with own.websocket("/stubborn") as peer:
        own.signal(signal.SIGTERM)
        assert peer.read_close()[0] == 1001
        began = time.monotonic()
        own.signal(signal.SIGTERM)
        assert own.wait() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 2.5


# --------------------------------------------------------------------------- beside the table


@pytest.mark.event_loop
def test_more_handlers_than_threads(own: ServerProcess) -> None:
    """100 idle streams of ``def`` handlers disturb nobody; the 121st is refused."""
    with ExitStack() as stack:
        for _ in range(100):
            peer = stack.enter_context(own.connect())
            peer.send(get("/def/ticks"))
        with own.websocket("/def/ws", rest=HI) as peer:
            assert peer.read_message() == "Hi"
        assert own.get("/calls") == {"echo": 1}
        for _ in range(20):
            peer = stack.enter_context(own.connect())
            peer.send(get("/def/ticks"))
            assert peer.read_head().status == 200
        with own.connect() as peer:
            peer.send(get("/def/ticks"))
            head = peer.read_head()
            assert head.status == 503
            assert int(head.headers["retry-after"]) > 0
        assert "Limits.max_threads (120)" in own.log()
        with own.websocket("/ws", rest=HI) as peer:
            assert peer.read_message() == "Hi"


def test_more_connections_than_threads() -> None:
    """Each connection has one of the sync server's threads, idle or not."""
    with ServerProcess("sync", "--threads", "20") as own, ExitStack() as stack:
        peers = [stack.enter_context(own.websocket("/ws")) for _ in range(10)]
        for _ in range(10):
            peer = stack.enter_context(own.connect())
            peer.send(get("/def/ticks"))
            assert peer.read_head().status == 200
        for _ in range(3):
            with own.connect() as late:
                late.send(get("/http"))
                head = late.read_head()
                assert head.status == 503
                assert int(head.headers["retry-after"]) > 0
                assert late.read_body(head) == b"all threads are busy\n"
                assert late.is_over()
        assert "Limits.max_threads (20)" in own.log()
        peers[0].send(HI + close(1000))
        assert peers[0].read_message() == "Hi"
        assert peers[0].read_close() == (1000, "")
        eventually(lambda: own.serves("/http"), "a thread that is free again")


def test_clients_come_and_go_in_threads(echo: Echo) -> None:
    def client() -> None:
        for number in range(20):
            with echo.open(rest=HI) as peer:
                assert peer.read_message() == "Hi"
                if number % 2:
                    peer.send(close(1000))
                    assert peer.read_close() == (1000, "")

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
