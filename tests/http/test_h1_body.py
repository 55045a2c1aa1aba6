"""Request bodies: of a known length and chunked, with h11 as the second opinion on the latter."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.http.h1_body import ChunkedBody, FixedBody
from fasterapi.http.h1_head import RequestFault
from fasterapi.limits import DEFAULT_LIMITS, Limits

from .wire import CUTS, cut

LIMITS = Limits(max_body_size=64, max_head_size=60, max_header_line=30, max_headers=2)


def decode(pieces: list[bytes], limits: Limits = LIMITS) -> tuple[bytes, bytes] | str | None:
    """Give the body and what stays behind it, the log line of a fault, or ``None``."""
    body, buffer, whole = ChunkedBody(limits), bytearray(), None
    try:
        for piece in pieces:
            buffer += piece
            if whole is None:
                whole = body.take(buffer)
    except RequestFault as fault:
        return fault.log
    return None if whole is None else (whole, bytes(buffer))


def every_way(data: bytes, limits: Limits = LIMITS) -> tuple[bytes, bytes] | str | None:
    """Decode ``data`` whole and byte by byte: always the same."""
    whole = decode([data], limits)
    assert decode([data[at : at + 1] for at in range(len(data))], limits) == whole
    return whole


def h11_decode(data: bytes) -> bytes | None:
    """What h11 makes of it; ``None`` if it is malformed or unfinished."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    parser.next_event()
    body = b""
    try:
        while isinstance(event := parser.next_event(), h11.Data):
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        return None
    return body if isinstance(event, h11.EndOfMessage) else None


def test_a_body_of_a_known_length_comes_when_it_is_whole() -> None:
    body, buffer = FixedBody(3), bytearray(b"ab")
    assert body.take(buffer) is None
    buffer += b"cd"
    assert body.take(buffer) == b"abc"
    assert buffer == b"d"


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n06\r\n world\r\n000\r\n\r\n", b"hello world"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"a\r\n\r\n0\r\n\r\n\r\nx\r\n0\r\n\r\n", b"\r\n0\r\n\r\n\r\nx"),
        (b'1;a\r\nx\r\n1;a=b;c="d"\r\ny\r\n0;e\r\n\r\n', b"xy"),
        (b"0000000000000001\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n", b"x"),
    ],
)
def test_a_chunked_body(data: bytes, body: bytes) -> None:
    assert every_way(data + b"GET") == (body, b"GET")
    assert h11_decode(data) == body
    assert every_way(data[:-1]) is None


def test_a_size_line_that_came_in_two_reads_leaves_the_next_one_alone() -> None:
    pieces = [b"0a", b"\r\n0123456789\r\n5\r\n", b"hello\r\n0\r\n\r\n"]
    assert decode(pieces) == (b"0123456789hello", b"")


def test_bad_white_space_before_an_extension_is_read_over() -> None:
    # RFC 9112, section 7.1.1 and RFC 9110, section 5.6.3; h11 refuses it
    assert every_way(b"1 \t;a\r\nx\r\n0\r\n\r\n") == (b"x", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\nx\r\n",
        b"0x1\r\nx\r\n",
        b"1_0\r\n",
        b" 1\r\nx\r\n",
        b"1 \r\nx\r\n",
        b"1\nx\r\n",
        b"1;a\nb\r\nx",
        b"1;a\rb\r\nx",
        b"1;\0\r\nx",
        b"00000000000000001\r\nx",
        b"1\r\nxy",
        b"1\r\nx\ry",
        b"1\r\nx\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\r\n c\r\n\r\n",
        b"0\r\n\n",
        b"0\r\nA: \0",
        b"GET /admin HTTP/1.1\r\n",
    ],
)
def test_a_malformed_chunked_body(data: bytes) -> None:
    log = every_way(data)
    assert isinstance(log, str)
    assert log.startswith("400: ")


@pytest.mark.parametrize(
    ("data", "log"),
    [
        (b"41\r\n", "413: request body over Limits.max_body_size (64 bytes)"),
        (b"ffffffffffffffff\r\n", "413: request body over Limits.max_body_size (64 bytes)"),
        (b"40\r\n" + b"x" * 64 + b"\r\n1\r\n", "413: request body over Limits.max_body_size"),
        (b"1\r\nx\r\n" * 65, "413: request body over Limits.max_body_size"),
        (b"1;" + b"x" * 80, "413: chunk extensions over Limits.max_head_size (60 bytes)"),
        (b"1;" + b"x" * 29 + b"\r\nx\r\n1;" + b"x" * 60, "413: chunk extensions"),
        (b"0\r\n" + b"A: b\r\n" * 3, "431: trailer section over Limits.max_headers (2 fields)"),
        (b"0\r\nA: " + b"b" * 28, "431: a line of the trailer section over"),
        (b"0\r\n" + (b"A: " + b"b" * 26 + b"\r\n") * 2, "431: trailer section over Limits.max_h"),
    ],
)
def test_a_chunked_body_over_a_limit(data: bytes, log: str) -> None:
    result = every_way(data)
    assert isinstance(result, str)
    assert result.startswith(log)


def test_a_body_and_extensions_at_their_limits_pass() -> None:
    assert every_way(b"40;" + b"x" * 59 + b"\r\n" + b"x" * 64 + b"\r\n0\r\n\r\n") == (
        b"x" * 64,
        b"",
    )
    extended = b"1;" + b"x" * 29 + b"\r\nx\r\n"
    assert every_way(extended * 2 + b"0\r\n\r\n") == (b"xx", b"")
    over = every_way(extended * 2 + b"0;" + b"x" * 16 + b"\r\n")
    assert isinstance(over, str)
    assert over.startswith("413")


PAYLOADS = st.lists(st.binary(min_size=1, max_size=30), max_size=8)


@given(PAYLOADS, CUTS)
def test_what_was_chunked_comes_back_however_it_is_split(
    payloads: list[bytes], at: list[int]
) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in payloads) + b"0\r\n\r\n"
    assert decode(cut(data + b"rest", at), DEFAULT_LIMITS) == (b"".join(payloads), b"rest")
    assert h11_decode(data) == b"".join(payloads)


WORDS = st.sampled_from(
    [b"0\r\n\r\n", b"1\r\nx\r\n", b"2\r\n", b"xy", b"\r\n", b"\r", b"\n", b";a=b", b"0", b"A: b"]
)


@given(st.lists(WORDS, max_size=10).map(b"".join), CUTS)
def test_splits_never_matter_and_whatever_we_take_h11_takes_too(data: bytes, at: list[int]) -> None:
    outcome = every_way(data)
    assert decode(cut(data, at)) == outcome
    if isinstance(outcome, tuple):
        body, rest = outcome
        assert h11_decode(data[: len(data) - len(rest)]) == body
