"""Long messages, which extensions are given in pieces as they are fetched."""

from __future__ import annotations

import os
from typing import Any

from fasterapi.protocol import Closed, Extension, Frame, Ping, Pong, Role, WebSocketConnection

from .deflated import Pair, connect
from .wire import TEXT

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
