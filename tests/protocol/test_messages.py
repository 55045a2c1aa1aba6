"""The message assembler by itself: fragments, UTF-8 as it arrives, limits, streaming."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.errors import FrameError, MessageTooBig, PayloadError, PolicyError
from fasterapi.limits import STREAM_PIECE, Limits
from fasterapi.protocol import Event, Fragment, messages
from fasterapi.protocol.messages import MessageAssembler, decode_text

from .wire import BINARY, CONT, TEXT, split

Piece = tuple[int, bytes, bool]  # opcode, payload, fin


def assemble(
    frames: list[Piece],
    cut: Callable[[bytes], list[bytes]] = lambda payload: [payload],
    *,
    streaming: bool = False,
    **limits: int,
) -> list[Event | type[Exception]]:
    """Give the events of some frames, each payload in pieces; a fault is the last of them."""
    assembler = MessageAssembler(Limits(**limits))
    assembler.streaming = streaming
    events: list[Event | type[Exception]] = []
    for opcode, payload, fin in frames:
        try:
            assembler.check(opcode)
            assembler.check_size(len(payload))
            assembler.begin(opcode)
            for piece in cut(payload):
                assembler.feed(piece, events.append)
            assembler.end(fin, events.append)
        except (FrameError, MessageTooBig, PayloadError, PolicyError) as fault:
            return [*events, type(fault)]
    return events


def in_every_way(frames: list[Piece], *, streaming: bool = False, **limits: int) -> list[object]:
    """Assemble in whole frames, byte by byte and otherwise: the events are the same."""
    whole = assemble(frames, streaming=streaming, **limits)
    # Long payloads in fewer pieces, two of which hit the edges of a streamed piece.
    for step in (1, 3) if len(frames[0][1]) < STREAM_PIECE - 1 else (STREAM_PIECE // 32, 4099):
        pieces = assemble(
            frames,
            lambda payload, step=step: split(payload, range(step, len(payload), step)),  # type: ignore[misc]
            streaming=streaming,
            **limits,
        )
        assert pieces == whole
    return list(whole)


def test_a_whole_text_is_decoded_at_once() -> None:
    assert decode_text("µ€😀".encode()) == "µ€😀"
    with pytest.raises(PayloadError, match="not UTF-8"):
        decode_text(b"\xff")


def test_messages_whole_and_fragmented() -> None:
    frames = [
        (TEXT, b"one", True),
        (BINARY, b"\xff\x00", True),
        (TEXT, b"tw", False),
        (CONT, b"", False),
        (CONT, b"o", True),
        (BINARY, b"", True),
        (TEXT, b"", True),
    ]
    assert in_every_way(frames) == ["one", b"\xff\x00", "two", b"", ""]


def test_a_character_may_be_cut_by_fragments() -> None:
    euro = "€".encode()
    frames = [(TEXT, euro[:1], False), (CONT, euro[1:2], False), (CONT, euro[2:], True)]
    assert in_every_way(frames) == ["€"]


@pytest.mark.parametrize(
    "frames",
    [
        [(TEXT, b"\xc0\x80", True)],
        [(TEXT, b"ok", False), (CONT, b"\xff", False)],
        [(TEXT, b"\xe2\x82", True)],
        [(TEXT, b"\xe2\x82", False), (CONT, b"", True)],
        [(TEXT, b"\xed", False), (CONT, b"\xa0", False)],
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_text_that_is_not_utf_8(frames: list[Piece], streaming: bool) -> None:
    assert in_every_way(frames, streaming=streaming)[-1] is PayloadError


def test_text_fails_at_its_first_impossible_byte() -> None:
    assembler = MessageAssembler(Limits())
    assembler.begin(TEXT)
    assembler.feed(b"\xce\xba\xed", [].append)
    with pytest.raises(PayloadError):
        assembler.feed(b"\xa0", [].append)


def test_a_message_is_checked_as_text_only_if_it_is_text() -> None:
    assert in_every_way([(TEXT, b"x", False), (CONT, b"y", True), (BINARY, b"\xff", True)]) == [
        "xy",
        b"\xff",
    ]


@pytest.mark.parametrize(
    "frames",
    [
        [(CONT, b"x", True)],
        [(TEXT, b"x", True), (CONT, b"x", True)],
        [(TEXT, b"x", False), (TEXT, b"x", True)],
        [(TEXT, b"x", False), (BINARY, b"x", True)],
    ],
)
def test_fragments_out_of_order(frames: list[Piece]) -> None:
    assert in_every_way(frames)[-1] is FrameError


def test_size_counts_over_all_frames_and_begins_anew() -> None:
    frames = [(BINARY, b"abc", False), (CONT, b"de", True)]
    assert in_every_way(frames * 2, max_message_size=5) == [b"abcde", b"abcde"]
    assert in_every_way(frames, max_message_size=4) == [MessageTooBig]
    assert in_every_way([(BINARY, b"abc", True)], max_message_size=2) == [MessageTooBig]


def test_size_counts_in_streaming_mode_as_well() -> None:
    frames = [(BINARY, b"abc", False), (CONT, b"de", True)]
    assert in_every_way(frames, streaming=True, max_message_size=4) == [
        Fragment(b"abc", False),
        MessageTooBig,
    ]


def test_the_refusal_names_the_limit() -> None:
    assembler = MessageAssembler(Limits(max_message_size=5, max_fragments=1))
    with pytest.raises(MessageTooBig, match=r"over 5 bytes \(Limits\.max_message_size\)"):
        assembler.check_size(6)
    assembler.begin(TEXT)
    with pytest.raises(PolicyError, match=r"over 1 fragments \(Limits\.max_fragments\)"):
        assembler.check(CONT)


def test_room_is_what_the_message_may_still_bring() -> None:
    assembler = MessageAssembler(Limits(max_message_size=10))
    assert (assembler.room, assembler.size, assembler.opcode) == (10, 0, None)
    assembler.begin(BINARY)
    assembler.feed(b"abc", [].append)
    assert (assembler.room, assembler.size, assembler.opcode) == (7, 3, BINARY)
    assembler.end(True, [].append)
    assert (assembler.room, assembler.size, assembler.opcode) == (10, 0, None)


def test_empty_fragments_are_counted() -> None:
    frames = [(BINARY, b"", False), *[(CONT, b"", False)] * 2]
    assert in_every_way([*frames, (CONT, b"x", True)], max_fragments=4) == [b"x"]
    assert in_every_way([*frames, (CONT, b"x", True)], max_fragments=3) == [PolicyError]
    whole = [*frames, (CONT, b"x", True)]
    assert in_every_way(whole * 2, max_fragments=4) == [b"x", b"x"]


# ------------------------------------------------------------------------------- streaming


def test_a_fragment_for_each_frame() -> None:
    frames = [(TEXT, b"one", False), (CONT, b"", False), (CONT, b"two", True), (BINARY, b"", True)]
    assert in_every_way(frames, streaming=True) == [
        Fragment("one", False),
        Fragment("", False),
        Fragment("two", True),
        Fragment(b"", True),
    ]


def test_fragments_of_text_are_cut_between_characters() -> None:
    smile = "😀".encode()
    frames = [(TEXT, b"a" + smile[:1], False), (CONT, smile[1:3], False), (CONT, smile[3:], True)]
    assert in_every_way(frames, streaming=True) == [
        Fragment("a", False),
        Fragment("", False),
        Fragment("😀", True),
    ]


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (STREAM_PIECE - 1, [STREAM_PIECE - 1]),
        (STREAM_PIECE, [STREAM_PIECE]),
        (STREAM_PIECE + 1, [STREAM_PIECE, 1]),
        (2 * STREAM_PIECE, [STREAM_PIECE, STREAM_PIECE]),
        (2 * STREAM_PIECE + 5, [STREAM_PIECE, STREAM_PIECE, 5]),
    ],
)
def test_a_long_frame_is_cut_at_multiples_of_the_piece(size: int, sizes: list[int]) -> None:
    payload = bytes(range(256)) * (size // 256 + 1)
    events = in_every_way([(BINARY, payload[:size], True)], streaming=True)
    assert [len(event.data) for event in events] == sizes  # type: ignore[attr-defined]
    assert b"".join(event.data for event in events) == payload[:size]  # type: ignore[attr-defined]
    assert [event.fin for event in events] == [False] * (len(sizes) - 1) + [True]  # type: ignore[attr-defined]


def test_the_next_frame_begins_a_piece_of_its_own() -> None:
    frames = [(BINARY, bytes(STREAM_PIECE), False), (CONT, bytes(STREAM_PIECE + 1), True)]
    events = in_every_way(frames, streaming=True)
    assert [len(event.data) for event in events] == [STREAM_PIECE, STREAM_PIECE, 1]  # type: ignore[attr-defined]


def test_a_fault_in_the_second_piece_leaves_the_first() -> None:
    frames = [(TEXT, b"a" * STREAM_PIECE + b"b\xff" + b"c" * STREAM_PIECE, True)]
    assert in_every_way(frames, streaming=True) == [
        Fragment("a" * STREAM_PIECE, False),
        PayloadError,
    ]


def test_a_character_across_two_pieces_goes_with_the_second() -> None:
    euro = "€".encode()
    frames = [(TEXT, b"a" * (STREAM_PIECE - 1) + euro, True)]
    assert in_every_way(frames, streaming=True) == [
        Fragment("a" * (STREAM_PIECE - 1), False),
        Fragment("€", True),
    ]


def test_streaming_may_begin_within_a_message() -> None:
    assembler = MessageAssembler(Limits())
    events: list[Event] = []
    assembler.begin(TEXT)
    assembler.feed(b"a" * (STREAM_PIECE + 3) + b"\xe2", events.append)
    assembler.streaming = True
    assert events == []
    assembler.feed(b"\x82", events.append)
    assert events == [Fragment("a" * STREAM_PIECE, False)]
    assembler.feed(b"\xac", events.append)
    assembler.end(True, events.append)
    assert events[1:] == [Fragment("aaa€", True)]


@pytest.mark.parametrize("tail", [1, STREAM_PIECE])
def test_streaming_may_begin_at_the_end_of_a_frame(tail: int) -> None:
    assembler = MessageAssembler(Limits())
    events: list[Event] = []
    assembler.begin(BINARY)
    assembler.feed(bytes(STREAM_PIECE + tail), events.append)
    assembler.streaming = True
    assembler.end(False, events.append)
    assert [len(event.data) for event in events] == [STREAM_PIECE, tail]  # type: ignore[union-attr]


@pytest.mark.parametrize("fin", [False, True])
def test_streaming_may_begin_at_the_end_of_a_frame_of_text(fin: bool) -> None:
    assembler = MessageAssembler(Limits())
    events: list[Event] = []
    assembler.begin(TEXT)
    assembler.feed("some €".encode()[: None if fin else -1], events.append)
    assembler.streaming = True
    assembler.end(fin, events.append)
    assert events == [Fragment("some €" if fin else "some ", fin)]
    if not fin:
        assert assembler.room == Limits().max_message_size - 7
        assembler.begin(CONT)
        assembler.feed(b"\xac", events.append)
        assembler.end(True, events.append)
        assert events[1:] == [Fragment("€", True)]


def test_a_fault_behind_what_was_gathered_before_streaming_began() -> None:
    assembler = MessageAssembler(Limits())
    assembler.begin(TEXT)
    assembler.feed(b"\xed", pytest.fail)
    assembler.streaming = True
    with pytest.raises(PayloadError):
        assembler.feed(b"\xa0", pytest.fail)


def test_a_message_that_began_in_pieces_ends_in_pieces() -> None:
    assembler = MessageAssembler(Limits())
    assembler.streaming = True
    events: list[Event] = []
    assembler.begin(TEXT)
    assembler.feed(b"one", events.append)
    assembler.end(False, events.append)
    assembler.streaming = False
    assembler.begin(CONT)
    assembler.feed(b"two", events.append)
    assembler.end(True, events.append)
    assembler.begin(TEXT)
    assembler.feed(b"three", events.append)
    assembler.end(True, events.append)
    assert events == [Fragment("one", False), Fragment("two", True), "three"]


def test_a_message_of_which_nothing_was_handed_on_stays_whole() -> None:
    assembler = MessageAssembler(Limits())
    assembler.streaming = True
    events: list[Event] = []
    assembler.begin(TEXT)
    assembler.feed(b"one", events.append)
    assembler.streaming = False
    assembler.feed(b"two", events.append)
    assembler.end(True, events.append)
    assert events == ["onetwo"]


# ----------------------------------------------------------------------- in any fragments


@settings(deadline=None)
@given(
    text=st.text("a\x80€😀", max_size=12),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    streaming=st.booleans(),
)
def test_any_fragments_of_a_text_make_the_text(text: str, cuts: list[int], streaming: bool) -> None:
    data = text.encode()
    parts = split(data, [min(cut, len(data)) for cut in cuts])
    frames = [(TEXT if i == 0 else CONT, part, i == len(parts) - 1) for i, part in enumerate(parts)]
    events = in_every_way(frames, streaming=streaming)
    if streaming:
        assert "".join(event.data for event in events) == text  # type: ignore[attr-defined]
        assert [event.fin for event in events] == [fin for _, _, fin in frames]  # type: ignore[attr-defined]
    else:
        assert events == [text]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "text", ["a" * 2_500_000, "\N{SNOWMAN}" * 900_000, "é\U0001f600" * 300_000]
)
def test_a_message_longer_than_the_memory_that_is_kept(text: str, streaming: bool) -> None:
    payload = text.encode()
    for opcode, expected in ((TEXT, text), (BINARY, payload)):
        for step in (65_537, 262_144, len(payload)):
            events = assemble(
                [(opcode, payload, True)],
                lambda whole, step=step: split(whole, range(step, len(whole), step)),  # type: ignore[misc]
                streaming=streaming,
                max_message_size=len(payload),
            )
            if not streaming:
                assert events == [expected]
                continue
            parts = [event.data for event in events if isinstance(event, Fragment)]
            assert type(expected)().join(parts) == expected  # type: ignore[arg-type]


def test_streaming_begins_within_a_message_longer_than_that() -> None:
    text = "\N{SNOWMAN}" * 900_000
    payload = text.encode()
    assembler = MessageAssembler(Limits(max_message_size=len(payload)))
    events: list[Event] = []
    assembler.begin(TEXT)
    for i, piece in enumerate(split(payload, range(100_000, len(payload), 100_000))):
        assembler.streaming = i > 20
        assembler.feed(piece, events.append)
    assembler.end(True, events.append)
    assert all(isinstance(event, Fragment) for event in events)
    assert "".join(event.data for event in events) == text  # type: ignore[union-attr, misc]


def test_messages_leave_nothing_to_each_other() -> None:
    long = assemble([(BINARY, b"x" * 100_000, True), (TEXT, b"short", True), (BINARY, b"", True)])
    assert long == [b"x" * 100_000, "short", b""]
    for text in (b"\xe2\x98", b"\xf0\x9f\x98"):  # one that ends inside a character, then others
        assert assemble([(TEXT, text, True)]) == [PayloadError]
        assert assemble([(TEXT, b"ok", False), (CONT, b"", True)]) == ["ok"]


def test_memory_is_used_again_and_little_of_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: deque[bytearray] = deque(maxlen=4)
    monkeypatch.setattr(messages, "_kept", kept)
    limits = {"max_message_size": 1 << 25}

    def receive(*sizes: int) -> list[int]:
        """Receive messages at the same time, and give the size of each memory that is kept."""
        assemblers = [MessageAssembler(Limits(**limits)) for _ in sizes]
        events: list[Event] = []
        for assembler in assemblers:
            assembler.begin(BINARY)
        for assembler, size in zip(assemblers, sizes, strict=True):
            for piece in split(bytes(size), range(1 << 19, size, 1 << 19)):
                assembler.feed(piece, events.append)
        for assembler in assemblers:
            assembler.end(True, events.append)
        assert events == [bytes(size) for size in sizes]
        return [len(memory) for memory in kept]

    assert receive(1000) == [1000]
    assert receive(2000) == [2000]  # the same, which has grown
    assert receive(10, 10, 10, 10, 10, 10) == [10, 10, 10, 10]
    long = 5 << 20
    assert receive(long, long) == [long, 10, 10]  # of two long ones, one stays
    first = kept[0]
    assert receive(long)[0] == long
    assert kept[0] is first  # found again, behind the short ones
    assert max(receive((1 << 24) + (1 << 20))) <= 1 << 24
