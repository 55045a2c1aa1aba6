"""The UTF-8 kernel, in each backend, against the grammar of RFC 3629, section 4."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import BUFFERS, first_fault, texts, unfinished


def check(kernels: ModuleType, pieces: Iterable[bytes]) -> None:
    """Feed pieces; the verdict has to come with the piece that holds the first fault."""
    validator = kernels.Utf8Validator()
    fed = b""
    for piece in pieces:
        fed += piece
        good = first_fault(fed) is None
        assert validator.feed(piece) is good, fed
        if not good:
            return
        assert validator.pending == unfinished(fed), fed
    assert validator.feed(b"", True) is (unfinished(fed) == 0), fed


def in_every_way(kernels: ModuleType, data: bytes) -> None:
    """Feed ``data`` whole, byte by byte, and cut in two anywhere."""
    check(kernels, [data])
    check(kernels, [data[i : i + 1] for i in range(len(data))])
    for cut in range(1, len(data)):
        check(kernels, [data[:cut], data[cut:]])


def test_every_single_byte(kernels: ModuleType) -> None:
    for byte in range(256):
        check(kernels, [bytes([byte])])


def test_every_pair_of_bytes(kernels: ModuleType) -> None:
    for first in range(256):
        start = bytes([first])
        lead_fault = first_fault(start) is not None
        for second in range(256):
            pair = bytes([first, second])
            good = first_fault(pair) is None
            assert kernels.Utf8Validator().feed(pair) is good, pair
            if not lead_fault:
                validator = kernels.Utf8Validator()
                assert validator.feed(start)
                assert validator.feed(pair[1:]) is good, pair


EDGES = (0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF)


@pytest.mark.parametrize("first", [0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF])
def test_three_bytes_at_every_boundary(kernels: ModuleType, first: int) -> None:
    for second in EDGES:
        for third in EDGES:
            in_every_way(kernels, bytes([first, second, third]))


@pytest.mark.parametrize("first", [0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF])
def test_four_bytes_at_every_boundary(kernels: ModuleType, first: int) -> None:
    for second in EDGES:
        for third in EDGES[::2]:
            for fourth in EDGES[::3]:
                in_every_way(kernels, bytes([first, second, third, fourth]))


@pytest.mark.parametrize(
    "fault",
    [
        "c0",
        "c1",
        "f5",
        "80",
        "e080",
        "e09f",
        "eda0",
        "edbf",
        "f080",
        "f08f",
        "f490",
        "f4bf",
        "c241",
    ],
)
def test_the_verdict_comes_with_the_first_impossible_byte(kernels: ModuleType, fault: str) -> None:
    data = bytes.fromhex(fault)
    for prefix in (b"", b"ascii ", "µ€😀".encode()):
        validator = kernels.Utf8Validator()
        assert validator.feed(prefix + data[:-1])
        assert not validator.feed(data[-1:])
        assert not kernels.Utf8Validator().feed(prefix + data)
        assert not kernels.Utf8Validator().feed(prefix + data + b"\x80\x80")


def test_a_text_may_not_end_inside_a_character(kernels: ModuleType) -> None:
    character = "😀".encode()
    for size in range(1, 4):
        validator = kernels.Utf8Validator()
        assert validator.feed(character[:size])
        assert not validator.feed(b"", True)
        assert not kernels.Utf8Validator().feed(character[:size], True)
    assert kernels.Utf8Validator().feed(character, True)


def test_reset_begins_a_new_text(kernels: ModuleType) -> None:
    validator = kernels.Utf8Validator()
    assert validator.feed(b"\xe2\x82")
    validator.reset()
    assert validator.pending == 0
    assert validator.feed(b"new", True)


@pytest.mark.parametrize("buffer", BUFFERS)
def test_a_fault_at_every_offset_of_every_length(kernels: ModuleType, buffer: str) -> None:
    make = BUFFERS[buffer]
    for length in range(65):
        assert kernels.Utf8Validator().feed(make(bytes(length)), True)
        for fault in range(max(0, length - 17), length):
            text = b"x" * fault + b"\xff" + b"x" * (length - fault - 1)
            assert not kernels.Utf8Validator().feed(make(text))


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_character_at_every_offset_of_every_length(kernels: ModuleType, character: str) -> None:
    encoded = character.encode()
    for before in range(33):
        for after in range(17):
            text = b"x" * before + encoded + b"y" * after
            assert kernels.Utf8Validator().feed(text, True)
            assert not kernels.Utf8Validator().feed(text[:before] + text[before + 1 :])
        validator = kernels.Utf8Validator()
        assert validator.feed(b"x" * before + encoded[:1])
        assert validator.pending == 1


@pytest.mark.parametrize("size", [4095, 4096, 4097, 100_000])
def test_long_text_in_every_buffer(kernels: ModuleType, size: int) -> None:
    text = ("aé€😀" * (size // 10)).encode()
    for make in BUFFERS.values():
        assert kernels.Utf8Validator().feed(make(text), True)
        assert not kernels.Utf8Validator().feed(make(text + b"\xff"))


def test_the_argument_is_not_held(kernels: ModuleType) -> None:
    validator = kernels.Utf8Validator()
    for size in (1, 1000):
        data = bytearray("text and €".encode() * size)
        assert validator.feed(data)
        data.clear()  # which a buffer that is still held would refuse


@pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2]])
def test_what_is_no_buffer_is_refused(kernels: ModuleType, wrong: object) -> None:
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        kernels.Utf8Validator().feed(wrong)


@given(data=texts, cuts=st.lists(st.integers(0, 60), max_size=6))
def test_any_text_in_any_pieces(kernels: ModuleType, data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    check(kernels, [data[start:end] for start, end in pairwise(edges)])
