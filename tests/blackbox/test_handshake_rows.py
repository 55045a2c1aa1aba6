"""Rows 1 to 18: requests and handshakes, good and bad, byte for byte.

Whatever is refused gets one response and the end of its connection, and what follows the refused
request in the same write is never answered.
"""

from __future__ import annotations

import time

import pytest

from .conftest import Echo
from .peer import HANDSHAKE, Head, Peer, get, handshake, hexed, text
from .server import KIB, MIB, ServerProcess

HI = hexed("81 82 37 fa 21 3d 7f 93")


def refusal(site: ServerProcess, *pieces: bytes) -> Head:
    """Send ``pieces``; give the one response, which has to be the last."""
    with site.connect() as peer:
        peer.send(*pieces)
        return last_response(peer)


def last_response(peer: Peer) -> Head:
    """Read a response and the end."""
    head = peer.read_head()
    assert head.status != 101
    assert head.headers["connection"] == "close"
    peer.read_body(head)
    assert peer.is_over()
    return head


# ---------------------------------------------------------------------------------------- row 1


def test_row_1_handshake(echo: Echo) -> None:
    with echo.open() as peer:
        peer.send(HI)
        assert peer.read_message() == "Hi"


def test_row_1_handshake_and_message_in_one_write(echo: Echo) -> None:
    with echo.open(rest=HI) as peer:
        assert peer.read_message() == "Hi"


def test_row_1_handshake_in_every_split(site: ServerProcess) -> None:
    request = HANDSHAKE + HI
    for at in range(1, len(request), 7):
        with site.connect() as peer:
            peer.send(request[:at], request[at:])
            assert peer.read_head().status == 101
            assert peer.read_message() == "Hi"


# ---------------------------------------------------------------------------------- rows 2 to 6


@pytest.mark.parametrize(
    ("request_line", "statuses"),
    [
        (b"POST /ws HTTP/1.1", {405}),
        (b"GET /ws HTTP/1.0", {505, 426}),
        (b"GET /ws HTTP/2.0", {505}),
    ],
)
def test_row_2_other_method_or_version(
    site: ServerProcess, request_line: bytes, statuses: set[int]
) -> None:
    head = refusal(site, HANDSHAKE.replace(b"GET /ws HTTP/1.1", request_line))
    assert head.status in statuses
    if head.status == 405:
        assert head.headers["allow"] == "GET"


def test_row_3_other_websocket_version(site: ServerProcess) -> None:
    head = refusal(site, handshake("Sec-WebSocket-Version: 12"))
    assert head.status == 426
    assert head.headers["sec-websocket-version"] == "13"


def test_row_3_no_websocket_version(site: ServerProcess) -> None:
    assert refusal(site, handshake(without=["Sec-WebSocket-Version"])).status in {400, 426}


@pytest.mark.parametrize("keys", [[], ["dGhlIHNhbXBsZSBub25jZQ=="] * 2, ["Zm9v"], ["!!!!"]])
def test_row_4_bad_key(site: ServerProcess, keys: list[str]) -> None:
    fields = [f"Sec-WebSocket-Key: {key}" for key in keys]
    request = handshake(*fields, without=["Sec-WebSocket-Key"])
    assert refusal(site, request).status == 400


@pytest.mark.parametrize("field", ["Connection: notupgrade", "Upgrade: h2c"])
def test_row_5_no_upgrade_to_a_websocket(site: ServerProcess, field: str) -> None:
    assert refusal(site, handshake(field)).status in {400, 426}


def test_row_5_upgrade_among_other_options(site: ServerProcess) -> None:
    with site.connect() as peer:
        peer.send(handshake("Connection: keep-alive, Upgrade"), HI)
        assert peer.read_head().status == 101
        assert peer.read_message() == "Hi"


@pytest.mark.parametrize("hosts", [[], ["Host: localhost", "Host: localhost"]])
def test_row_6_not_one_host(site: ServerProcess, hosts: list[str]) -> None:
    assert refusal(site, handshake(*hosts, without=["Host"])).status == 400


# ---------------------------------------------------------------------------------- rows 7 to 9


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 5"],
        ["Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ],
)
def test_row_7_upgrade_with_a_body(site: ServerProcess, fields: list[str]) -> None:
    site.get("/calls")
    for body in (b"hello", b"5\r\nhello\r\n0\r\n\r\n"):
        assert refusal(site, handshake(*fields) + body + get("/admin")).status == 400
    assert "admin" not in site.get("/calls")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["Content-Length: 0", "Content-Length: 5"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: 5, 5"], 400),
        (["Content-Length: \u0665"], 400),
        (["Transfer-Encoding: xchunked"], 501),
    ],
)
def test_row_8_bad_framing(site: ServerProcess, fields: list[str], status: int) -> None:
    site.get("/calls")
    assert refusal(site, handshake(*fields) + b"hello" + get("/admin")).status == status
    assert refusal(site, get("/http", *fields) + b"hello" + get("/admin")).status == status
    assert site.get("/calls") == {}


@pytest.mark.parametrize(
    "request_",
    [
        HANDSHAKE.replace(b"\r\n", b"\n"),
        handshake("X-A: a\r\n b"),
        handshake("X-A : a"),
        handshake("X-A: a\0b"),
        handshake("X-A: a\rb"),
    ],
    ids=["bare LF", "folded", "space before colon", "NUL", "bare CR"],
)
def test_row_9_bad_lines(site: ServerProcess, request_: bytes) -> None:
    assert refusal(site, request_).status == 400


# -------------------------------------------------------------------------------- rows 10 to 13


def test_row_10_twenty_thousand_headers(site: ServerProcess) -> None:
    fields = b"".join(b"X-%d: a\r\n" % number for number in range(20_000))
    request = HANDSHAKE.replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n")
    assert len(request) > 220 * KIB
    refusal(site, request)  # once before, so that what is measured are buffers and no caches
    # The row says 1 MiB; an allocator may keep a little more than is used.
    with site.grows_less_than(2 * MIB):
        assert refusal(site, request).status == 431
        pieces = [request[at : at + 4 * KIB] for at in range(0, len(request), 4 * KIB)]
        assert refusal(site, *pieces).status == 431


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (handshake("X-Long: " + 70_000 * "a"), 431),
        (handshake(path="/" + 70_000 * "a"), 414),
    ],
    ids=["header", "target"],
)
def test_row_11_long_line(site: ServerProcess, request_: bytes, status: int) -> None:
    before = site.cpu()
    assert refusal(site, request_).status == status
    assert site.cpu() - before < 0.5  # the row says 50 ms, which a noisy machine can't tell apart


def test_row_11_header_without_an_end(site: ServerProcess) -> None:
    before = site.cpu()
    with site.connect() as peer:
        peer.send(HANDSHAKE[:-2] + b"X-Long: ")
        sent = 0
        # 20 MB, had nobody stopped it: the answer is due when 8 KiB have been read.
        while not peer.readable():
            assert sent < 4 * MIB
            peer.send(4 * KIB * b"a")
            sent += 4 * KIB
        assert last_response(peer).status == 431
    assert site.cpu() - before < 0.5


@pytest.mark.parametrize(
    "value", [b"\xff\xfe", b"b" + 32_000 * b" " + b"x", b"chat, ", b"a b"], ids=range(4)
)
def test_row_12_odd_subprotocols(site: ServerProcess, value: bytes) -> None:
    before = site.cpu()
    with site.connect() as peer:
        peer.send(handshake(b"Sec-WebSocket-Protocol: " + value))
        head = peer.read_head()
    assert head.status in {101, 400, 431}
    assert "sec-websocket-protocol" not in head.headers
    assert site.cpu() - before < 0.5


@pytest.mark.parametrize(
    "value",
    [
        ",;=;",
        "constructor",
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        ", ".join(["x-offer"] * 1000)[:8000],
    ],
    ids=["separators", "unknown", "99 bits", "7 bits", "twice", "1,000 offers"],
)
def test_row_13_odd_extensions(site: ServerProcess, value: str) -> None:
    with site.connect() as peer:
        peer.send(handshake(f"Sec-WebSocket-Extensions: {value}"))
        head = peer.read_head()
    assert head.status in {101, 400}
    assert "sec-websocket-extensions" not in head.headers


# -------------------------------------------------------------------------------- rows 14 to 18


def test_row_14_a_handshake_that_takes_too_long(site: ServerProcess) -> None:
    """Time is absolute (1 s here): a byte now and then does not buy more of it."""
    with site.connect() as silent, site.connect() as dribbling:
        for at in range(len(HANDSHAKE)):
            if dribbling.readable(0.1):
                break
            dribbling.send(HANDSHAKE[at : at + 1])
        assert at < len(HANDSHAKE) // 2
        assert last_response(dribbling).status == 408
        assert last_response(silent).status == 408


def test_row_14_many_that_say_nothing(echo: Echo) -> None:
    """200 here, 500 in the row."""
    silent = [echo.site.connect() for _ in range(200)]
    before = echo.site.cpu()
    with echo.open(rest=HI) as peer:
        assert peer.read_message() == "Hi"
    assert echo.site.cpu() - before < 0.5
    for client in silent:
        client.close()


@pytest.mark.parametrize(
    ("opening", "statuses"),
    [
        (hexed("16 03 01 02 00 01 00 01 fc 03 03"), {400}),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ],
    ids=["TLS", "HTTP/2"],
)
def test_row_15_other_protocols(site: ServerProcess, opening: bytes, statuses: set[int]) -> None:
    assert refusal(site, opening).status in statuses


def test_row_16_a_pipeline_without_an_end(site: ServerProcess) -> None:
    """10,000 requests in the row, 430 KB; here as many as the kernel takes when nobody reads."""
    with site.connect() as peer, site.grows_less_than(3 * MIB):
        sent = peer.send_all_it_takes(1000 * get("/slow"), most=40 * MIB)
        assert sent < 40 * MIB, "reading did not stop"


def test_row_17_nothing_behind_a_bad_handshake(site: ServerProcess) -> None:
    site.get("/calls")
    head = refusal(site, handshake("Sec-WebSocket-Version: 12") + get("/http"))
    assert head.status == 426
    assert site.get("/calls") == {}


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://good.test.evil.test"])
def test_row_18_other_origins(site: ServerProcess, origin: str) -> None:
    site.get("/calls")
    for path in ("/allow-list", "/ws"):
        assert refusal(site, handshake(f"Origin: {origin}", path=path)).status == 403
    assert site.get("/calls") == {}


@pytest.mark.parametrize(
    ("path", "origin"), [("/allow-list", "http://good.test"), ("/ws", "http://localhost")]
)
def test_row_18_origins_that_may(site: ServerProcess, path: str, origin: str) -> None:
    with site.connect() as peer:
        peer.send(handshake(f"Origin: {origin}", path=path))
        assert peer.read_head().status == 101


def test_row_18_a_host_in_disguise(site: ServerProcess) -> None:
    assert refusal(site, handshake("Origin: http://localhost.evil.test")).status == 403


# ------------------------------------------------------------------------- beside the table


def test_connections_are_kept_alive_and_then_closed(site: ServerProcess) -> None:
    with site.connect() as peer:
        for _ in range(3):
            peer.send(get("/http"))
            head = peer.read_head()
            assert peer.read_body(head) == b"ok"
            assert "connection" not in head.headers
        assert peer.is_over()  # keep_alive_timeout, without a word


def test_pipelined_requests_are_answered_in_order(site: ServerProcess) -> None:
    with site.connect() as peer:
        peer.send(get("/http") + get("/slow") + get("/nowhere") + get("/http"))
        peer.finish()
        statuses = []
        for _ in range(4):
            head = peer.read_head()
            peer.read_body(head)
            statuses.append(head.status)
        assert statuses == [200, 200, 404, 200]
        assert peer.is_over()


def test_a_request_cut_off_by_the_clients_end_is_answered_400(site: ServerProcess) -> None:
    with site.connect() as peer:
        peer.send(get("/http")[:-2])
        peer.finish()
        assert last_response(peer).status == 400


def test_a_large_response_reaches_a_slow_reader_whole(site: ServerProcess) -> None:
    """It takes longer than ``keep_alive_timeout`` and ``close_timeout``, 1 s and 0.5 s here."""
    with (
        site.connect(receive_buffer=65536) as closed,
        site.connect(receive_buffer=65536) as kept_alive,
    ):
        closed.send(get("/large", "Connection: close"))
        kept_alive.send(get("/large"))
        sizes = {
            peer: int(peer.read_head().headers["content-length"]) for peer in (closed, kept_alive)
        }
        for _ in range(6):
            time.sleep(0.2)  # it is slowness that is tested
            for peer, size in sizes.items():
                assert peer.read(size // 6) == bytes(size // 6)
        assert closed.is_over()
        assert kept_alive.is_over()


def test_every_path_gets_an_answer(site: ServerProcess) -> None:
    for path in ("/%ff", "/%00", "/%2e%2e/x", "//", "/http%2F", "/?a=%ff&b=%", "*", "/http?" + "a"):
        with site.connect() as peer:
            peer.send(get(path, "Connection: close"))
            assert peer.read_head().status in {200, 400, 404}, path


def test_a_text_message_after_a_404_is_no_request(site: ServerProcess) -> None:
    assert refusal(site, handshake(path="/nowhere") + text("hello") + get("/http")).status == 404


def test_many_clients_in_turn_leave_nothing_behind(echo: Echo) -> None:
    for _ in range(30):
        with echo.open(rest=HI) as peer:
            assert peer.read_message() == "Hi"
