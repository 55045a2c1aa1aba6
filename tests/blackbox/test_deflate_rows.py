"""Rows 13 and 42 to 48: permessage-deflate, byte for byte, against both kinds of handler."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import Echo
from .peer import BINARY, PING, PONG, TEXT, Peer, frame, handshake, hexed
from .server import KIB, MIB

MASK = "37 fa 21 3d"
OFFER = "Sec-WebSocket-Extensions: permessage-deflate"
COMPRESSED = 0x40
LIMIT = MIB
TAIL = b"\0\0\xff\xff"


def deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def ask(echo: Echo, offer: str) -> tuple[int, str | None]:
    """Shake hands; give the status and what was agreed on."""
    with echo.site.connect() as peer:
        peer.send(handshake(offer, path=echo.prefix + "/ws"))
        head = peer.read_head()
        return head.status, head.headers.get("sec-websocket-extensions")


@contextmanager
def compressed(echo: Echo, path: str = "/ws") -> Iterator[Peer]:
    """Open a WebSocket on which compression is agreed on."""
    with echo.site.connect() as peer:
        peer.send(handshake(OFFER, path=echo.prefix + path))
        head = peer.read_head()
        assert head.status == 101
        assert head.headers["sec-websocket-extensions"].startswith("permessage-deflate")
        yield peer


def fails(echo: Echo, data: bytes, *codes: int) -> None:
    """See that ``data`` fails the connection: whole, and byte by byte if it is short."""
    ways = [[data]]
    if len(data) < 100:
        ways.append([data[at : at + 1] for at in range(len(data))])
    for pieces in ways:
        with compressed(echo) as peer:
            peer.send(*pieces)
            assert peer.read_close()[0] in codes
            assert peer.is_over()


def read_text(peer: Peer) -> str:
    """Read a message, compressed or not."""
    first, payload = peer.read_frame()
    if first == 0x80 | TEXT | COMPRESSED:
        return zlib.decompressobj(-15).decompress(payload + TAIL).decode()
    assert first == 0x80 | TEXT
    return payload.decode()


# ---------------------------------------------------------------------------------- row 13


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; unheard_of",
        "constructor",
        "x-webkit-deflate-frame",
        ", ".join(["permessage-deflate; unheard_of"] * 200),
    ],
)
def test_row_13_an_offer_that_can_not_be_taken_is_declined(echo: Echo, offer: str) -> None:
    assert ask(echo, f"Sec-WebSocket-Extensions: {offer}") == (101, None)


@pytest.mark.parametrize("offer", [",;=;", "permessage-deflate;", "permessage-deflate; a="])
def test_row_13_an_offer_that_is_malformed_is_refused(echo: Echo, offer: str) -> None:
    assert ask(echo, f"Sec-WebSocket-Extensions: {offer}") == (400, None)


def test_row_13_a_thousand_offers(echo: Echo) -> None:
    offers = ["x; a=1"] * 999 + ["permessage-deflate"]
    status, agreed = ask(echo, "Sec-WebSocket-Extensions: " + ",".join(offers))
    assert status in (101, 431)
    assert status == 431 or str(agreed).startswith("permessage-deflate")


def test_row_13_a_later_offer_may_be_taken(echo: Echo) -> None:
    offer = "permessage-deflate; server_max_window_bits=99, permessage-deflate"
    status, agreed = ask(echo, f"Sec-WebSocket-Extensions: {offer}")
    assert (status, agreed) == (101, "permessage-deflate; server_max_window_bits=12")


# ------------------------------------------------------------------------- rows 42 to 44


def test_row_42_a_ping_between_compressed_fragments(echo: Echo) -> None:
    payload = deflate(b"Hello, Hello, Hello")
    with compressed(echo) as peer:
        peer.send(frame(TEXT, payload[:5], fin=False, rsv=COMPRESSED))
        peer.send(frame(PING, b"now"))
        assert peer.read_frame() == (0x80 | PONG, b"now")
        peer.send(frame(0, payload[5:]))
        assert read_text(peer) == "Hello, Hello, Hello"


BOMB = deflate(bytes(64 * MIB))


@pytest.mark.parametrize("pieces", [1, 8])
def test_row_43_a_bomb(echo: Echo, pieces: int) -> None:
    assert len(BOMB) < 66 * KIB
    size = len(BOMB) // pieces + 1
    parts = [BOMB[at : at + size] for at in range(0, len(BOMB), size)]
    data = frame(BINARY, parts[0], fin=pieces == 1, rsv=COMPRESSED)
    data += b"".join(frame(0, part, fin=part is parts[-1]) for part in parts[1:])
    with echo.site.grows_less_than(8 * MIB):
        fails(echo, data, 1009)


def test_row_43_many_bombs_in_a_read(echo: Echo) -> None:
    """Each is within the limit; 100 MiB of them arrive before the handler takes the second."""
    data = frame(BINARY, deflate(bytes(MIB)), rsv=COMPRESSED) * 100
    with echo.site.grows_less_than(24 * MIB), compressed(echo, "/busy?pause=0.1") as peer:
        peer.send(data)
        assert peer.read_close()[0] == 1000


def test_row_43_many_bombs_in_a_read_arrive_all(echo: Echo) -> None:
    data = frame(BINARY, deflate(bytes(MIB)), rsv=COMPRESSED) * 100
    with echo.site.grows_less_than(16 * MIB), compressed(echo, "/asleep") as peer:
        peer.send(data)
        assert read_text(peer) == f"{100 * MIB} bytes in 100"


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False), (2, False)])
def test_row_44_the_limit_is_exact(echo: Echo, extra: int, fits: bool) -> None:
    data = frame(TEXT, deflate(b"a" * (LIMIT + extra)), rsv=COMPRESSED)
    if not fits:
        fails(echo, data, 1009)
        return
    with compressed(echo) as peer:
        peer.send(data)
        inflater = zlib.decompressobj(-15)
        size, first = 0, 0
        while not first & 0x80:  # it comes back in fragments
            first, payload = peer.read_frame()
            size += len(inflater.decompress(payload))
        size += len(inflater.decompress(TAIL))
        assert size == LIMIT


# ------------------------------------------------------------------------- rows 45 to 48


def test_row_45_what_is_not_deflate(echo: Echo) -> None:
    fails(echo, hexed(f"c1 85 {MASK} c8 05 de c2 c8"), 1002, 1007)


def test_row_46_the_bit_where_it_may_not_stand(echo: Echo) -> None:
    fails(echo, hexed(f"41 80 {MASK} c0 80 {MASK}"), 1002)
    fails(echo, hexed(f"c9 81 {MASK} 4f"), 1002)


def test_row_47_a_final_block_and_then_another_message(echo: Echo) -> None:
    with compressed(echo) as peer:
        peer.send(hexed(f"c1 88 {MASK} c4 b2 ec f4 fe fd 21 3d"))
        assert read_text(peer) == "Hello"
        peer.send(hexed(f"c1 87 {MASK} c5 b2 ec f4 fe fd 21"))
        assert read_text(peer) == "Hello"


def test_row_48_junk_behind_a_final_block(echo: Echo) -> None:
    fails(echo, hexed(f"c1 8b {MASK} c4 b2 ec f4 fe fd 21 77 62 b4 6a"), 1002, 1007)
