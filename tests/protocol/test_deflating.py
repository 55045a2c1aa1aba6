"""permessage-deflate at work, by itself and in a connection."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi._speedups.deflate import deflate as deflate_name
from fasterapi.errors import RemoteProtocolError
from fasterapi.limits import MAX_FINAL_BLOCKS
from fasterapi.protocol import Closed, Extension, Frame, Opcode, Ping, Role, WebSocketConnection
from fasterapi.protocol.deflate import Compression, PerMessageDeflate
from fasterapi.protocol.deflating import DeflaterPool

from .deflated import TAIL, agree, connect, deflate, server, wire
from .wire import BINARY, CONT, PING, TEXT, split

# ---------------------------------------------------------------------------------- sending


def test_what_is_compressed() -> None:
    ours, _ = connect()
    for text, compress, compressed in (
        ("short", None, False),
        ("short", True, True),
        ("x" * 64, None, True),
        ("x" * 64, False, False),
        ("", True, True),
        ("", None, False),
    ):
        ours.send_text(text, compress=compress)
        data = ours.data_to_send()
        assert bool(data[0] & 0x40) is compressed, (text, compress)


def test_the_example_of_the_rfc() -> None:
    # Section 7.2.3.1 and 7.2.3.2: the same text twice, the second time out of the window.
    ours, _ = connect(Compression(level=-1))
    sizes = []
    for _ in range(2):
        ours.send_text("Hello", compress=True)
        sizes.append(ours.data_to_send())
    assert len(sizes[1]) < len(sizes[0])
    if deflate_name == "zlib":  # others may write the same in other ways
        assert sizes[0] == bytes.fromhex("c107f248cdc9c90700")
        assert sizes[1] == bytes.fromhex("c105f200110000")


def test_an_empty_message_is_one_byte_whenever_it_comes() -> None:
    ours, theirs = connect()
    for text in ("", "", "text", "", ""):
        ours.send_text(text, compress=True)
        data = ours.data_to_send()
        assert data[0] & 0x40
        assert theirs.receive_data(data) == [text]
    assert data == b"\xc1\x01\x00"


@pytest.mark.parametrize("compress", [None, True, False])
def test_fragments_carry_the_bit_once(compress: bool | None) -> None:
    ours, theirs = connect()
    for part, fin in (("one " * 50, False), ("", False), ("two " * 50, False), ("", True)):
        ours.send_fragment(part, fin=fin, compress=compress)
    firsts = []
    data = ours.data_to_send()
    position = 0
    while position < len(data):
        length = data[position + 1]
        size = 2
        if length == 126:
            length, size = int.from_bytes(data[position + 2 : position + 4], "big"), 4
        firsts.append(data[position])
        position += size + length
    bit = 0 if compress is False else 0x40
    assert firsts == [TEXT | bit, CONT, CONT, 0x80 | CONT]
    assert theirs.receive_data(data) == ["one " * 50 + "two " * 50]


def test_without_context_each_message_stands_for_itself() -> None:
    ours, theirs = connect(Compression(context_takeover=False))
    sent = []
    for _ in range(3):
        ours.send_text("the same again " * 10)
        sent.append(ours.data_to_send())
    assert sent[0] == sent[1] == sent[2]
    for data in reversed(sent):
        assert theirs.receive_data(data) == ["the same again " * 10]


def test_a_connection_on_which_nothing_is_compressed_keeps_nothing() -> None:
    connections = [connect() for _ in range(2)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for ours, theirs in connections:
        ours.send_text("short")
        assert theirs.receive_data(ours.data_to_send()) == ["short"]
    assert tracemalloc.get_traced_memory()[0] - before < 4096
    tracemalloc.stop()


# ----------------------------------------------------------------------- shared compressors


def test_connections_without_context_share_a_compressor() -> None:
    factory = PerMessageDeflate(Compression(context_takeover=False))
    made = count_deflaters(factory)
    pairs = []
    for _ in range(20):
        agreed = factory.respond(())
        assert agreed is not None
        pairs.append(WebSocketConnection(Role.SERVER, extensions=[agreed[1]]))
    secret = "a secret of somebody else " * 3
    sizes = set()
    for ours in pairs:
        ours.send_text(secret)
        data = ours.data_to_send()
        sizes.add(len(data))
        # Whoever has seen no other message understands it: it refers to none.
        assert zlib.decompressobj(-12).decompress(data[2:] + TAIL).decode() == secret
    assert len(sizes) == 1
    assert made == [12]


def test_a_message_in_fragments_keeps_the_compressor_to_itself() -> None:
    factory = PerMessageDeflate(Compression(context_takeover=False))
    made = count_deflaters(factory)
    client = PerMessageDeflate()
    ends = []
    for _ in range(2):
        agreed = factory.respond(())
        assert agreed is not None
        ends.append((
            WebSocketConnection(Role.SERVER, extensions=[agreed[1]]),
            WebSocketConnection(Role.CLIENT, extensions=[client.accept(agreed[0])]),
        ))  # fmt: skip
    for part in ("one ", "two ", "three "):
        for ours, _ in ends:
            ours.send_fragment(part * 30, fin=False)
    for ours, theirs in ends:
        ours.send_fragment("", fin=True)
        ours.send_text("whole " * 20)
        received = theirs.receive_data(ours.data_to_send())
        assert received == ["one " * 30 + "two " * 30 + "three " * 30, "whole " * 20]
    assert made == [12, 12]


def count_deflaters(factory: PerMessageDeflate) -> list[int]:
    """Give a list that grows by a window's size with every compressor that is made."""
    made: list[int] = []

    class Counting(DeflaterPool):
        def make(self, bits: int) -> Any:
            made.append(bits)
            return super().make(bits)

    factory._pool = Counting(6, 5)
    return made


# -------------------------------------------------------------------------------- receiving


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_the_limit_counts_what_was_inflated(kind: int, pieces: int) -> None:
    for size, fits in ((1000, True), (1001, False), (1002, False), (100_000, False)):
        payload = deflate(b"a" * size)
        parts = split(payload, range(len(payload) // pieces + 1, len(payload), 4))
        firsts = [kind | 0x40, *[CONT] * (len(parts) - 1)]
        firsts[-1] |= 0x80
        data = b"".join(wire(first, part) for first, part in zip(firsts, parts, strict=True))
        (event,) = server(max_message_size=1000).receive_data(data)
        if fits:
            assert event in ("a" * size, b"a" * size)
        else:
            assert isinstance(event, Closed)
            assert event.code == 1009


def test_what_can_not_be_compressed_may_be_as_long_as_the_limit() -> None:
    data = os.urandom(70_000)
    ours, theirs = connect(max_message_size=len(data))
    theirs.send_binary(data, compress=True)
    sent = theirs.data_to_send()
    assert len(sent) > len(data) + 14
    assert ours.receive_data(sent) == [data]


@pytest.mark.parametrize("size", [500, 5000, 70_000])
@pytest.mark.parametrize(
    ("memory", "strategy"),
    [(1, zlib.Z_DEFAULT_STRATEGY), (9, zlib.Z_DEFAULT_STRATEGY), (9, zlib.Z_FIXED)],
)
def test_a_peer_may_be_bad_at_what_can_not_be_compressed(
    size: int, memory: int, strategy: int
) -> None:
    data = bytes(Random(7).choices(range(144, 256), k=size))  # nine bits each in the fixed codes
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12, memory, strategy)
    payload = (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    ours = server(max_message_size=size)
    assert ours.receive_data(wire(0x80 | BINARY | 0x40, payload)) == [data]


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    bomb = deflate(bytes(64 << 20))
    assert len(bomb) < 70_000
    ours = server()
    data = wire(0x80 | BINARY | 0x40, bomb)
    tracemalloc.start()
    (event,) = ours.receive_data(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(event, Closed)
    assert event.code == 1009
    assert peak < 4 << 20


@pytest.mark.parametrize("cuts", [(), (1,), (3,), (6, 7), (1, 2, 3, 4, 5, 6, 7)])
def test_a_final_block_ends_a_message_and_no_more(cuts: tuple[int, ...]) -> None:
    # Section 7.2.3.4; what comes next may refer back to what came before.
    ours = server()
    first = deflate(b"Hello", final=True)
    parts = split(first, list(cuts))
    firsts = [TEXT | 0x40, *[CONT] * (len(parts) - 1)]
    firsts[-1] |= 0x80
    events = []
    for begin, part in zip(firsts, parts, strict=True):
        events += ours.receive_data(wire(begin, part))
    again = zlib.compressobj(9, zlib.DEFLATED, -12, zdict=b"Hello")
    for text in (b"Hello", b"Hello, Hello"):
        data = (again.compress(text) + again.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert len(data) < len(deflate(text))
        events += ours.receive_data(wire(0x80 | TEXT | 0x40, data))
    assert events == ["Hello", "Hello", "Hello, Hello"]


@pytest.mark.parametrize("cuts", [(), (3,), (7,), (8,), (7, 10, 14), tuple(range(1, 15))])
@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize("final", [True, False])
def test_behind_a_final_block_another_may_follow(
    final: bool, context: bool, cuts: tuple[int, ...]
) -> None:
    # Section 7.2.3.5.
    ours, _ = connect(Compression(context_takeover=context))
    payload = deflate(b"Hello", final=True)[:-1] + deflate(b", you", final=final)
    for _ in range(2):
        parts = split(payload, [cut for cut in cuts if cut < len(payload)])
        firsts = [TEXT | 0x40, *[CONT] * (len(parts) - 1)]
        firsts[-1] |= 0x80
        data = b"".join(wire(first, part) for first, part in zip(firsts, parts, strict=True))
        assert ours.receive_data(data) == ["Hello, you"]


def test_what_follows_a_final_block_may_refer_back_and_counts() -> None:
    text = os.urandom(900)
    again = zlib.compressobj(9, zlib.DEFLATED, -12, zdict=text)
    payload = deflate(text, final=True)[:-1] + again.compress(text) + again.flush()
    data = wire(0x80 | BINARY | 0x40, payload + b"\x00")
    assert len(data) < 1000
    assert server(max_message_size=1800).receive_data(data) == [text * 2]
    (closed,) = server(max_message_size=1799).receive_data(data)
    assert isinstance(closed, Closed)
    assert closed.code == 1009


def test_final_blocks_of_a_frame_are_counted() -> None:
    empty = zlib.compressobj(9, zlib.DEFLATED, -12).flush()
    frames = [wire(BINARY | 0x40, b""), *[wire(CONT, empty * MAX_FINAL_BLOCKS)] * 3]
    assert server().receive_data(b"".join(frames) + wire(0x80 | CONT, b"\x00")) == [b""]
    (closed,) = server().receive_data(wire(BINARY | 0x40, empty * (MAX_FINAL_BLOCKS + 1)))
    assert closed == Closed(1008, "frame of over 8 final blocks of DEFLATE")


@pytest.mark.parametrize("size", [1500, 6000])
@pytest.mark.parametrize("finals", ["1", "001", "101", "0110", "111111"])
def test_a_final_block_keeps_the_whole_window(finals: str, size: int) -> None:
    # What comes next may refer as far back as the window reaches, over messages that ended theirs.
    ours = server()
    random = Random(7)
    said = b""
    for final in finals + "0":
        again = said[-3800:-2900]  # zlib refers no further back than its window less 262
        text = again + random.randbytes(size)
        deflater = zlib.compressobj(9, zlib.DEFLATED, -12, zdict=said[-4096:])
        data = deflater.compress(text)
        if final == "1":
            data += deflater.flush(zlib.Z_FINISH) + b"\x00"
        else:
            data += deflater.flush(zlib.Z_SYNC_FLUSH)[:-4]
        assert len(data) < size + 100
        assert ours.receive_data(wire(0x80 | BINARY | 0x40, data)) == [text]
        said += text


def test_a_final_block_without_the_byte_behind_it() -> None:
    ours = server()
    for _ in range(2):
        data = wire(0x80 | TEXT | 0x40, deflate(b"Hello", final=True)[:-1])
        assert ours.receive_data(data) == ["Hello"]


def test_an_empty_block_that_ends_a_message_may_be_a_final_one() -> None:
    ours = server()
    for _ in range(2):
        data = wire(0x80 | TEXT | 0x40, deflate(b"Hello", final=True)[:-1] + b"\x01")
        assert ours.receive_data(data) == ["Hello"]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff" * 5,
        deflate(b"Hello", final=True) + b"junk",
        deflate(b"Hello", final=True) + b"\x00",
        deflate(b"Hello", final=True)[:-1] + b"\x07",
        deflate(b"Hello", final=True)[:-1] + b"JUNK",  # which begins as DEFLATE may
        deflate(b"Hello", final=True) + b"KNUJ" * 3,
    ],
)
def test_what_is_not_deflate(payload: bytes) -> None:
    (event,) = server().receive_data(wire(0x80 | BINARY | 0x40, payload))
    assert isinstance(event, Closed)
    assert event.code == 1007
    for cut in range(len(payload)):
        data = wire(BINARY | 0x40, payload[:cut]) + wire(0x80 | CONT, payload[cut:])
        (event,) = server().receive_data(data)
        assert isinstance(event, Closed)
        assert event.code == 1007


def test_the_bit_belongs_to_the_first_frame() -> None:
    for first in (TEXT, TEXT | 0x40):
        data = wire(first, b"") + wire(0x80 | CONT | 0x40, b"")
        (event,) = server().receive_data(data)
        assert isinstance(event, Closed)
        assert event.code == 1002
    (event,) = server().receive_data(wire(0x80 | PING | 0x40, b"x"))
    assert isinstance(event, Closed)
    assert event.code == 1002


def test_a_ping_within_a_compressed_message_harms_nothing() -> None:
    payload = deflate(b"Hello, Hello")
    data = wire(TEXT | 0x40, payload[:4]) + wire(0x80 | PING, b"p") + wire(0x80 | CONT, payload[4:])
    for step in (1, 5, len(data)):
        ours = server()
        events: list[object] = []
        for piece in split(data, range(step, len(data), step)):
            events += ours.receive_data(piece)
        assert events == [Ping(b"p"), "Hello, Hello"]


def test_text_that_is_not_utf_8_when_it_is_inflated() -> None:
    (event,) = server().receive_data(wire(0x80 | TEXT | 0x40, deflate(b"\xff")))
    assert isinstance(event, Closed)
    assert event.code == 1007


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_end_in_a_message_or_an_error(data: bytes, limit: int) -> None:
    ours, _ = agree()
    try:
        frame_ = ours.decode(Frame(Opcode.BINARY, data, rsv=0x40), limit=limit)
    except RemoteProtocolError:
        return
    assert len(frame_.payload) <= limit + 1


class Reverse(Extension):
    """Another extension, with a bit of its own."""

    rsv = 0x20

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        return Frame(frame.opcode, frame.payload[::-1], frame.fin, frame.rsv & ~self.rsv)


def test_a_message_of_another_extension_is_left_to_it() -> None:
    ours = WebSocketConnection(Role.SERVER, extensions=[agree()[0], Reverse()])
    assert ours.receive_data(wire(0x80 | TEXT | 0x20, b"cba")) == ["abc"]
    both = deflate(b"abc")[::-1]
    assert ours.receive_data(wire(0x80 | TEXT | 0x60, both)) == ["abc"]
