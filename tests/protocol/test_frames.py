"""Frames: headers read and written, close payloads, against websockets and wsproto."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import websockets.exceptions
import websockets.frames
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, ParseFailed

from fasterapi.errors import FrameError, LocalProtocolError
from fasterapi.protocol import Frame, Opcode
from fasterapi.protocol.frames import (
    FIN,
    Header,
    PartialFrame,
    build_close,
    build_header,
    check_opcode,
    mask,
    parse_close,
    parse_header,
)

from .wire import BINARY, CLOSE, CONT, KEY, PING, PONG, TEXT, frame, split, xor

LENGTHS = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 70_000, 2**32, 2**63 - 1]


def anything(first: int, length: int) -> None:
    """Pass every frame."""


# --------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_header_that_was_written_is_read_again(length: int, key: bytes) -> None:
    data = build_header(FIN | BINARY, length, key)
    header = parse_header(b"junk" + data + b"payload", 4, bool(key), anything)
    assert header == Header(FIN | BINARY, length, key, len(data))


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONT, PING, PONG, CLOSE])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_websockets_writes_the_same_header(opcode: Opcode, length: int) -> None:
    if opcode >= CLOSE and length > 125:
        return
    theirs = websockets.frames.Frame(websockets.frames.Opcode(opcode), bytes(length), fin=True)
    data = theirs.serialize(mask=False)
    assert build_header(FIN | opcode, length) == data[: len(data) - length]


@pytest.mark.parametrize("key", [KEY, b""], ids=["masked", "unmasked"])
@pytest.mark.parametrize("length", [5, 126, 65536])
def test_an_unfinished_header_is_not_judged(length: int, key: bytes) -> None:
    data = build_header(FIN | TEXT, length, key)
    for end in range(len(data)):
        assert parse_header(data[:end], 0, bool(key), anything) is None
    assert parse_header(data, 0, bool(key), anything) is not None


@pytest.mark.parametrize(
    ("data", "masked", "complaint"),
    [
        ("8102", True, "unmasked frame from a client"),
        ("8182", False, "masked frame from a server"),
        ("82fe0005", True, "not in its shortest form"),
        ("82fe007d", True, "not in its shortest form"),
        ("82ff000000000000ffff", True, "not in its shortest form"),
        ("82ff0000000000000000", True, "not in its shortest form"),
        ("82ff8000000000000000", True, "highest bit set"),
        ("82ffffffffffffffffff", True, "highest bit set"),
        ("827e0005", False, "not in its shortest form"),
        ("827fffffffffffffffff", False, "highest bit set"),
    ],
)
def test_a_header_that_is_wrong(data: str, masked: bool, complaint: str) -> None:
    wrong = bytes.fromhex(data)
    with pytest.raises(FrameError, match=complaint):
        parse_header(wrong, 0, masked, anything)
    assert parse_header(wrong[:-1], 0, masked, anything) is None


def test_the_first_two_bytes_are_checked_before_anything_else() -> None:
    seen = []

    def check(first: int, length: int) -> None:
        seen.append((first, length))
        raise FrameError("not here")

    for data in (b"\x81\x02", b"\x82\xfe", b"\x82\xff", b"\x09\x00"):
        with pytest.raises(FrameError, match="not here"):
            parse_header(data, 0, True, check)
    assert seen == [(0x81, 2), (0x82, 126), (0x82, 127), (0x09, 0)]


@pytest.mark.parametrize("first", range(256))
def test_first_bytes_against_the_rfc(first: int) -> None:
    opcode, fin = first & 0x0F, bool(first & FIN)
    legal = opcode in {0, 1, 2, 8, 9, 10} and (fin or opcode < 8)
    for length in (0, 125, 126, 127):
        if legal and (opcode < 8 or length <= 125):
            check_opcode(first, length)
        else:
            with pytest.raises(FrameError):
                check_opcode(first, length)


def websockets_takes(data: bytes) -> bool:
    """Ask websockets whether it takes a client's frame."""

    def read_exact(size: int) -> Generator[None, None, bytes]:
        nonlocal data
        piece, data = data[:size], data[size:]
        yield from ()
        return piece

    parser = websockets.frames.Frame.parse(read_exact, mask=True)
    try:
        next(parser)
    except StopIteration:
        return True
    except websockets.exceptions.ProtocolError:
        return False
    raise AssertionError("the frame is not whole")


def wsproto_takes(data: bytes) -> bool:
    """Ask wsproto whether it takes a client's frame."""
    protocol = FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(data)
    try:
        list(protocol.received_frames())
    except ParseFailed:
        return False
    return True


@settings(deadline=None, max_examples=300)
@given(
    first=st.integers(0, 255),
    length=st.sampled_from([0, 1, 2, 125, 126, 127, 65535, 65536]),
    masked=st.sampled_from([True, True, True, False]),
)
def test_any_single_frame_is_judged_as_others_judge_it(
    first: int, length: int, masked: bool
) -> None:
    def check(first: int, length: int) -> None:
        check_opcode(first, length)
        if first & 0x70:
            raise FrameError("no extension")

    opcode, fin, rsv = first & 0x0F, bool(first & FIN), first & 0x70
    payload = (b"\x03\xe8" if opcode == CLOSE else b"")[:length].ljust(length, b"a")
    data = frame(opcode, payload, fin=fin, rsv=rsv, key=KEY if masked else b"")
    try:
        parse_header(data, 0, True, check)
    except FrameError:
        ours = False
    else:
        ours = True
    assert websockets_takes(data) is ours
    # A continuation of nothing and half a close code are judged elsewhere.
    if opcode != CONT and not (opcode == CLOSE and length == 1):
        assert wsproto_takes(data) is ours


# ---------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("rsv", [0, 0x40, 0x20, 0x10, 0x70])
def test_the_first_byte_of_a_frame(fin: bool, rsv: int) -> None:
    assert Frame(Opcode.BINARY, b"", fin, rsv).first_byte == (0x80 if fin else 0) | rsv | 2


def test_a_frame_is_frozen_and_by_default_final_and_plain() -> None:
    frame = Frame(Opcode.BINARY, b"x")
    assert frame == Frame(Opcode.BINARY, b"x", True, 0)
    assert not hasattr(frame, "__dict__")
    with pytest.raises(AttributeError):
        frame.fin = False  # type: ignore[misc]


@settings(deadline=None)
@given(
    payload=st.binary(max_size=40),
    key=st.sampled_from([KEY, b""]),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_a_payload_in_pieces_is_unmasked_as_a_whole(
    payload: bytes, key: bytes, cuts: list[int]
) -> None:
    partial = PartialFrame(Header(FIN | BINARY, len(payload), key, 0))
    wire = xor(payload, key) if key else payload
    taken = b""
    for piece in split(wire, [min(cut, len(wire)) for cut in cuts]):
        taken += mask(piece, key, partial.offset) if key else piece
        partial.advance(len(piece))
        assert partial.remaining == len(payload) - len(taken)
    assert taken == payload


# --------------------------------------------------------------------------- close payloads


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 3000, 4999])
@pytest.mark.parametrize("reason", ["", "bye", "€" * 41])
def test_a_close_payload_is_what_websockets_writes(code: int, reason: str) -> None:
    payload = build_close(code, reason)
    assert payload == websockets.frames.Close(code, reason).serialize()
    assert parse_close(payload) == (code, reason.encode())


def test_an_empty_close_payload_stands_for_1005() -> None:
    assert parse_close(b"") == (1005, b"")


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 70_000])
@pytest.mark.parametrize("reason", ["reason", ""])
def test_codes_that_may_not_be_sent(code: int, reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"close code {code} may not be sent; use 1000 to"):
        build_close(code, reason)


@pytest.mark.parametrize(
    ("reason", "complaint"),
    [
        ("a" * 124, "close reason of 124 bytes; at most 123 fit"),
        ("é" * 62, "close reason of 124 bytes"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_reasons_that_may_not_be_sent(reason: str, complaint: str) -> None:
    with pytest.raises(LocalProtocolError, match=complaint):
        build_close(1000, reason)
    assert len(build_close(1000, "a" * 123)) == 125


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
def test_codes_that_may_not_be_received(code: int) -> None:
    with pytest.raises(FrameError, match=f"close code {code}, which may not be sent"):
        parse_close(code.to_bytes(2, "big"))


def test_half_a_close_code() -> None:
    with pytest.raises(FrameError, match="half a close code"):
        parse_close(b"\x03")
