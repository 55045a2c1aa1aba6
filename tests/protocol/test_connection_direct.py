"""Messages in one frame take a shorter way through compression: nobody may notice which."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.limits import Limits
from fasterapi.protocol import Event, Role, WebSocketConnection
from fasterapi.protocol.deflating import Deflate, DeflaterPool
from fasterapi.protocol.prepared import PreparedMessage

from .deflated import wire
from .wire import BINARY, CLOSE, CONT, KEY, PING, TEXT, cuts_of, frame, split

LIMIT = 400
TAIL = b"\x00\x00\xff\xff"
BIT = 0x40


class Roundabout(Deflate):
    """Compression that is given frames only."""

    direct = False


class Watchful(Roundabout):
    """Compression that is given every data frame, so that none goes straight through."""

    every_frame = True


KINDS: list[type[Deflate]] = [Deflate, Roundabout, Watchful]


def connect(kind: type[Deflate], role: Role, *, keeps: bool, **options: Any) -> WebSocketConnection:
    """Make an end that takes messages of up to ``LIMIT`` bytes, and compresses from 20 on."""
    extension = kind(
        DeflaterPool(6, 5),
        minimum_size=20,
        send_bits=9,
        receive_bits=9,
        send_context=keeps,
        receive_context=keeps,
    )
    return WebSocketConnection(
        role, extensions=[extension], limits=Limits(max_message_size=LIMIT, **options),
        masking_key=lambda: KEY,
    )  # fmt: skip


# -------------------------------------------------------------------------------- receiving


class Part(NamedTuple):
    """A message as a peer sends it, or what it takes for one.

    Attributes:
        data: The message.
        text: Whether it says that it is text.
        final: Where the stream of DEFLATE ends: at the message's end, within it, or not.
        behind: What stands behind the payload.
        cuts: Where its payload is cut into frames.
        ping: Whether a ping stands between them.
        first: What the first byte has beside what it should have.
    """

    data: bytes
    text: bool
    compressed: bool
    final: int | None
    behind: bytes
    cuts: list[int]
    ping: bool
    first: int


some_data = st.one_of(
    st.text(max_size=60).map(str.encode),
    st.binary(max_size=60),
    st.builds(lambda word, size: (word * size)[:size], st.sampled_from([b"ab", "é".encode()]),
              st.sampled_from([0, 19, 20, 300, LIMIT - 1, LIMIT])),
)  # fmt: skip
too_much = st.sampled_from([LIMIT + 1, LIMIT + 2, 5000]).map(bytes)
rarely = st.sampled_from([0] * 30 + [0x10, 0x20, BIT, 0x03])
parts = st.builds(
    Part,
    data=some_data,
    text=st.booleans(),
    compressed=st.sampled_from([True, True, True, False]),
    final=st.sampled_from([None] * 6 + [5000] * 3 + [0, 7]),
    behind=st.sampled_from([b""] * 20 + [b"\x00", TAIL, b"\x00" + TAIL, b"\x01", b"junk"]),
    cuts=st.one_of(st.just([]), st.lists(st.integers(0, 40), max_size=3)),
    ping=st.booleans(),
    first=rarely,
)
last = st.builds(Part, too_much, st.booleans(), st.booleans(), st.just(None), st.just(b""),
                 st.sampled_from([[], [9]]), st.booleans(), st.just(0))  # fmt: skip
ends = st.sampled_from([b"", frame(CLOSE, b"\x0f\xa0bye"), frame(CONT, b"x"), b"\xc2", b"\x83\x80"])


def squeeze(message: Part, deflater: Any) -> tuple[bytes, Any]:
    """Compress a message; the compressor may end with or in it; what is behind has a new one."""
    data, final = message.data, message.final
    if final is None:
        return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4], deflater
    payload = deflater.compress(data[:final]) + deflater.flush(zlib.Z_FINISH)
    deflater = zlib.compressobj(6, zlib.DEFLATED, -9, 5)
    if not data[final:]:
        return payload + b"\x00", deflater
    behind = deflater.compress(data[final:]) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return payload + behind[:-4], deflater


def written(messages: list[Part], *, keeps: bool) -> bytes:
    """Give what a peer sends."""
    out = b""
    deflater = None
    for message in messages:
        payload = message.data
        if message.compressed:
            if deflater is None or not keeps:
                deflater = zlib.compressobj(6, zlib.DEFLATED, -9, 5)
            payload, deflater = squeeze(message, deflater)
        payload += message.behind
        frames = split(payload, [cut for cut in message.cuts if cut <= len(payload)])
        opcode = TEXT if message.text else BINARY
        for number, piece in enumerate(frames):
            first = CONT if number else opcode | (BIT if message.compressed else 0) ^ message.first
            if message.ping and number:
                out += frame(PING, b"p")
            out += wire(first | (0x80 if number == len(frames) - 1 else 0), piece)
    return out


def outcome(connection: WebSocketConnection, pieces: list[bytes]) -> tuple[Any, ...]:
    """Feed pieces, a read each, and give all that can be seen of it."""
    events: list[Event] = []
    for piece in pieces:
        events += connection.receive_data(piece)
        while connection.unread:
            events += connection.receive_data(b"")
    return list(map(repr, events)), connection.data_to_send(), connection.state


@settings(deadline=None)
@given(
    st.data(), st.lists(parts, max_size=4), st.one_of(st.none(), last), ends, st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_what_is_received_is_the_same(
    draw: st.DataObject, messages: list[Part], most: Part | None, end: bytes, keeps: bool,
    stepwise: bool,
) -> None:  # fmt: skip
    data = written([*messages, most] if most else messages, keeps=keeps) + end
    ways = [[data], split(data, range(1, len(data))), split(data, draw.draw(cuts_of(data)))]
    seen = []
    for kind in KINDS:
        for pieces in ways:
            connection = connect(kind, Role.SERVER, keeps=keeps, receive_high_water=LIMIT)
            connection.stepwise = stepwise
            seen.append(outcome(connection, pieces))
    assert seen == [seen[0]] * len(seen)


# ---------------------------------------------------------------------------------- sending

Step = Callable[[WebSocketConnection], object]
wishes = st.sampled_from([None, None, True, False])
words = st.builds(lambda word, size: (word * size)[:size], st.sampled_from(["ab", "é", "x😀"]),
                  st.sampled_from([0, 1, 19, 20, 125, 126, 3000, 70_000]))  # fmt: skip
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda text, wish: lambda ws: ws.send_text(text, compress=wish), words, wishes),
    st.builds(
        lambda text, wish: lambda ws: ws.send_binary(text.encode(), compress=wish), words, wishes
    ),
    st.builds(
        lambda text, wish: lambda ws: ws.send_prepared(PreparedMessage(text, compress=wish)),
        words, wishes,
    ),
    st.builds(
        lambda text, wish: lambda ws: (
            ws.send_fragment(text, fin=False, compress=wish), ws.send_fragment(text, fin=True)
        ),
        words, wishes,
    ),
    st.just(lambda ws: ws.ping(b"p")),
    st.just(lambda ws: ws.data_to_send()),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(steps, max_size=6), st.sampled_from(Role), st.booleans(), st.booleans())
def test_what_is_sent_is_the_same(
    taken: list[Step], role: Role, keeps: bool, piecewise: bool
) -> None:
    seen = []
    for kind in KINDS:
        connection = connect(kind, role, keeps=keeps)
        connection.piecewise = piecewise
        got = [step(connection) for step in taken]
        sent = []
        while connection.has_data_to_send():
            sent.append(connection.data_to_send())
        seen.append((got, sent, connection.queued, connection.state))
    assert seen == [seen[0]] * len(seen)
