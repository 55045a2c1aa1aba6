"""permessage-deflate by itself and in a connection, beside the implementation of websockets."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate as Theirs
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode as TheirOpcode

from fasterapi._speedups.deflate import deflate as deflate_name
from fasterapi.errors import HandshakeError, RemoteProtocolError
from fasterapi.limits import Limits
from fasterapi.protocol import (
    Closed,
    Extension,
    Frame,
    Opcode,
    Ping,
    Pong,
    Role,
    WebSocketConnection,
)
from fasterapi.protocol.deflate import Compression, PerMessageDeflate, extension_factories
from fasterapi.protocol.deflating import DeflaterPool

from .wire import BINARY, CONT, PING, TEXT, frame, split

TAIL = b"\x00\x00\xff\xff"
Pair = tuple[WebSocketConnection, WebSocketConnection]


def agree(
    server: Compression | None = None, client: Compression | None = None, offer: int = 0
) -> tuple[Any, Any]:
    """Negotiate, and give the extension of the server and of the client."""
    factory = PerMessageDeflate(client or Compression())
    agreed = PerMessageDeflate(server or Compression()).respond(factory.offers()[offer])
    assert agreed is not None
    params, extension = agreed
    return extension, factory.accept(params)


def connect(
    server: Compression | None = None, client: Compression | None = None, **limits: Any
) -> Pair:
    """Give both ends of a WebSocket."""
    ours, theirs = agree(server, client)
    return (
        WebSocketConnection(Role.SERVER, extensions=[ours], limits=Limits(**limits)),
        WebSocketConnection(Role.CLIENT, extensions=[theirs], limits=Limits(**limits)),
    )


def server(**limits: Any) -> WebSocketConnection:
    return connect(**limits)[0]


def deflate(data: bytes, *, final: bool = False) -> bytes:
    """Compress a message with zlib alone."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    if final:
        return deflater.compress(data) + deflater.flush(zlib.Z_FINISH) + b"\x00"
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def wire(first: int, payload: bytes) -> bytes:
    return frame(first & 0x0F, payload, fin=bool(first & 0x80), rsv=first & 0x70)


# ------------------------------------------------------------------------------ negotiation


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ({}, {"server_max_window_bits": "12"}),
        ({"client_max_window_bits": None},
         {"server_max_window_bits": "12", "client_max_window_bits": "12"}),
        ({"client_max_window_bits": "10"},
         {"server_max_window_bits": "12", "client_max_window_bits": "10"}),
        ({"client_max_window_bits": "8"},
         {"server_max_window_bits": "12", "client_max_window_bits": "8"}),
        ({"client_max_window_bits": "15"},
         {"server_max_window_bits": "12", "client_max_window_bits": "12"}),
        ({"server_max_window_bits": "9"}, {"server_max_window_bits": "9"}),
        ({"server_max_window_bits": "15"}, {"server_max_window_bits": "12"}),
        ({"server_no_context_takeover": None},
         {"server_no_context_takeover": None, "server_max_window_bits": "12"}),
        ({"client_no_context_takeover": None},
         {"client_no_context_takeover": None, "server_max_window_bits": "12"}),
    ],
)  # fmt: skip
def test_what_a_server_answers(offer: dict[str, str | None], answer: dict[str, str | None]) -> None:
    agreed = PerMessageDeflate().respond(tuple(offer.items()))
    assert agreed is not None
    assert dict(agreed[0]) == answer


@pytest.mark.parametrize(
    "offer",
    [
        (("server_max_window_bits", None),),
        (("server_max_window_bits", "8"),),  # which zlib can't compress with
        (("server_max_window_bits", "7"),),
        (("server_max_window_bits", "16"),),
        (("server_max_window_bits", "99"),),
        (("server_max_window_bits", "012"),),
        (("server_max_window_bits", "+9"),),
        (("client_max_window_bits", "7"),),
        (("client_max_window_bits", ""),),
        (("server_no_context_takeover", "1"),),
        (("client_no_context_takeover", "yes"),),
        (("client_max_window_bits", None), ("client_max_window_bits", "10")),
        (("server_no_context_takeover", None), ("server_no_context_takeover", None)),
        (("constructor", None),),
        (("mux", "1"),),
    ],
)
def test_what_a_server_declines(offer: tuple[tuple[str, str | None], ...]) -> None:
    assert PerMessageDeflate().respond(offer) is None


def test_a_server_that_keeps_no_context_says_so() -> None:
    agreed = PerMessageDeflate(Compression(window_bits=15, context_takeover=False)).respond(())
    assert agreed is not None
    assert dict(agreed[0]) == dict.fromkeys(
        ("server_no_context_takeover", "client_no_context_takeover")
    )


def test_what_a_client_offers() -> None:
    bits = ("client_max_window_bits", None)
    assert PerMessageDeflate(Compression(window_bits=15)).offers() == [(bits,)]
    assert PerMessageDeflate().offers() == [(bits, ("server_max_window_bits", "12")), (bits,)]
    flags = (("server_no_context_takeover", None), ("client_no_context_takeover", None))
    offers = PerMessageDeflate(Compression(window_bits=15, context_takeover=False)).offers()
    assert offers == [(*flags, bits)]


@pytest.mark.parametrize(
    "answer",
    [
        (("client_max_window_bits", None),),
        (("server_max_window_bits", "7"),),
        (("mux", None),),
        (("server_no_context_takeover", "0"),),
    ],
)
def test_an_answer_that_makes_no_sense(answer: tuple[tuple[str, str | None], ...]) -> None:
    with pytest.raises(HandshakeError):
        PerMessageDeflate().accept(answer)


def test_a_client_that_is_asked_for_what_zlib_can_not_do_compresses_nothing() -> None:
    extension = PerMessageDeflate().accept((("client_max_window_bits", "8"),))
    sent = Frame(Opcode.TEXT, b"x" * 1000)
    assert extension.encode(sent, compress=True) is sent


@pytest.mark.parametrize(
    "wrong",
    [{"window_bits": 8}, {"window_bits": 16}, {"memory_level": 0}, {"level": 10}, {"level": -2}],
)
def test_options_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} has to be from"):
        Compression(**wrong)


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


# ------------------------------------------------------------------- long messages, in pieces

PIECE = 64 * 1024
LONG = "".join(f"{number} bottles, " for number in range(40_000))
assert len(LONG) > 8 * PIECE


def piecewise(**limits: Any) -> Pair:
    ours, theirs = connect(**{"max_message_size": 64 << 20, **limits})
    ours.piecewise = True
    return ours, theirs


def drain(ours: WebSocketConnection, theirs: WebSocketConnection) -> list[object]:
    """Hand out everything, and give what the peer makes of it."""
    events: list[object] = []
    while ours.has_data_to_send():
        events += theirs.receive_data(ours.data_to_send())
    return events


def test_a_long_message_is_encoded_as_it_is_fetched() -> None:
    ours, theirs = piecewise()
    ours.send_text(LONG)
    assert ours.behind
    assert ours.queued == len(LONG)
    first = ours.data_to_send()
    assert first[0] == TEXT | 0x40  # and so there are more
    assert ours.queued == len(LONG) - PIECE
    assert ours.has_data_to_send()
    assert theirs.receive_data(first) == []
    assert drain(ours, theirs) == [LONG]
    assert not ours.behind
    assert ours.queued == 0
    ours.send_text("short")  # goes straight through again
    assert theirs.receive_data(ours.data_to_send()) == ["short"]


def test_without_that_wish_it_is_encoded_at_once() -> None:
    ours, theirs = connect(max_message_size=64 << 20)
    ours.send_text(LONG)
    assert not ours.behind
    assert theirs.receive_data(ours.data_to_send()) == [LONG]


def test_pieces_need_not_be_joined() -> None:
    ours, theirs = piecewise()
    ours.send_binary(os.urandom(3 * PIECE))
    counts = []
    received: list[object] = []
    while ours.has_data_to_send():
        pieces = ours.pieces_to_send()
        counts.append(len(pieces))
        received += theirs.receive_data(b"".join(pieces))
    assert counts == [2, 2, 2]
    assert [len(message) for message in received if isinstance(message, bytes)] == [3 * PIECE]


def test_what_is_not_to_be_compressed_stays_whole() -> None:
    ours, theirs = piecewise()
    ours.send_text(LONG, compress=False)
    assert not ours.behind
    assert theirs.receive_data(ours.data_to_send()) == [LONG]


def test_nothing_overtakes_a_long_message_but_control_frames() -> None:
    ours, theirs = piecewise()
    ours.send_text(LONG)
    ours.send_text("short")
    ours.send_binary(b"plain", compress=False)
    ours.send_fragment(LONG[:PIECE], fin=False)
    ours.send_fragment("the end", fin=True)
    ours.ping(b"are you there?")
    events = theirs.receive_data(ours.data_to_send())
    assert events == [Ping(b"are you there?")]
    ours.receive_data(theirs.data_to_send())
    theirs.ping(b"and you?")
    ours.receive_data(theirs.data_to_send())
    assert drain(ours, theirs) == [
        Pong(b"and you?"), LONG, "short", b"plain", LONG[:PIECE] + "the end",
    ]  # fmt: skip


def test_a_close_stands_behind_a_long_message() -> None:
    ours, theirs = piecewise()
    ours.send_text(LONG)
    ours.close(1001, "bye")
    assert drain(ours, theirs) == [LONG, Closed(1001, "bye")]
    assert ours.receive_data(theirs.data_to_send()) == [Closed(1001, "bye")]
    assert ours.write_finished


def test_an_owed_close_does_too() -> None:
    ours, theirs = piecewise()
    ours.send_text(LONG)
    theirs.close(1000)
    assert ours.receive_data(theirs.data_to_send()) == [Closed(1000)]
    first = ours.data_to_send()
    assert not ours.write_finished
    assert theirs.receive_data(first) == []
    assert drain(ours, theirs) == [LONG, Closed(1000)]
    assert ours.write_finished


def test_a_peer_that_is_gone_ends_it() -> None:
    ours, _ = piecewise()
    ours.send_text(LONG)
    ours.data_to_send()
    assert ours.receive_eof() == [Closed(1006)]
    assert not ours.finished
    while ours.has_data_to_send():
        ours.data_to_send()
    assert ours.finished


def test_a_sender_who_does_not_wait_encodes_what_is_before() -> None:
    ours, theirs = piecewise(max_write_buffer=len(LONG) // 2)
    for _ in range(3):
        ours.send_text(LONG)
        assert ours.queued < len(LONG) * 2
    assert drain(ours, theirs) == [LONG] * 3


class Wide(Extension):
    """Takes pieces of a size of its own, and needs no bit."""

    piece_size = 3

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        self.seen.append(frame.payload)
        return frame


def test_a_piece_is_of_the_size_that_an_extension_likes() -> None:
    wide = Wide()
    ours = WebSocketConnection(Role.SERVER, extensions=[wide])
    ours.piecewise = True
    ours.send_text("abcdefgh")
    ours.send_text("ab")
    data = b""
    while ours.has_data_to_send():
        data += ours.data_to_send()
    assert wide.seen == [b"abc", b"def", b"gh", b"ab"]
    assert WebSocketConnection(Role.CLIENT).receive_data(data) == ["abcdefgh", "ab"]


def test_small_messages_pass_an_extension_by() -> None:
    for size, shown in ((63, False), (64, True), (199, True)):
        for role in Role:
            wide = Wide()
            wide.minimum_size = 64
            ours = WebSocketConnection(role, extensions=[wide])
            ours.send_text("x" * size)
            ours.send_binary(b"x" * size)
            assert len(wide.seen) == 2 * shown
            ours.send_text("x" * size, compress=True)
            ours.send_fragment("", fin=False)
            ours.send_fragment("", fin=True)
            assert len(wide.seen) == 2 * shown + 3


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
    for text in (b"Hello", b"Hello, Hello"):
        again = zlib.compressobj(9, zlib.DEFLATED, -12, zdict=b"Hello")
        data = (again.compress(text) + again.flush(zlib.Z_SYNC_FLUSH))[:-4]
        events += ours.receive_data(wire(0x80 | TEXT | 0x40, data))
        break
    assert events == ["Hello", "Hello"]


def test_a_final_block_without_the_byte_behind_it() -> None:
    ours = server()
    for _ in range(2):
        data = wire(0x80 | TEXT | 0x40, deflate(b"Hello", final=True)[:-1])
        assert ours.receive_data(data) == ["Hello"]


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff" * 5,
        deflate(b"Hello", final=True) + b"junk",
        deflate(b"Hello", final=True) + b"\x00",
        deflate(b"Hello", final=True)[:-1] + b"\x01",
    ],
)
def test_what_is_not_deflate(payload: bytes) -> None:
    (event,) = server().receive_data(wire(0x80 | BINARY | 0x40, payload))
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


# ------------------------------------------------------------------------ beside websockets

settings_of_both = st.builds(
    Compression,
    window_bits=st.integers(9, 15),
    memory_level=st.integers(1, 9),
    level=st.sampled_from([-1, 1, 6, 9]),
    context_takeover=st.booleans(),
    minimum_size=st.sampled_from([0, 64]),
)
some_bytes = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda word, count: word * count, st.binary(min_size=1, max_size=9),
              st.integers(0, 9000)),
)  # fmt: skip


@settings(deadline=None)
@given(settings_of_both, settings_of_both, st.lists(some_bytes, max_size=6), st.booleans())
def test_messages_come_back_as_they_were(
    one: Compression, other: Compression, messages: list[bytes], whole: bool
) -> None:
    ours, theirs = connect(one, other)
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        for message in messages:
            if whole:
                sender.send_binary(message)
            else:
                for part in split(message, [len(message) // 3, len(message) // 2]):
                    sender.send_fragment(part, fin=False)
                sender.send_fragment(b"", fin=True)
        data = sender.data_to_send()
        received: list[object] = []
        for piece in split(data, range(7, len(data), 1009)):
            received += receiver.receive_data(piece)
        assert received == messages


@settings(deadline=None)
@given(
    st.integers(9, 15), st.booleans(), st.integers(9, 15), st.booleans(),
    st.lists(some_bytes, max_size=5),
)  # fmt: skip
def test_websockets_reads_us_and_we_read_it(
    server_bits: int, server_context: bool, client_bits: int, client_context: bool,
    messages: list[bytes],
) -> None:  # fmt: skip
    params = {
        "server_max_window_bits": str(server_bits),
        "client_max_window_bits": str(client_bits),
    }
    flags = [
        (name, None)
        for name, kept in (
            ("server_no_context_takeover", server_context),
            ("client_no_context_takeover", client_context),
        )
        if not kept
    ]
    agreed = PerMessageDeflate(Compression(window_bits=15)).respond((*params.items(), *flags))
    assert agreed is not None
    ours = agreed[1]
    theirs = Theirs(
        remote_no_context_takeover=not server_context,
        local_no_context_takeover=not client_context,
        remote_max_window_bits=server_bits,
        local_max_window_bits=client_bits,
    )
    for message in messages:
        sent = ours.encode(Frame(Opcode.BINARY, message), compress=True)
        got = theirs.decode(
            TheirFrame(TheirOpcode.BINARY, sent.payload, rsv1=bool(sent.rsv & 0x40))
        )
        assert bytes(got.data) == message
        back = theirs.encode(TheirFrame(TheirOpcode.BINARY, message))
        received = ours.decode(
            Frame(Opcode.BINARY, bytes(back.data), rsv=0x40 if back.rsv1 else 0), limit=1 << 20
        )
        assert received == Frame(Opcode.BINARY, message)


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


class Other:
    """An extension's factory, by name."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_compression_stands_behind_the_other_extensions() -> None:
    one = Other("one")
    factories = extension_factories(Compression(level=1), [one])  # type: ignore[list-item]
    assert [factory.name for factory in factories] == ["one", "permessage-deflate"]
    assert extension_factories(None, [one]) == (one,)  # type: ignore[list-item]


def test_what_is_no_compression_or_is_there_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="has to be a Compression or None, not True"):
        extension_factories(True, ())  # type: ignore[arg-type]
    twice = [Other("permessage-deflate")]
    with pytest.raises(ValueError, match="two extensions of the same name"):
        extension_factories(Compression(), twice)  # type: ignore[arg-type]
