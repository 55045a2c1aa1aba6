"""Extensions: the header's grammar, the negotiation, and an example extension at work.

The example reverses payloads. It marks a message with RSV2 on its first frame, as
permessage-deflate does with RSV1, so it goes through all that a real extension needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError

import pytest
import websockets.exceptions
import websockets.headers
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.errors import FrameError, HandshakeError, LocalProtocolError, PayloadError
from fasterapi.protocol import (
    Closed,
    Extension,
    ExtensionOffer,
    Fragment,
    Frame,
    Limits,
    Opcode,
    Ping,
    PreparedMessage,
    Role,
    State,
    WebSocketConnection,
    format_extensions,
    negotiate,
    parse_extensions,
)
from fasterapi.protocol.extensions import Params, claimed_bits

from .wire import BINARY, CLOSE, CONT, PING, TEXT, Peer, closes, connect, every_way, frame, payloads

RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10


class Reverse(Extension):
    """Reverses the payload of each frame of a message that begins with RSV2."""

    rsv = RSV2

    def __init__(self) -> None:
        self.reversing = False
        self.seen: list[tuple[bytes, int]] = []

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        self.seen.append((frame.payload, limit))
        if frame.opcode is not Opcode.CONTINUATION:
            self.reversing = bool(frame.rsv & RSV2)
        elif frame.rsv & RSV2:
            raise FrameError("RSV2 on a continuation")
        if b"!" in frame.payload:
            raise PayloadError("not to be reversed")
        payload = frame.payload[::-1] if self.reversing else frame.payload
        return frame._replace(payload=payload, rsv=frame.rsv & ~RSV2)

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        if frame.opcode is not Opcode.CONTINUATION:
            self.reversing = compress is not False
        if not self.reversing:
            return frame
        rsv = frame.rsv if frame.opcode is Opcode.CONTINUATION else frame.rsv | RSV2
        return frame._replace(payload=frame.payload[::-1], rsv=rsv)


class Double(Extension):
    """Doubles on the way in, and never makes more than ``limit`` allows it to."""

    rsv = RSV1

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        return frame._replace(payload=(frame.payload * 2)[: limit + 1], rsv=frame.rsv & ~RSV1)


class Tail(Extension):
    """Ends each frame with four bytes that the other side takes off."""

    rsv = RSV2

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        return frame._replace(payload=frame.payload + b"tail", rsv=frame.rsv | RSV2)

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        return frame._replace(payload=frame.payload[:-4], rsv=frame.rsv & ~RSV2)


class Shout(Extension):
    """Sees every frame, and needs no bit for it."""

    every_frame = True

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        return frame._replace(payload=frame.payload.upper())

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        return frame._replace(payload=frame.payload.lower())


class Careless(Extension):
    """Claims a bit and leaves it standing."""

    rsv = RSV3

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        return frame


def server(*extensions: Extension, **limits: int) -> WebSocketConnection:
    return connect(Role.SERVER, extensions=extensions, limits=Limits(**limits))


PEER = Peer(Role.SERVER)


# ------------------------------------------------------------------------------ the header


HEADERS: list[tuple[str, list[tuple[str, list[tuple[str, str | None]]]]]] = [
    ("foo", [("foo", [])]),
    ("foo, bar", [("foo", []), ("bar", [])]),
    (" foo ; a ; b=1 ,\tbar; c = 2 ", [("foo", [("a", None), ("b", "1")]), ("bar", [("c", "2")])]),
    ('foo; a="b"; c="d\\e"', [("foo", [("a", "b"), ("c", "de")])]),
    ("foo; a; a=1", [("foo", [("a", None), ("a", "1")])]),
    (",, foo ,,", [("foo", [])]),
    ("constructor", [("constructor", [])]),
    (
        "permessage-deflate; server_max_window_bits=99, permessage-deflate",
        [("permessage-deflate", [("server_max_window_bits", "99")]), ("permessage-deflate", [])],
    ),
]


@pytest.mark.parametrize(("value", "expected"), HEADERS, ids=[value for value, _ in HEADERS])
def test_offers_are_parsed(value: str, expected: list[tuple[str, Params]]) -> None:
    offers = parse_extensions([value])
    assert [(offer.name, list(offer.params)) for offer in offers] == expected
    assert websockets.headers.parse_extension(value.strip()) == expected


def test_an_offer_is_frozen() -> None:
    offer = ExtensionOffer("foo")
    assert hash(offer) == hash(ExtensionOffer("foo", ()))
    assert not hasattr(offer, "__dict__")
    with pytest.raises(FrozenInstanceError):
        offer.name = "bar"  # type: ignore[misc]


def test_several_fields_are_one_list() -> None:
    assert parse_extensions(["foo", "bar; x=1"]) == [
        ExtensionOffer("foo"),
        ExtensionOffer("bar", (("x", "1"),)),
    ]
    assert parse_extensions([]) == []
    assert len(parse_extensions([", ".join(["x; a=1"] * 1000)])) == 1000


@pytest.mark.parametrize("value", ["", " ", ",", " ,\t,"])
def test_an_empty_list_offers_nothing(value: str) -> None:
    assert parse_extensions([value]) == []


@pytest.mark.parametrize(
    "value",
    [
        ",;=;", ";", "foo;", "foo; ", "foo;;", "foo; =1", "foo; a=", 'foo; a="', 'foo; a="x" y',
        "foo=1", 'foo="1"', "foo bar", "foo; a b", "foo; a=b c", "foo\x00", "fo\xe9", "foo;\n a",
        'foo; a="b c"', 'foo; a=""', 'foo; a="\\""',
        "foo" + " " * 32_000 + "x", '"' * 32_000, "foo; a=" + '"\\' * 16_000,
    ],
    ids=lambda value: value[:12],
)  # fmt: skip
def test_what_breaks_the_grammar_is_refused(value: str) -> None:
    with pytest.raises(HandshakeError, match="malformed Sec-WebSocket-Extensions") as refusal:
        parse_extensions([value])
    assert refusal.value.status == 400
    with pytest.raises(websockets.exceptions.InvalidHeaderFormat):
        websockets.headers.parse_extension(value)


tokens = st.text("abcXYZ0189!#$%&'*+-.^_`|~", min_size=1, max_size=8)
offers_strategy = st.lists(
    st.builds(
        ExtensionOffer,
        tokens,
        st.lists(st.tuples(tokens, st.none() | tokens), max_size=3).map(tuple),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(offers_strategy)
def test_what_is_written_is_read_again(offers: list[ExtensionOffer]) -> None:
    assert parse_extensions([format_extensions(offers)]) == offers


@settings(deadline=None)
@given(st.text('ab;, ="\\\t\x00', max_size=12).map(lambda value: value.strip(" \t")))
def test_any_value_is_judged_as_websockets_judges_it(value: str) -> None:
    try:
        theirs = [
            (name, tuple(params)) for name, params in websockets.headers.parse_extension(value)
        ]
    except websockets.exceptions.InvalidHeaderFormat:
        if value.strip(" \t,"):  # websockets wants at least one member
            with pytest.raises(HandshakeError):
                parse_extensions([value])
    else:
        assert [(offer.name, offer.params) for offer in parse_extensions([value])] == theirs


# ------------------------------------------------------------------------------- negotiation


class Factory:
    """Agrees to the parameters that it is told to."""

    def __init__(self, name: str, extension: type[Extension], accepts: Sequence[Params] = ((),)):
        self.name = name
        self.extension = extension
        self.accepts = accepts

    def offers(self) -> Sequence[Params]:
        return self.accepts

    def respond(self, params: Params) -> tuple[Params, Extension] | None:
        return (params, self.extension()) if params in self.accepts else None

    def accept(self, params: Params) -> Extension:
        return self.extension()


def test_the_first_offer_that_a_factory_takes_is_agreed_on() -> None:
    a, b = (("a", None),), (("b", "1"),)
    offered = [ExtensionOffer("other"), ExtensionOffer("reverse", b), ExtensionOffer("reverse", a)]
    responses, extensions = negotiate(iter(offered), [Factory("reverse", Reverse, [a, b])])
    assert responses == [ExtensionOffer("reverse", b)]
    assert [type(extension) for extension in extensions] == [Reverse]


def test_an_offer_may_be_declined_and_a_later_one_taken() -> None:
    offered = [ExtensionOffer("reverse", (("x", None),)), ExtensionOffer("reverse")]
    responses, _ = negotiate(offered, [Factory("reverse", Reverse)])
    assert responses == [ExtensionOffer("reverse")]
    assert negotiate(offered[:1], [Factory("reverse", Reverse)]) == ([], [])


def test_extensions_encode_in_the_order_of_the_factories() -> None:
    offered = [ExtensionOffer("double"), ExtensionOffer("reverse")]
    factories = [Factory("reverse", Reverse), Factory("double", Double)]
    responses, extensions = negotiate(iter(offered), factories)
    assert [response.name for response in responses] == ["reverse", "double"]
    assert [type(extension) for extension in extensions] == [Reverse, Double]


def test_an_offer_that_claims_a_bit_twice_is_declined() -> None:
    offered = [ExtensionOffer("one"), ExtensionOffer("two"), ExtensionOffer("three")]
    factories = [Factory("one", Reverse), Factory("two", Reverse), Factory("three", Double)]
    responses, _ = negotiate(offered, factories)
    assert [response.name for response in responses] == ["one", "three"]


def test_a_bit_has_one_owner() -> None:
    assert claimed_bits([Reverse(), Double(), Shout(), Careless()]) == RSV1 | RSV2 | RSV3
    with pytest.raises(LocalProtocolError, match="two extensions claim the same RSV bit"):
        server(Reverse(), Double(), Reverse())


def test_an_extension_has_to_say_what_it_does() -> None:
    frame = Frame(Opcode.TEXT, b"x")
    with pytest.raises(NotImplementedError):
        Extension().decode(frame, limit=1)
    with pytest.raises(NotImplementedError):
        Extension().encode(frame, compress=None)
    with pytest.raises(NotImplementedError):
        Extension().decode_message(b"x", 1)
    with pytest.raises(NotImplementedError):
        Extension().encode_message(b"x", None)


class Direct(Reverse):
    """One that is asked for whole messages, and not for their frames."""

    direct = True

    def decode_message(self, payload: bytes, limit: int) -> bytes:
        return bytes(limit + 1) if payload == b"many" else payload[::-1]

    def encode_message(self, payload: bytes, compress: bool | None) -> bytes | None:
        return None if compress is False else payload[::-1]


@pytest.mark.parametrize("bits", [0, 0x30, 0x80])
def test_a_direct_extension_has_to_claim_one_bit(bits: int) -> None:
    class Odd(Direct):
        rsv = bits

    with pytest.raises(LocalProtocolError, match=f"Odd is direct.* not 0x{bits:02x}"):
        server(Odd())


@pytest.mark.parametrize("text", ["abc", "a" * 99 + "b" * 99])
def test_a_direct_extension_is_asked_for_whole_messages(text: str) -> None:
    ours = server(Direct())
    for piecewise in (False, True):
        ours.piecewise = piecewise
        ours.send_text(text)
        ours.send_binary(text.encode(), compress=False)
        assert [first for first, _ in payloads(ours.data_to_send())] == [0x81 | Direct.rsv, 0x82]
    wire = frame(TEXT, text.encode(), rsv=Direct.rsv)
    assert ours.receive_data(wire) == [text[::-1]]
    assert ours.receive_data(wire * 2) == [text[::-1]] * 2


class Choosy(Reverse):
    """One that leaves messages under 64 bytes alone."""

    minimum_size = 64

    def shares(self, size: int, compress: bool | None) -> str:
        return "reversed"


class DirectChoosy(Choosy, Direct):
    """The same, asked for whole messages."""


@pytest.mark.parametrize("kind", [Choosy, DirectChoosy])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("size", "compress", "encoded"),
    [(2, None, False), (2, False, False), (2, True, True), (63, None, False), (64, None, True)],
)
def test_short_messages_pass_an_extension_by_however_they_are_sent(
    kind: type[Extension], role: Role, size: int, compress: bool | None, encoded: bool
) -> None:
    ours = connect(role, extensions=[kind()])
    data = b"ab" + bytes(size - 2)
    ours.send_text(data.decode(), compress=compress)
    ours.send_binary(data, compress=compress)
    ours.send_prepared(PreparedMessage(data, compress=compress))
    payload = data[::-1] if encoded else data
    bits = 0x80 | (RSV2 if encoded else 0)
    expected = [(bits | opcode, payload) for opcode in (TEXT, BINARY, BINARY)]
    assert payloads(ours.data_to_send()) == expected


def test_what_a_direct_extension_makes_too_long_is_refused() -> None:
    (closed,) = server(Direct()).receive_data(frame(TEXT, b"many", rsv=Direct.rsv))
    assert isinstance(closed, Closed)
    assert closed.code == 1009


# ------------------------------------------------------------------------------ at work, out


def test_a_message_is_encoded() -> None:
    connection = server(Reverse())
    connection.send_text("abc")
    connection.send_binary(b"123", compress=False)
    connection.send_fragment("de", fin=False, compress=True)
    connection.send_fragment("fg", fin=True)
    assert payloads(connection.data_to_send()) == [
        (0x80 | RSV2 | TEXT, b"cba"),
        (0x80 | BINARY, b"123"),
        (RSV2 | TEXT, b"ed"),
        (0x80 | CONT, b"gf"),
    ]


def test_extensions_encode_in_order_and_decode_in_reverse() -> None:
    def make(role: Role) -> WebSocketConnection:
        return connect(role, extensions=[Shout(), Reverse()])

    ours = make(Role.CLIENT)
    ours.send_text("ABC")
    sent = ours.data_to_send()
    assert payloads(sent) == [(0x80 | RSV2 | TEXT, b"cba")]
    assert every_way(lambda: make(Role.SERVER), sent).events == ["ABC"]


def test_control_frames_are_not_encoded() -> None:
    connection = server(Reverse())
    connection.ping(b"abc")
    connection.close(1000, "abc")
    assert payloads(connection.data_to_send()) == [(0x89, b"abc"), (0x88, b"\x03\xe8abc")]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("aé€😀", max_size=5)
            | st.binary(max_size=5).map(lambda data: data.replace(b"!", b"")),
            st.sampled_from([True, False, None]),
        ),
        max_size=5,
    )
)
def test_two_connections_with_the_same_extension_understand_each_other(
    messages: list[tuple[str | bytes, bool | None]],
) -> None:
    ours = connect(Role.CLIENT, extensions=[Reverse()])
    for message, compress in messages:
        if isinstance(message, str):
            ours.send_text(message, compress=compress)
        else:
            ours.send_binary(message, compress=compress)
    received = every_way(lambda: server(Reverse()), ours.data_to_send()).events
    assert received == [message for message, _ in messages]


# ------------------------------------------------------------------------------- at work, in


def test_only_marked_messages_go_through_an_extension() -> None:
    data = PEER.text("plain") + PEER.frame(TEXT, b"cba", rsv=RSV2) + PEER.binary(b"plain")
    run = every_way(lambda: server(Reverse()), data)
    assert run.events == ["plain", "abc", b"plain"]
    assert [payload for payload, _ in run.connection.extensions[0].seen] == [b"cba"]  # type: ignore[attr-defined]


def test_unmarked_text_still_fails_at_its_first_impossible_byte() -> None:
    data = PEER.frame(TEXT, b"\xc0" + bytes(100))[:8]
    assert every_way(lambda: server(Reverse()), data).events[0].code == 1007  # type: ignore[union-attr]


def test_a_marked_message_is_held_around_a_control_frame() -> None:
    data = (
        PEER.frame(TEXT, b"cba", fin=False, rsv=RSV2)
        + PEER.ping(b"?")
        + PEER.more(b"fed")
        + PEER.more(b"", fin=False)
        + PEER.ping(b"?!")
        + PEER.more(b"ihg", fin=True)
    )
    run = every_way(lambda: server(Reverse()), data)
    assert run.events == [Ping(b"?"), Ping(b"?!"), "abcdefghi"]
    assert payloads(run.sent) == [(0x8A, b"?"), (0x8A, b"?!")]


def test_an_extension_that_wants_every_frame_gets_every_frame() -> None:
    data = (
        PEER.text("one")
        + PEER.ping(b"ping")
        + PEER.text("tw", fin=False)
        + PEER.more(b"o", fin=True)
        + PEER.binary(b"three")
    )
    run = every_way(lambda: server(Shout()), data)
    assert run.events == ["ONE", Ping(b"ping"), "TWO", b"THREE"]


def test_in_streaming_mode_a_decoded_frame_is_a_fragment() -> None:
    def make() -> WebSocketConnection:
        connection = server(Reverse())
        connection.streaming = True
        return connection

    data = PEER.frame(TEXT, b"cba", fin=False, rsv=RSV2) + PEER.more(b"fed", fin=True)
    assert every_way(make, data).events == [Fragment("abc", False), Fragment("def", True)]


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (PEER.frame(TEXT, b"x", rsv=RSV1), 1002, "reserved bit set, and no extension to claim it"),
        (PEER.frame(TEXT, b"x", rsv=RSV1 | RSV2), 1002, "reserved bit set, and no extension"),
        (PEER.frame(PING, b"x", rsv=RSV2), 1002, "reserved bit set, and no extension to claim it"),
        (PEER.frame(CLOSE, b"", rsv=RSV2), 1002, "reserved bit set, and no extension to claim it"),
        (PEER.frame(BINARY, b"x", rsv=RSV3), 1002, "reserved bit that no extension cleared"),
        (PEER.frame(BINARY, b"x!", rsv=RSV2), 1007, "not to be reversed"),
        (PEER.frame(TEXT, b"\xff", rsv=RSV2), 1007, "text that is not UTF-8"),
        (PEER.text("x", fin=False) + PEER.frame(CONT, b"y", rsv=RSV2), 1002, "RSV2 on a contin"),
        (
            PEER.frame(TEXT, b"x", fin=False, rsv=RSV2) + PEER.frame(CONT, b"y", rsv=RSV2),
            1002,
            "RSV2 on a continuation",
        ),
        (PEER.frame(CONT, b"y", rsv=RSV2), 1002, "continuation frame without a message"),
        (
            PEER.frame(TEXT, b"x", fin=False, rsv=RSV2) + PEER.frame(TEXT, b"y", rsv=RSV2),
            1002,
            "new message inside an unfinished one",
        ),
    ],
)
def test_faults_that_an_extension_brings(data: bytes, code: int, reason: str) -> None:
    run = every_way(lambda: server(Reverse(), Careless()), PEER.text("before") + data)
    assert run.events[0] == "before"
    closed = run.events[1]
    assert isinstance(closed, Closed)
    assert closed.code == code
    assert closed.reason.startswith(reason)
    assert closes(run.sent)[0][:2] == code.to_bytes(2, "big")
    assert run.state is State.CLOSED


def test_a_message_is_measured_after_decoding() -> None:
    fits = every_way(
        lambda: server(Double(), max_message_size=8), PEER.frame(BINARY, b"abcd", rsv=RSV1)
    )
    assert fits.events == [b"abcdabcd"]
    over = every_way(
        lambda: server(Double(), max_message_size=7), PEER.frame(BINARY, b"abcd", rsv=RSV1)
    )
    assert over.events == [Closed(1009, "message over 7 bytes (Limits.max_message_size)")]


@pytest.mark.parametrize("size", [996, 998, 1000, 1002, 1200, 4000])
def test_a_message_is_measured_behind_each_extension(size: int) -> None:
    # What was cut at a limit once lost its end to the extension behind it, and passed for whole.
    message = bytes(i % 251 for i in range(size))
    ours = connect(Role.CLIENT, extensions=[Tail()])
    ours.send_binary(message)
    ((first, tailed),) = payloads(ours.data_to_send())
    half = tailed[: len(tailed) // 2]
    assert half * 2 != tailed
    data = PEER.frame(BINARY, half, rsv=first & RSV2 | RSV1)
    (event,) = every_way(lambda: server(Tail(), Double(), max_message_size=1000), data).events
    if size <= 1000:
        assert event == (half * 2)[:-4]
    else:
        assert event == Closed(1009, "message over 1000 bytes (Limits.max_message_size)")


def test_the_frames_of_a_message_are_measured_together() -> None:
    data = PEER.frame(BINARY, b"ab", fin=False, rsv=RSV2) + PEER.more(b"cd", fin=True)
    fits = every_way(lambda: server(Reverse(), max_message_size=4), data)
    assert fits.events == [b"badc"]
    assert [limit for _, limit in fits.connection.extensions[0].seen] == [4, 2]  # type: ignore[attr-defined]
    over = every_way(lambda: server(Reverse(), max_message_size=3), data)
    assert over.events[0].code == 1009  # type: ignore[union-attr]


def test_a_held_frame_is_refused_at_its_header() -> None:
    header = PEER.frame(BINARY, bytes(90), rsv=RSV2)[:6]
    run = every_way(lambda: server(Reverse(), max_message_size=8), header)
    assert run.events[0].code == 1009  # type: ignore[union-attr]


def test_the_fragments_of_a_held_message_are_counted() -> None:
    data = PEER.frame(BINARY, b"", fin=False, rsv=RSV2) + PEER.more(b"") * 3
    run = every_way(lambda: server(Reverse(), max_fragments=3), data)
    assert run.events == [Closed(1008, "message of over 3 fragments (Limits.max_fragments)")]
