"""Rows 63 to 67: HTTP/2 under attack, against a process that speaks it by prior knowledge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

import pytest

from tests.http.h2_cases import BEGIN, CASES, Case
from tests.http.h2_peer import CALM, EXTENDED, GET, PREFACE, Heard, Peer, code, fields, frames, raw

from .peer import BINARY, CLOSE, frame, text
from .server import MIB, PATIENCE, ServerProcess, eventually

HEADERS, RESET, SETTINGS, PING, GOAWAY, CONTINUATION = 1, 3, 4, 6, 7, 9


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def h2_server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    if request.param == "uvloop":
        pytest.importorskip(request.param)
    with ServerProcess(request.param, "--http2") as process:
        yield process


@pytest.fixture
def site(h2_server: ServerProcess) -> Iterator[ServerProcess]:
    with h2_server.undisturbed():
        yield h2_server


class Client:
    """h2's client on a socket.

    Args:
        site: The server.
        peer: The client, if it is to be a special one.
        options: Of its socket.
    """

    def __init__(self, site: ServerProcess, peer: Peer | None = None, **options: int) -> None:
        self.peer = peer or Peer()
        self.wire = site.connect(**options)
        self.over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def send(self, data: bytes = b"") -> None:
        """Send what h2 has to send, and then ``data``, as far as the server takes it."""
        try:
            self.wire.send(self.peer.h2.data_to_send() + data)
        except ConnectionError:
            self.over = True

    def hear(self, seconds: float = 0.0) -> None:
        """Read what is there, and answer it."""
        if self.over or not self.wire.readable(seconds):
            return
        try:
            data = self.wire.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        self.over = self.over or not data
        self.peer.hear(data)
        if not self.over:
            self.send()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Read until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, what
            self.hear(0.05)

    def websocket(self, path: str = "/ws") -> int:
        """Open a WebSocket; give its stream."""
        number = self.peer.connect(path)
        self.send()
        self.until(lambda: self.peer.heard[number].status == 200, "an accepted handshake")
        return number

    def says(self, number: int, message: str) -> None:
        """Insist that a WebSocket still echoes."""
        self.peer.h2.send_data(number, text(message))
        self.send()
        self.until(lambda: message.encode() in self.peer.heard[number].data, "an echo")

    def ends_with(self, *codes: int) -> None:
        """Insist that the server says goodbye with a code, and hangs up."""
        self.until(lambda: self.peer.goaway is not None, "GOAWAY")
        assert self.peer.goaway in codes
        self.until(lambda: self.over, "the end")


def mute() -> Peer:
    """Give a client whose frames only serve to be sent all at once."""
    peer = Peer()
    peer.h2.data_to_send()
    return peer


# -------------------------------------------------------------------------------------- row 63


def test_row_63_rapid_resets(site: ServerProcess) -> None:
    site.get("/calls")
    peer = mute()
    for _ in range(10_000):
        number = peer.request(fields(GET, path="/ticks"))
        peer.h2.reset_stream(number, 8)
    flood = peer.h2.data_to_send()
    with site.grows_less_than(8 * MIB), Client(site) as client:
        client.send(flood)
        client.ends_with(CALM)


def test_row_63_made_you_reset(site: ServerProcess) -> None:
    peer = mute()
    pieces = []
    for _ in range(1000):
        number = peer.request(fields(GET, path="/ticks"))
        pieces += [peer.h2.data_to_send(), raw(8, 0, number, b"\x7f\xff\xff\xff")]
    with site.grows_less_than(8 * MIB), Client(site) as client:
        client.send(b"".join(pieces))
        assert client.wire.read_all().endswith(CALM.to_bytes(4, "big"))


# -------------------------------------------------------------------------------------- row 64

FLOODS = {
    "PING": raw(PING, 0, 0, bytes(8)),
    "SETTINGS": raw(SETTINGS),
    "empty DATA": raw(0, 0, 1),
    "PRIORITY": raw(2, 0, 1, bytes(4) + b"\x10"),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_row_64_floods_of_control_frames(site: ServerProcess, flood: bytes) -> None:
    with site.grows_less_than(4 * MIB), Client(site) as client:
        client.peer.request(fields(GET, method="POST"), end=False)
        client.send()
        client.wire.send_all_it_takes(flood * 1000, len(flood) * 100_000)
        client.ends_with(CALM)


def test_row_64_answers_that_are_never_read(site: ServerProcess) -> None:
    head = b"\x02\x04HEAD\x86\x01\x09localhost\x04\x01x"  # 400, at once and without a body
    head += b"\x00\x01x\x7f\x81\x03" + bytes(b"x" * 512)  # more than sockets keep
    asked = b"".join(raw(HEADERS, 5, number, head) for number in range(201, 100_000, 2))
    with site.grows_less_than(24 * MIB), Client(site, Peer(window=1 << 30)) as client:
        client.peer.h2.increment_flow_control_window(1 << 30)
        for _ in range(99):
            client.peer.request(fields(GET, path="/flood"))  # so that the sockets are full
        client.send()
        sent = client.wire.send_all_it_takes(asked, len(asked))
        assert sent < len(asked), "it read on, and where did it put the answers?"
        eventually(lambda: "Limits.write_timeout" in site.log(), "the end")


# -------------------------------------------------------------------------------------- row 65


def test_row_65_continuation_without_an_end(site: ServerProcess) -> None:
    for size in (0, 10, 16_384):
        with site.grows_less_than(2 * MIB), Client(site) as client:
            flood = raw(CONTINUATION, 0, 1, bytes(size)) * 100
            client.send(raw(HEADERS, 0, 1, b"\x82") + flood)
            client.ends_with(1, CALM)


def test_row_65_a_bomb_of_fields(site: ServerProcess) -> None:
    with site.grows_less_than(2 * MIB), Client(site) as client:
        client.peer.request([*GET, ("x-a", "x" * 4000)])
        client.send(raw(HEADERS, 5, 3, b"\x82\x86\x84\x01\x01a" + b"\xbe" * 270))
        client.ends_with(CALM)


def test_row_65_a_block_that_dribbles(site: ServerProcess) -> None:
    with Client(site) as client:
        client.websocket("/occupied")  # not idle
        client.send(raw(HEADERS, 0, 3, b"\x82"))
        client.ends_with(CALM)


# -------------------------------------------------------------------------------------- row 66

NO_TUNNELS = {
    "no path": (fields(EXTENDED, path=None), None),
    "protocol": (fields(EXTENDED, protocol="foo"), 501),
    "GET": (fields(EXTENDED, method="GET"), None),
    "plain CONNECT": ([(":method", "CONNECT"), (":authority", "localhost:80")], 501),
    "upgrade": ([*EXTENDED, ("upgrade", "websocket")], None),
    "CRLF": ([*EXTENDED, ("x-a", "a\r\nb: c")], None),
    "length": ([*EXTENDED, ("content-length", "5")], 400),
    "version": (EXTENDED[:-1], 400),
    "target": (fields(EXTENDED, path="ws"), 400),
    "two hosts": ([*EXTENDED, ("host", "other")], None),
}


@pytest.mark.parametrize(("headers", "status"), NO_TUNNELS.values(), ids=NO_TUNNELS)
def test_row_66_no_tunnels(
    site: ServerProcess, headers: list[tuple[str, str]], status: int | None
) -> None:
    """A request that is malformed has its stream reset; any other is answered."""
    site.get("/calls")
    with Client(site, Peer(validate=False)) as client:
        good = client.websocket()
        number = client.peer.request(headers, end=False)
        client.send()
        heard = client.peer.heard[number]
        client.until(lambda: heard.status or heard.reset is not None, "an answer")
        assert heard.status == status
        assert (heard.reset == 1) is (status is None)
        client.says(good, "none of my business")
    assert site.get("/calls").get("echo") == 1


# -------------------------------------------------------------------------------------- row 67


@pytest.mark.parametrize("prefix", ["", "/def"])
def test_row_67_windows_that_never_open(site: ServerProcess, prefix: str) -> None:
    site.get("/endings")
    with site.grows_less_than(24 * MIB), Client(site, Peer(window=0, credit=False)) as client:
        numbers = [client.peer.connect(f"{prefix}/ws") for _ in range(99)]
        client.send()
        heard = [client.peer.heard[number] for number in numbers]
        client.until(lambda: all(h.status == 200 for h in heard), "accepted handshakes")
        for number in numbers:
            client.peer.h2.send_data(number, text("x" * 10_000))
        client.send()
        good = client.websocket(f"{prefix}/ws")
        client.peer.h2.increment_flow_control_window(60_000, good)
        client.says(good, "and yet it moves")
        client.until(lambda: all(h.reset == 8 for h in heard), "the end of their time")
        client.says(good, "still there")
    codes: list[int] = []
    eventually(lambda: codes.extend(site.get("/endings")) or len(codes) == 100, "their ends")
    assert set(codes) == {1006}


def test_row_67_events_that_nobody_takes(site: ServerProcess) -> None:
    site.get("/endings")
    with site.grows_less_than(8 * MIB), Client(site, Peer(credit=False)) as client:
        flood = client.peer.request(fields(GET, path="/flood"))
        hasty = client.peer.request(fields(GET, path="/hasty-flood"))
        client.send()
        client.peer.h2.increment_flow_control_window(1 << 20)
        client.send()
        good = client.websocket()
        client.says(good, "hello")
        heard: list[Heard] = [client.peer.heard[number] for number in (flood, hasty)]
        client.until(lambda: all(h.reset == 8 for h in heard), "the end of their time")
        client.says(good, "still there")
    ends: list[str] = []
    eventually(lambda: ends.extend(site.get("/endings")) or len(ends) == 3, "their ends")


# ------------------------------------------------------------------------ the standard's sections


def answers(site: ServerProcess, case: Case) -> list[tuple[int, int, bytes]]:
    """Send what a case has; give the frames that come, up to the answer to a ping or GOAWAY."""
    ping = raw(PING, 0, 0, b"and then")
    with site.connect() as wire:
        wire.send(BEGIN + case.served)
        if case.served:
            wire.read_until(b"ok")
        wire.send(case.data + ping)
        data = b""
        sent: list[tuple[int, int, bytes]] = []
        while not any(kind == GOAWAY or payload == b"and then" for kind, _, payload in sent):
            piece = wire.socket.recv(65_536)
            assert piece, "an end without a word"
            data += piece
            sent = frames(data)
        return sent


def test_the_errors_of_the_standards_sections(site: ServerProcess) -> None:
    for name, case in CASES.items():
        sent = answers(site, case)
        ends = [payload[4:8] for kind, _, payload in sent if kind == GOAWAY]
        resets = [(stream, payload) for kind, stream, payload in sent if kind == RESET]
        assert ends == ([] if case.goaway is None else [code(case.goaway)]), name
        if case.goaway is None:
            assert resets == ([] if case.reset is None else [(1, code(case.reset))]), name


# --------------------------------------------------------------------------- and what is allowed


def test_what_is_no_attack(site: ServerProcess) -> None:
    """A hundred streams at a time, over and over, and pings now and then, are served."""
    with Client(site) as client:
        for _ in range(10):
            numbers = [client.peer.request(fields(GET, path="/http")) for _ in range(100)]
            client.peer.h2.ping(bytes(8))
            client.send()
            heard = [client.peer.heard[number] for number in numbers]
            client.until(lambda h=heard: all(each.ended for each in h), "answers")
            assert {each.data for each in heard} == {b"ok"}
        assert client.peer.pongs == 10
        assert client.peer.goaway is None


@pytest.mark.parametrize("prefix", ["", "/def"])
def test_a_message_in_small_pieces_and_the_end(site: ServerProcess, prefix: str) -> None:
    site.get("/endings")
    with Client(site) as client:
        number = client.websocket(f"{prefix}/ws")
        data = frame(BINARY, bytes(3000)) + frame(CLOSE, b"\x03\xe8")
        for i in range(0, len(data), 7):
            client.peer.h2.send_data(number, data[i : i + 7])
        client.peer.h2.end_stream(number)
        client.send()
        heard = client.peer.heard[number]
        client.until(lambda: heard.ended, "the end")
        assert heard.data.endswith(bytes(3000) + b"\x88\x02\x03\xe8")
        assert heard.reset is None
    eventually(lambda: site.get("/endings") == [1000], "the handler's end")


def test_the_preface_and_nothing_else(site: ServerProcess) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(site.connect()) for _ in range(4)]
        beginnings = (b"", PREFACE[:10], PREFACE, PREFACE + raw(SETTINGS))
        for peer, beginning in zip(peers, beginnings, strict=True):
            peer.send(beginning)
        for peer in peers:
            peer.read_all()
