"""One connection: messages in and out, control frames, misuse, limits, streaming.

How it ends is in ``test_connection_closing``, what malformed frames earn in
``test_connection_faults``, what other libraries make of it in ``test_peers``; extensions and
keepalive have files of their own.
"""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.errors import LocalProtocolError
from fasterapi.limits import STREAM_PIECE
from fasterapi.protocol import (
    Closed,
    Event,
    Extension,
    Fragment,
    Frame,
    Keepalive,
    Limits,
    Ping,
    Pong,
    Role,
    State,
    WebSocketConnection,
)

from .wire import (
    BINARY,
    CONT,
    KEY,
    PING,
    PONG,
    TEXT,
    Peer,
    Written,
    closes,
    connect,
    cuts_of,
    every_way,
    frame,
    payloads,
    read_frames,
    run,
    split,
)

PEER = Peer(Role.SERVER)


def server(**limits: int) -> WebSocketConnection:
    return connect(limits=Limits(**limits))


def streaming(**limits: int) -> WebSocketConnection:
    connection = server(**limits)
    connection.streaming = True
    return connection


# -------------------------------------------------------------------------------------- in


def test_a_new_connection_is_open_and_silent(role: Role) -> None:
    connection = WebSocketConnection(role, subprotocol="chat")
    assert (connection.role, connection.state) == (role, State.OPEN)
    assert (connection.subprotocol, connection.extensions) == ("chat", ())
    assert connection.reading
    assert not any((connection.streaming, connection.failed))
    assert not any((connection.finished, connection.write_finished))
    assert connection.next_deadline() is None
    assert connection.queued == 0
    assert not connection.has_data_to_send()
    assert connection.data_to_send() == b""
    assert connection.receive_data(b"") == []


@pytest.mark.parametrize("text", ["", "Hi", "µ€😀", "a" * 125, "a" * 126, "é" * 35_000])
def test_text_arrives_as_str(role: Role, peer: Peer, text: str) -> None:
    data = peer.text(text)
    cuts = [1, 2, 5, len(data) // 2, len(data) - 1]
    whole = run(lambda: connect(role), [data])
    assert whole.events == [text]
    assert run(lambda: connect(role), split(data, cuts)).events == [text]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_bytes_arrive_as_bytes(role: Role, peer: Peer, size: int) -> None:
    payload = (bytes(range(256)) * 257)[:size]
    data = peer.binary(payload)
    for pieces in ([data], split(data, range(1, 20)), split(data, range(0, len(data), 4099))):
        events = run(lambda: connect(role), pieces).events
        assert events == [payload]
        assert type(events[0]) is bytes


def test_one_read_brings_all_of_its_messages(role: Role, peer: Peer) -> None:
    data = (
        peer.text("ascii")
        + peer.text("µ€😀")
        + peer.binary(b"\xff\x00")
        + peer.text("fr", fin=False)
        + peer.ping(b"now")
        + peer.more(b"ag")
        + peer.pong(b"then")
        + peer.more(b"ment", fin=True)
        + peer.text("")
        + peer.binary(b"x" * 300)
    )
    result = every_way(lambda: connect(role), data)
    assert result.events == [
        "ascii",
        "µ€😀",
        b"\xff\x00",
        Ping(b"now"),
        Pong(b"then"),
        "fragment",
        "",
        b"x" * 300,
    ]
    assert payloads(result.sent) == [(0x80 | PONG, b"now")]
    assert result.state is State.OPEN


def test_an_unfinished_frame_waits_for_its_rest(role: Role, peer: Peer) -> None:
    connection = connect(role)
    data = peer.text("first") + peer.text("second")
    assert connection.receive_data(data[:-1]) == ["first"]
    assert connection.receive_data(data[-1:]) == ["second"]


def test_the_buffer_of_a_read_may_be_used_again(role: Role, peer: Peer) -> None:
    connection = connect(role)
    data = peer.binary(b"first") + peer.ping(b"p") + peer.binary(b"second", fin=False)
    whole = data + peer.more(b"third", fin=True)
    events: list[Event] = []
    buffer = bytearray(20)
    for piece in split(whole, range(20, len(whole), 20)):
        buffer[: len(piece)] = piece
        events += connection.receive_data(memoryview(buffer)[: len(piece)])
        buffer[:] = b"\xff" * 20
    assert events == [b"first", Ping(b"p"), b"secondthird"]
    assert payloads(connection.data_to_send()) == [(0x80 | PONG, b"p")]


def test_every_split_of_a_stream_is_the_same() -> None:
    data = PEER.text("µ€😀") + PEER.binary(bytes(130)) + PEER.ping(b"p") + PEER.text("end")
    for cut in range(len(data) + 1):
        events = run(server, [data[:cut], data[cut:]]).events
        assert events == ["µ€😀", bytes(130), Ping(b"p"), "end"]


good_frames = st.builds(
    frame,
    st.sampled_from([TEXT, BINARY, CONT, PING, PONG]),
    st.text("aé😀", max_size=4).map(str.encode) | st.just(bytes(126)),
    fin=st.booleans(),
    key=st.binary(min_size=4, max_size=4),
)
bad_frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=4) | st.just(bytes(200)),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0x40]),
    key=st.sampled_from([KEY, KEY, KEY, b""]),
)
streams = st.lists(good_frames | bad_frames | st.binary(max_size=3), max_size=8).map(b"".join)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), stream=streams, make=st.sampled_from([server, streaming]))
def test_whatever_arrives_means_the_same_in_any_pieces(
    data: st.DataObject, stream: bytes, make: Callable[[], WebSocketConnection]
) -> None:
    every_way(make, stream, data.draw(cuts_of(stream)))


# ------------------------------------------------------------------------ pings and pongs


def test_a_ping_is_answered_before_what_waits_already(role: Role, peer: Peer) -> None:
    connection = connect(role)
    connection.send_text("waiting")
    assert connection.receive_data(peer.ping(b"1") + peer.ping(b"2")) == [Ping(b"1"), Ping(b"2")]
    assert payloads(connection.data_to_send()) == [
        (0x80 | PONG, b"1"),
        (0x80 | PONG, b"2"),
        (0x80 | TEXT, b"waiting"),
    ]


def test_only_the_latest_pings_are_answered() -> None:
    pings = [b"%d" % i for i in range(100)]
    connection = server(max_queued_pongs=3)
    connection.receive_data(b"".join(map(PEER.ping, pings)))
    assert [payload for _, payload in payloads(connection.data_to_send())] == pings[-3:]
    connection.receive_data(PEER.ping(b"again"))
    assert payloads(connection.data_to_send()) == [(0x80 | PONG, b"again")]


def test_a_pong_waits_to_be_sent() -> None:
    connection = server()
    connection.receive_data(PEER.ping())
    assert connection.queued == 0
    assert connection.has_data_to_send()
    connection.data_to_send()
    assert not connection.has_data_to_send()


def test_a_limit_on_messages_does_not_hold_for_control_frames() -> None:
    data = PEER.ping(bytes(125)) + PEER.close(1000, b"a" * 123) + PEER.text("x")
    result = every_way(lambda: server(max_message_size=1), data)
    assert result.events == [Ping(bytes(125)), Closed(1000, "a" * 123)]


# ------------------------------------------------------------------------------------- out


def test_what_a_server_sends_is_not_masked() -> None:
    connection = server()
    connection.send_text("µ")
    connection.send_binary(b"\x00\xff")
    connection.ping(b"p")
    connection.pong()
    assert connection.data_to_send().hex(" ", 1) == "81 02 c2 b5 82 02 00 ff 89 01 70 8a 00"


@pytest.mark.parametrize("hold", [False, True])
def test_pieces_are_the_same_bytes(hold: bool) -> None:
    def busy() -> WebSocketConnection:
        connection = server()
        connection.send_binary(long)
        connection.send_text("short")
        connection.receive_data(PEER.ping(b"p") + PEER.close())
        assert connection.queued == len(long) + 10 + 7
        return connection

    long = bytes(100_000)
    connection = busy()
    pieces = connection.pieces_to_send(hold_close=hold)
    assert b"".join(pieces) == busy().data_to_send(hold_close=hold)
    assert any(piece is long for piece in pieces)  # no copy of it
    assert connection.queued == 0
    assert connection.pieces_to_send(hold_close=hold) == []
    assert connection.has_data_to_send() is hold


def test_many_small_pieces_are_one() -> None:
    connection = server()
    for _ in range(100):
        connection.send_text("x")
    assert connection.pieces_to_send() == [b"\x81\x01x" * 100]


def test_what_a_client_sends_is_masked() -> None:
    connection = connect(Role.CLIENT)
    connection.send_text("Hi")
    assert connection.data_to_send().hex(" ", 1) == "81 82 37 fa 21 3d 7f 93"


def test_the_longest_control_frames() -> None:
    connection = server()
    connection.ping(bytes(125))
    connection.pong(bytes(125))
    assert payloads(connection.data_to_send()) == [
        (0x80 | PING, bytes(125)),
        (0x80 | PONG, bytes(125)),
    ]


def test_every_frame_of_a_client_has_a_key_of_its_own() -> None:
    connection = WebSocketConnection(Role.CLIENT)
    for _ in range(10):
        connection.send_binary(bytes(4))
    sent = connection.data_to_send()
    keys = {sent[i + 2 : i + 6] for i in range(0, len(sent), 10)}
    assert len(keys) == 10
    assert all(written == Written(0x82, bytes(4), True) for written in read_frames(sent))


@pytest.mark.parametrize("size", [0, 125, 126, 2047, 2048, 65535, 65536])
def test_messages_of_every_size_go_out(role: Role, size: int) -> None:
    connection = connect(role)
    connection.send_binary(b"a" * size)
    connection.send_text("b" * size)
    queued = connection.queued
    sent = connection.data_to_send()
    assert payloads(sent) == [(0x80 | BINARY, b"a" * size), (0x80 | TEXT, b"b" * size)]
    assert (queued, connection.queued) == (len(sent), 0)
    assert {written.masked for written in read_frames(sent)} == {role is Role.CLIENT}


@pytest.mark.parametrize("size", [3, 5000])
def test_what_was_sent_does_not_change_any_more(size: int) -> None:
    connection = server()
    data = bytearray(b"a" * size)
    connection.send_binary(data)
    connection.send_fragment(memoryview(data), fin=True)
    connection.ping(data[:3])
    data[:] = b"b" * size
    assert b"b" not in connection.data_to_send()


def test_every_buffer_can_be_sent() -> None:
    connection = server()
    for data in (b"ab", bytearray(b"ab"), memoryview(b"xabx")[1:3], array("H", [0x6261])):
        connection.send_binary(data)  # type: ignore[arg-type]
    assert payloads(connection.data_to_send()) == [(0x80 | BINARY, b"ab")] * 4


def test_a_fragmented_message_goes_out_frame_by_frame(role: Role) -> None:
    connection = connect(role)
    connection.send_fragment("one", fin=False)
    connection.ping(b"between")
    connection.send_fragment("", fin=False)
    connection.send_fragment("two", fin=True)
    connection.send_fragment(b"3", fin=True)
    connection.send_text("4")
    assert payloads(connection.data_to_send()) == [
        (TEXT, b"one"),
        (0x80 | PING, b"between"),
        (CONT, b""),
        (0x80 | CONT, b"two"),
        (0x80 | BINARY, b"3"),
        (0x80 | TEXT, b"4"),
    ]


messages = st.text("aé😀", max_size=5) | st.binary(max_size=5)
fragments = st.lists(st.text("aé😀", max_size=3), min_size=1, max_size=4) | st.lists(
    st.binary(max_size=3), min_size=1, max_size=4
)


@settings(deadline=None)
@given(st.lists(messages | fragments, max_size=6), st.sampled_from(Role))
def test_what_one_end_sends_the_other_receives(
    conversation: list[str | bytes | list[str] | list[bytes]], role: Role
) -> None:
    ours = connect(role)
    expected: list[Event] = []
    for message in conversation:
        if isinstance(message, str):
            ours.send_text(message)
            expected.append(message)
        elif isinstance(message, bytes):
            ours.send_binary(message)
            expected.append(message)
        else:
            for i, part in enumerate(message):
                ours.send_fragment(part, fin=i == len(message) - 1)
            expected.append(message[0][:0].join(message))  # type: ignore[arg-type]
    other = Role.CLIENT if role is Role.SERVER else Role.SERVER
    assert every_way(lambda: connect(other), ours.data_to_send()).events == expected


# ---------------------------------------------------------------------------------- misuse


Action = Callable[[WebSocketConnection], object]

IN_ANY_STATE: dict[str, tuple[Action, type[Exception]]] = {
    "text that is bytes": (lambda ws: ws.send_text(b"x"), TypeError),  # type: ignore[arg-type]
    "text that is None": (lambda ws: ws.send_text(None), TypeError),  # type: ignore[arg-type]
    "a lone surrogate": (lambda ws: ws.send_text("\ud800"), LocalProtocolError),
    "binary that is str": (lambda ws: ws.send_binary("x"), TypeError),  # type: ignore[arg-type]
    "binary that is a number": (lambda ws: ws.send_binary(5), TypeError),  # type: ignore[arg-type]
    "a fragment of nothing": (lambda ws: ws.send_fragment(None, fin=True), TypeError),  # type: ignore[arg-type]
    "a fragment's surrogate": (lambda ws: ws.send_fragment("\udfff", fin=True), LocalProtocolError),
    "a long ping": (lambda ws: ws.ping(bytes(126)), LocalProtocolError),
    "a ping of str": (lambda ws: ws.ping("x"), TypeError),  # type: ignore[arg-type]
    "a long pong": (lambda ws: ws.pong(bytes(126)), LocalProtocolError),
    "a code of nobody": (lambda ws: ws.close(1006), LocalProtocolError),
    "a long reason": (lambda ws: ws.close(1000, "x" * 124), LocalProtocolError),
}
SENDING: dict[str, Action] = {
    "text": lambda ws: ws.send_text("x"),
    "binary": lambda ws: ws.send_binary(b"x"),
    "a fragment": lambda ws: ws.send_fragment("x", fin=False),
    "a ping": lambda ws: ws.ping(b"x"),
    "a pong": lambda ws: ws.pong(b"x"),
}


def reach(state: State) -> WebSocketConnection:
    """Make a connection that stands in ``state``, something still unsent in it."""
    connection = server()
    connection.send_text("unsent")
    connection.tick(1.0)
    if state in (State.REMOTE_CLOSING, State.CLOSED):
        connection.receive_data(PEER.close(1000), 1.0)
    if state in (State.LOCAL_CLOSING, State.CLOSED):
        connection.close(1000)
    assert connection.state is state
    return connection


def look(connection: WebSocketConnection) -> tuple[object, ...]:
    """Give all that can be seen of a connection; it is of no more use then."""
    return (
        connection.state, connection.queued, connection.next_deadline(), connection.streaming,
        connection.has_data_to_send(), connection.data_to_send(), connection.finished,
        connection.write_finished, connection.receive_data(PEER.pong(b"x")),
    )  # fmt: skip


def refused(state: State, action: Action, error: type[Exception]) -> None:
    """See ``action`` refused, and nothing changed by it."""
    connection = reach(state)
    with pytest.raises(error):
        action(connection)
    assert look(connection) == look(reach(state))


AFTER_CONNECTING = [state for state in State if state is not State.CONNECTING]


@pytest.mark.parametrize("state", AFTER_CONNECTING, ids=lambda state: state.name)
@pytest.mark.parametrize("name", IN_ANY_STATE)
def test_misuse_raises_and_changes_nothing(name: str, state: State) -> None:
    refused(state, *IN_ANY_STATE[name])


@pytest.mark.parametrize("state", AFTER_CONNECTING, ids=lambda state: state.name)
@pytest.mark.parametrize("name", SENDING)
def test_sending_is_for_open_connections_and_for_answers(name: str, state: State) -> None:
    if state in (State.OPEN, State.REMOTE_CLOSING):
        connection = reach(state)
        SENDING[name](connection)
        assert connection.state is state
        assert connection.queued > reach(state).queued
    else:
        refused(state, SENDING[name], LocalProtocolError)


@pytest.mark.parametrize("state", [State.LOCAL_CLOSING, State.CLOSED])
def test_nobody_closes_twice(state: State) -> None:
    refused(state, lambda ws: ws.close(1000), LocalProtocolError)


@pytest.mark.parametrize(
    "action",
    [
        lambda ws: ws.send_text("x"),
        lambda ws: ws.send_binary(b"x"),
        lambda ws: ws.send_fragment(b"x", fin=True),
    ],
)
def test_a_fragmented_message_has_to_end_as_it_began(action: Action) -> None:
    connection = server()
    connection.send_fragment("one", fin=False)
    with pytest.raises(LocalProtocolError, match=r"fragment"):
        action(connection)
    connection.send_fragment("two", fin=True)
    assert payloads(connection.data_to_send()) == [(TEXT, b"one"), (0x80 | CONT, b"two")]


def test_a_refused_first_fragment_begins_nothing() -> None:
    connection = server()
    with pytest.raises(LocalProtocolError, match="not valid Unicode"):
        connection.send_fragment("\ud800", fin=False)
    connection.send_text("fine")
    assert payloads(connection.data_to_send()) == [(0x80 | TEXT, b"fine")]


def test_a_refused_ping_is_not_waited_for() -> None:
    connection = server()
    with pytest.raises(LocalProtocolError, match="PING of 126 bytes; at most 125 fit"):
        connection.ping(bytes(126))
    connection.ping(b"x", now=1.0)
    [pong] = connection.receive_data(PEER.pong(b"x"), 3.0)
    assert isinstance(pong, Pong)
    assert (pong.latency, pong.answers) == (2.0, (b"x",))


# -------------------------------------------------------- with an extension, with keepalive


class Reverse(Extension):
    """Reverses the messages that begin with RSV1; ``test_extensions`` has a thorough one."""

    rsv = 0x40

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        assert limit == 1024 * 1024
        return frame._replace(payload=frame.payload[::-1], rsv=0)

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        return frame._replace(payload=frame.payload[::-1], rsv=self.rsv)


def test_an_extension_sees_the_frames_that_it_claims() -> None:
    data = PEER.text("plain") + PEER.frame(TEXT, b"cba", rsv=0x40) + PEER.frame(PING, b"p")
    result = every_way(lambda: connect(extensions=[Reverse()]), data)
    assert result.events == ["plain", "abc", Ping(b"p")]
    result.connection.data_to_send()
    result.connection.send_text("abc")
    assert payloads(result.connection.data_to_send()) == [(0xC0 | TEXT, b"cba")]


def test_a_bit_that_an_extension_leaves_is_a_fault() -> None:
    class Careless(Reverse):
        def decode(self, frame: Frame, *, limit: int) -> Frame:
            return frame

    data = PEER.frame(TEXT, b"cba", rsv=0x40)
    result = every_way(lambda: connect(extensions=[Careless()]), data)
    assert result.events == [Closed(1002, "reserved bit that no extension cleared")]


def test_silence_is_answered_with_a_ping_and_then_with_a_close() -> None:
    connection = connect(keepalive=Keepalive(20, 10))
    assert connection.tick(0.0) == []
    assert connection.next_deadline() == 20.0
    connection.reading = False
    assert connection.next_deadline() == 20.0
    connection.reading = True
    connection.tick(0.0)
    assert connection.tick(20.0) == []
    assert [first for first, _ in payloads(connection.data_to_send())] == [0x80 | PING]
    assert connection.tick(30.0) == [Closed(1011, "keepalive ping timeout")]


# ---------------------------------------------------------------------------------- limits


def too_big(limit: int) -> list[Event]:
    return [Closed(1009, f"message over {limit} bytes (Limits.max_message_size)")]


def test_a_message_may_be_as_big_as_the_limit_and_no_bigger() -> None:
    for size in (10, 130, 1000):
        fits = every_way(lambda size=size: server(max_message_size=size), PEER.binary(bytes(size)))  # type: ignore[misc]
        assert fits.events == [bytes(size)]
        over = every_way(
            lambda size=size: server(max_message_size=size),  # type: ignore[misc]
            PEER.binary(bytes(size + 1)),
        )
        assert over.events == too_big(size)
        assert closes(over.sent)[0][:2] == b"\x03\xf1"


def test_the_fragments_of_a_message_count_together() -> None:
    data = (
        PEER.binary(b"abc", fin=False) + PEER.ping() + PEER.more(b"") + PEER.more(b"de", fin=True)
    )
    fits = every_way(lambda: server(max_message_size=5), data * 2)
    assert fits.events == [Ping(b""), b"abcde"] * 2
    over = every_way(lambda: server(max_message_size=4), data)
    assert over.events == [Ping(b""), *too_big(4)]


@pytest.mark.parametrize("size", [11, 126, 70_000])
@pytest.mark.parametrize("make", [server, streaming])
def test_a_message_is_refused_at_its_header(
    size: int, make: Callable[..., WebSocketConnection]
) -> None:
    whole = PEER.binary(bytes(size))
    header = whole[: len(whole) - size]
    assert every_way(lambda: make(max_message_size=10), header).events == too_big(10)
    assert every_way(lambda: make(max_message_size=10), header[:-1]).events == []


def test_a_continuation_is_refused_at_its_header() -> None:
    data = PEER.binary(bytes(6), fin=False) + PEER.more(bytes(5))[:6]
    assert every_way(lambda: server(max_message_size=10), data).events == too_big(10)


def test_fragments_are_counted_and_empty_ones_too() -> None:
    data = PEER.text("", fin=False) + PEER.more(b"") * 8 + PEER.more(b"", fin=True)
    assert every_way(lambda: server(max_fragments=10), data).events == [""]
    over = every_way(lambda: server(max_fragments=9), data)
    assert over.events == [Closed(1008, "message of over 9 fragments (Limits.max_fragments)")]
    assert closes(over.sent)[0][:2] == b"\x03\xf0"


def test_a_flood_of_empty_fragments_costs_little() -> None:
    flood = PEER.text("", fin=False) + PEER.more(b"") * 50_000
    pieces = split(flood, range(65_536, len(flood), 65_536))
    tracemalloc.start()
    result = run(server, pieces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [event.code for event in result.events] == [1008]  # type: ignore[union-attr]
    # Some tens of bytes for each frame of a single read, and nothing that stays.
    assert peak < 2 * 1024 * 1024


def test_nothing_is_allocated_for_a_declared_length() -> None:
    header = b"\x82\xff" + (10**6).to_bytes(8, "big") + KEY
    connections = [server() for _ in range(10)]
    tracemalloc.start()
    for connection in connections:
        assert connection.receive_data(header + b"ten bytes!") == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024


def test_a_held_control_frame_leaves_no_buffer_behind() -> None:
    connection = server()
    for piece in split(PEER.ping(bytes(125)), [1, 2, 7, 60]):
        connection.receive_data(piece)
    assert connection.data_to_send() == b"\x8a\x7d" + bytes(125)
    assert connection.receive_data(PEER.ping(b"next")) == [Ping(b"next")]


# ------------------------------------------------------------------------------- streaming


def test_messages_arrive_in_fragments() -> None:
    data = (
        PEER.text("on", fin=False)
        + PEER.ping(b"p")
        + PEER.more(b"e", fin=True)
        + PEER.binary(b"two")
        + PEER.text("")
    )
    result = every_way(streaming, data)
    assert result.events == [
        Fragment("on", False),
        Ping(b"p"),
        Fragment("e", True),
        Fragment(b"two", True),
        Fragment("", True),
    ]
    assert result.connection.streaming


def test_a_long_frame_arrives_in_pieces() -> None:
    payload = bytes(range(256)) * (2 * STREAM_PIECE // 256) + b"tail"
    data = PEER.binary(payload)
    for pieces in ([data], split(data, range(1000, len(data), 1000)), split(data, [13, 14, 15])):
        events = run(streaming, pieces).events
        assert events == [
            Fragment(payload[:STREAM_PIECE], False),
            Fragment(payload[STREAM_PIECE : 2 * STREAM_PIECE], False),
            Fragment(b"tail", True),
        ]


def test_memory_does_not_grow_with_a_streamed_message() -> None:
    data = PEER.binary(bytes(1_000_000))
    connection = streaming()
    pieces = split(data, range(65_536, len(data), 65_536))
    tracemalloc.start()
    for piece in pieces:
        connection.receive_data(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 512 * 1024


def test_a_fault_in_the_second_piece_comes_behind_the_first() -> None:
    data = PEER.text("a" * STREAM_PIECE + "b" * 100)
    key_at = len(data) - STREAM_PIECE - 100
    fault = key_at + STREAM_PIECE + 50
    data = data[:fault] + bytes([data[fault] ^ 0x80 ^ ord("b")]) + data[fault + 1 :]
    byte_by_byte = split(data, range(1, len(data)))
    for pieces in ([data], byte_by_byte, split(data, range(999, len(data), 999))):
        assert run(streaming, pieces).events == [
            Fragment("a" * STREAM_PIECE, False),
            Closed(1007, "text that is not UTF-8"),
        ]


def test_streaming_may_begin_within_a_message() -> None:
    connection = server()
    data = PEER.text("one€")
    assert connection.receive_data(data[:-1]) == []
    connection.streaming = True
    assert connection.receive_data(data[-1:] + PEER.text("two")) == [
        Fragment("one€", True),
        Fragment("two", True),
    ]
    connection.streaming = False
    assert connection.receive_data(PEER.text("three")) == ["three"]


def test_the_limit_holds_for_a_streamed_message() -> None:
    data = PEER.binary(bytes(6), fin=False) + PEER.more(bytes(5), fin=True)
    assert every_way(lambda: streaming(max_message_size=10), data).events == [
        Fragment(bytes(6), False),
        *too_big(10),
    ]
