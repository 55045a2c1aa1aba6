"""The kernels, in each backend that is installed, against oracles too simple to be wrong.

A kernel may be replaced by a faster one and may never change a result: whatever stands here holds
for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module, util
from itertools import pairwise
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

MODULES = {"python": "pure", "c": "native"}
BACKENDS = [
    import_module(f"fasterapi._speedups.{module}")
    for module in MODULES.values()
    if util.find_spec(f"fasterapi._speedups.{module}")
]
KEY = bytes.fromhex("37fa213d")
BUFFERS: list[Callable[[bytes], bytes | bytearray | memoryview]] = [bytes, bytearray, memoryview]


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda backend: backend.NAME)
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    """One backend after the other."""
    return request.param


def test_the_backend_says_its_name(kernels: ModuleType) -> None:
    assert MODULES[kernels.NAME] == kernels.__name__.rpartition(".")[2]


# ------------------------------------------------------------------------------------------- mask


def naive_mask(data: bytes, key: bytes, offset: int = 0) -> bytes:
    return bytes(byte ^ key[(offset + i) % 4] for i, byte in enumerate(data))


def test_mask_every_length_at_every_offset(kernels: ModuleType) -> None:
    data = bytes(range(192, 256))
    for length in range(65):
        for offset in range(17):
            expected = naive_mask(data[:length], KEY, offset)
            assert kernels.mask(data[:length], KEY, offset) == expected


def test_mask_at_every_alignment_of_every_buffer(kernels: ModuleType) -> None:
    data = bytes(range(256))
    for start in range(17):
        for make in BUFFERS:
            piece = make(data)[start : start + 65]
            assert kernels.mask(piece, KEY) == naive_mask(data[start : start + 65], KEY)


def test_mask_something_large(kernels: ModuleType) -> None:
    data = bytes(range(251)) * 1000
    masked = kernels.mask(data, KEY, 3)
    assert masked == naive_mask(data, KEY, 3)
    assert kernels.mask(masked, KEY, 3) == data


@settings(deadline=None)
@given(
    data=st.binary(max_size=300),
    key=st.binary(min_size=4, max_size=4),
    offset=st.integers(0, 2**40),
)
def test_mask_anything(kernels: ModuleType, data: bytes, key: bytes, offset: int) -> None:
    masked = kernels.mask(data, key, offset)
    assert type(masked) is bytes
    assert masked == naive_mask(data, key, offset)


def test_mask_leaves_its_argument_alone(kernels: ModuleType) -> None:
    data = bytearray(b"abcdefgh")
    kernels.mask(data, KEY)
    assert data == b"abcdefgh"


# ------------------------------------------------------------------------------------------- scan


def frame(first: int, payload: bytes, key: bytes = KEY, size: int | None = None) -> bytes:
    """Write a frame; ``size`` forces the bytes of its length field, 0, 2 or 8."""
    length = len(payload)
    if size is None:
        size = 0 if length < 126 else 2 if length < 65536 else 8
    code = {0: length, 2: 126, 8: 127}[size]
    head = bytes([first, bool(key) << 7 | code]) + (length.to_bytes(size, "big") if size else b"")
    return head + key + (naive_mask(payload, key) if key else payload)


def naive_scan(data: bytes, start: int, limit: int, masked: bool) -> tuple[bytes, list[int], int]:
    """Take frame after frame, each rule on a line of its own."""
    payloads, frames = b"", []
    while True:
        rest = data[start:]
        if len(rest) < 2:
            break
        first, second, rest = rest[0], rest[1], rest[2:]
        if bool(second & 128) is not masked:
            break
        length, header = second & 127, 2
        if length > 125:
            size = 2 if length == 126 else 8
            if len(rest) < size:
                break
            length, rest, header = int.from_bytes(rest[:size], "big"), rest[size:], 2 + size
            if length < (126 if size == 2 else 65536):
                break
            if length >= 2**63:
                break
        if length > limit:
            break
        key, rest = (rest[:4], rest[4:]) if masked else (b"", rest)
        if len(key) < 4 * masked or len(rest) < length:
            break
        payloads += naive_mask(rest[:length], key) if masked else rest[:length]
        frames.append(len(payloads) << 8 | first)
        start += header + len(key) + length
    return payloads, frames, start


def agree(
    kernels: ModuleType, data: bytes, start: int = 0, limit: int = 1 << 20, masked: bool = True
) -> tuple[bytes, list[int], int]:
    """Scan ``data`` in every kind of buffer, and give what the oracle says as well."""
    expected = naive_scan(data, start, limit, masked)
    for make in BUFFERS:
        payloads, frames, position = kernels.scan(make(data), start, limit, masked)
        assert type(payloads) is bytes
        assert (payloads, list(frames), position) == expected
    return expected


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536])
def test_scan_takes_frames_of_every_form_of_length(
    kernels: ModuleType, key: bytes, length: int
) -> None:
    payload = bytes(range(256)) * 257
    data = frame(0x82, payload[:length], key) + frame(0x01, b"tail", key)
    found = agree(kernels, data, masked=bool(key))
    assert found == (
        payload[:length] + b"tail",
        [length << 8 | 0x82, length + 4 << 8 | 0x01],
        len(data),
    )


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", [3, 126, 65536])
def test_scan_stops_in_front_of_an_unfinished_frame(
    kernels: ModuleType, key: bytes, length: int
) -> None:
    whole = frame(0x81, b"first", key)
    last = frame(0x82, bytes(length), key)
    for end in [*range(min(len(last), 20)), len(last) - 1]:
        assert agree(kernels, whole + last[:end], masked=bool(key))[2] == len(whole)


@pytest.mark.parametrize(
    "bad",
    [
        frame(0x81, b"Hi", b""),
        frame(0x82, bytes(5), size=2),
        frame(0x82, bytes(125), size=2),
        frame(0x82, bytes(126), size=8),
        frame(0x82, bytes(65535), size=8),
        b"\x82\xff" + (1 << 63).to_bytes(8, "big") + KEY + bytes(99),
        b"\x82\xff" + (2**64 - 1).to_bytes(8, "big") + KEY + bytes(99),
        b"\x82\xff" + (2**63 - 1).to_bytes(8, "big") + KEY + bytes(99),
        frame(0x82, bytes(1001)),
    ],
    ids=[
        "unmasked", "5 in two bytes", "125 in two bytes", "126 in eight bytes",
        "65535 in eight bytes", "highest bit", "all bits", "2**63-1", "over the limit",
    ],
)  # fmt: skip
def test_scan_stops_in_front_of_what_it_will_not_take(kernels: ModuleType, bad: bytes) -> None:
    data = frame(0x81, b"first") + bad + frame(0x81, b"second")
    found = agree(kernels, data, limit=1000)
    assert found == (b"first", [5 << 8 | 0x81], len(frame(0x81, b"first")))


@pytest.mark.parametrize("masked", [True, False])
def test_scan_does_not_take_the_wrong_mask_bit_for_a_long_length(
    kernels: ModuleType, masked: bool
) -> None:
    wrong = b"\x82\x00" if masked else b"\x82\x80"
    looks_like_a_length = (65_536).to_bytes(8, "big") + bytes(70_000)
    assert agree(kernels, wrong + looks_like_a_length, masked=masked) == (b"", [], 0)


def test_scan_of_a_server_s_frames_stops_in_front_of_a_masked_one(kernels: ModuleType) -> None:
    data = frame(0x81, b"first", b"") + frame(0x81, b"Hi")
    assert agree(kernels, data, masked=False)[2] == len(frame(0x81, b"first", b""))


def test_scan_takes_a_payload_of_exactly_the_limit(kernels: ModuleType) -> None:
    assert agree(kernels, frame(0x82, bytes(1000)), limit=1000)[1] == [1000 << 8 | 0x82]


def test_scan_does_not_judge_the_first_byte(kernels: ModuleType) -> None:
    data = b"".join(frame(first, b"x") for first in range(256))
    assert [found & 0xFF for found in agree(kernels, data)[1]] == list(range(256))


def test_scan_begins_where_it_is_told(kernels: ModuleType) -> None:
    data = b"junk" + frame(0x81, b"Hi")
    assert agree(kernels, data, start=4) == (b"Hi", [2 << 8 | 0x81], len(data))
    assert agree(kernels, data, start=len(data)) == (b"", [], len(data))


def test_scan_leaves_the_read_alone(kernels: ModuleType) -> None:
    data = bytearray(frame(0x81, b"Hi"))
    kernels.scan(data, 0, 100, True)
    assert data == frame(0x81, b"Hi")


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Draw some frames, most of them good, in one stream that may be cut short."""
    masked = draw(st.booleans())
    stream = b""
    for _ in range(draw(st.integers(0, 6))):
        payload = bytes(draw(st.sampled_from([0, 1, 3, 4, 7, 64, 125, 126, 200, 201])))
        payload = payload[:-4] + draw(st.binary(max_size=4)) if payload else payload
        odd = draw(st.integers(0, 19))
        key = draw(st.binary(min_size=4, max_size=4)) if masked is not (odd == 0) else b""
        size = 8 if odd == 1 else 2 if odd == 2 else None
        stream += frame(draw(st.integers(0, 255)), payload, key, size)
    cut = draw(st.integers(0, len(stream))) if draw(st.booleans()) else len(stream)
    return stream[:cut], masked


@settings(deadline=None, max_examples=200)
@given(stream=streams(), limit=st.sampled_from([1, 100, 200, 1 << 20]))
def test_scan_any_frames(kernels: ModuleType, stream: tuple[bytes, bool], limit: int) -> None:
    data, masked = stream
    agree(kernels, data, 0, limit, masked)


@settings(deadline=None)
@given(data=st.binary(max_size=60), start=st.integers(0, 10), masked=st.booleans())
def test_scan_anything(kernels: ModuleType, data: bytes, start: int, masked: bool) -> None:
    agree(kernels, data, min(start, len(data)), 30, masked)


# -------------------------------------------------------------------------------------- UTF-8


def first_fault(data: bytes) -> int | None:
    """Find the first byte that can't be right (RFC 3629, section 4); ``None`` if there is none.

    The grammar is written as the RFC writes it: one line for each form of a character.
    """
    tail = range(0x80, 0xC0)
    forms = [
        [range(0x80)],
        [range(0xC2, 0xE0), tail],
        [range(0xE0, 0xE1), range(0xA0, 0xC0), tail],
        [range(0xE1, 0xED), tail, tail],
        [range(0xED, 0xEE), range(0x80, 0xA0), tail],
        [range(0xEE, 0xF0), tail, tail],
        [range(0xF0, 0xF1), range(0x90, 0xC0), tail, tail],
        [range(0xF1, 0xF4), tail, tail, tail],
        [range(0xF4, 0xF5), range(0x80, 0x90), tail, tail],
    ]
    expected: list[range] = []
    for position, byte in enumerate(data):
        if expected:
            if byte not in expected.pop(0):
                return position
        else:
            form = next((form for form in forms if byte in form[0]), None)
            if form is None:
                return position
            expected = form[1:]
    return None


def unfinished(data: bytes) -> int:
    """Count the bytes at the end of well-formed ``data`` that belong to an unfinished character."""
    for size in range(4):
        try:
            data[: len(data) - size].decode()
        except UnicodeDecodeError:
            continue
        return size
    raise AssertionError("data is not well-formed")


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


def test_the_validator_takes_every_buffer(kernels: ModuleType) -> None:
    for make in BUFFERS:
        assert kernels.Utf8Validator().feed(make("µ€😀".encode()), True)
        assert not kernels.Utf8Validator().feed(make(b"\xff"))


CHARACTERS = "a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"


@settings(deadline=None)
@given(
    data=st.lists(
        st.one_of(st.sampled_from(CHARACTERS).map(str.encode), st.binary(max_size=3)), max_size=20
    ).map(b"".join),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_any_text_in_any_pieces(kernels: ModuleType, data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    check(kernels, [data[start:end] for start, end in pairwise(edges)])
