"""Frames that wait to be encoded, taken in order, in pieces of bounded size and number."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.protocol import Opcode
from fasterapi.protocol.backlog import Backlog, Waiting


def drain(backlog: Backlog) -> list[Waiting]:
    taken = []
    while backlog:
        taken.append(backlog.take())
    return taken


def test_a_long_frame_is_taken_in_fragments() -> None:
    backlog = Backlog(4)
    backlog.put(Waiting(Opcode.TEXT, b"abcdefghij", True, None))
    backlog.put(Waiting(Opcode.BINARY, b"1", True, False))
    assert backlog.size == 11
    assert backlog.take() == (Opcode.TEXT, b"abcd", False, None)
    assert backlog.size == 7
    assert drain(backlog) == [
        (Opcode.CONTINUATION, b"efgh", False, None),
        (Opcode.CONTINUATION, b"ij", True, None),
        (Opcode.BINARY, b"1", True, False),
    ]
    assert backlog.size == 0
    assert not backlog


def test_the_fragments_of_a_fragment_do_not_end_its_message() -> None:
    backlog = Backlog(2)
    backlog.put(Waiting(Opcode.TEXT, b"abc", False, True))
    backlog.put(Waiting(Opcode.CONTINUATION, b"", True, True))
    assert drain(backlog) == [
        (Opcode.TEXT, b"ab", False, True),
        (Opcode.CONTINUATION, b"c", False, True),
        (Opcode.CONTINUATION, b"", True, True),
    ]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=4), st.integers(1, 300))
def test_nothing_is_lost(payloads: list[bytes], piece: int) -> None:
    backlog = Backlog(piece)
    for payload in payloads:
        backlog.put(Waiting(Opcode.BINARY, payload))
    messages: list[bytes] = []
    sizes: list[int] = []
    for opcode, payload, fin, _ in drain(backlog):
        if opcode is Opcode.BINARY:
            messages.append(b"")
            sizes.append(0)
        messages[-1] += payload
        sizes[-1] += 1
        assert len(payload) <= max(piece, 3)
        assert fin is (messages[-1] == payloads[len(messages) - 1])
    assert messages == payloads
    assert all(size <= 256 for size in sizes)
