"""Cutting heads out of bytes: what passes, what each limit and each bad byte costs, and when."""

from __future__ import annotations

from typing import SupportsIndex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.http.h1_head import HeadReader, RequestFault
from fasterapi.limits import Limits

from .wire import CUTS, GET, cut

LIMITS = Limits(max_head_size=100, max_header_line=40, max_headers=3)


def read(pieces: list[bytes], limits: Limits = LIMITS) -> list[bytes | str]:
    """Give the heads that come out, or the log line of the fault as the last."""
    reader = HeadReader(limits)
    buffer = bytearray()
    heads: list[bytes | str] = []
    try:
        for piece in pieces:
            buffer += piece
            reader.skip_blank_line(buffer)
            while (head := reader.take(buffer)) is not None:
                heads.append(head)
                reader.skip_blank_line(buffer)
    except RequestFault as fault:
        heads.append(fault.log)
    return heads


def every_way(data: bytes, limits: Limits = LIMITS) -> list[bytes | str]:
    """Read ``data`` whole and byte by byte: always the same."""
    whole = read([data], limits)
    assert read([data[at : at + 1] for at in range(len(data))], limits) == whole
    return whole


def line_of(size: int, name: bytes = b"X") -> bytes:
    """A field line of ``size`` bytes, its CRLF not counted."""
    return name + b": " + b"v" * (size - len(name) - 2) + b"\r\n"


def test_a_head_is_cut_at_its_blank_line_and_the_rest_stays() -> None:
    buffer = bytearray(GET + b"\x81\x80")
    assert HeadReader(LIMITS).take(buffer) == GET
    assert buffer == b"\x81\x80"


def test_an_unfinished_head_stays_whole_in_the_buffer() -> None:
    buffer = bytearray(GET[:-1])
    assert HeadReader(LIMITS).take(buffer) is None
    assert buffer == GET[:-1]


def test_heads_come_one_after_the_other() -> None:
    assert every_way(GET * 3) == [GET, GET, GET]


def test_one_empty_line_may_stand_before_each_request_line() -> None:
    # RFC 9112, section 2.2
    assert every_way(b"\r\n" + GET + b"\r\n" + GET) == [GET, GET]


def test_two_empty_lines_may_not() -> None:
    assert every_way(GET + b"\r\n\r\n" + GET) == [
        GET,
        "400: empty lines instead of a request line",
    ]


START = b"GET / HTTP/1.1\r\n"
LINE_LIMIT = "Limits.max_header_line (40 bytes), raise it with Limits(max_header_line=...)"
HEAD_LIMIT = "Limits.max_head_size (100 bytes), raise it with Limits(max_head_size=...)"
COUNT_LIMIT = "Limits.max_headers (3 fields), raise it with Limits(max_headers=...)"


@pytest.mark.parametrize(
    "head",
    [
        START + line_of(40) + b"\r\n",
        b"GET /" + b"x" * 26 + b" HTTP/1.1\r\n\r\n",  # 40 bytes
        START + line_of(40) + line_of(38) + b"\r\n",  # 100 bytes, both CRLFs at its end counted
        START + b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n",
        START + b"A:\tb\x80\xff\r\n\r\n",
        b"\r \r\n\r\n"[1:],
    ],
)
def test_a_head_at_a_limit_passes(head: bytes) -> None:
    assert every_way(head) == [head]


@pytest.mark.parametrize(
    ("head", "log"),
    [
        (b"GET /" + b"x" * 27 + b" HTTP/1.1\r\n\r\n", f"414: request line over {LINE_LIMIT}"),
        (START + line_of(41) + b"\r\n", f"431: a line of the request head over {LINE_LIMIT}"),
        (START + line_of(40) + line_of(39) + b"\r\n", f"431: request head over {HEAD_LIMIT}"),
        (
            START + b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n",
            f"431: request head over {COUNT_LIMIT}",
        ),
    ],
)
def test_a_head_one_over_a_limit_fails(head: bytes, log: str) -> None:
    assert every_way(head) == [log]


@pytest.mark.parametrize(
    ("unfinished", "status"),
    [
        (b"G" * 41, "414"),
        (START + b"X" * 41, "431"),
        (START + line_of(40) + b"X" * 40 + b"\r\n\r", "431"),
        (START + b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n", "431"),
        (b"\n", "400"),
        (b"GET / HTTP/1.1\n", "400"),
        (START + b"A: b\rc", "400"),
        (START + b"A: b\r\r", "400"),
        (START + b"A: b\0", "400"),
        (START + b"A: b\x0b", "400"),
        (START + b"A: b\x7f", "400"),
    ],
)
def test_a_fault_is_found_before_the_head_is_complete(unfinished: bytes, status: str) -> None:
    assert read([unfinished[:-1]]) == []
    (log,) = every_way(unfinished)
    assert log[:3] == status


@pytest.mark.parametrize("pending", [b"G" * 40 + b"\r", START + line_of(40)[:-1]])
def test_a_cr_at_the_end_of_a_full_line_waits_for_its_lf(pending: bytes) -> None:
    assert every_way(pending) == []


def test_the_first_offending_byte_decides() -> None:
    assert every_way(b"\0" + b"x" * 50)[0][:3] == "400"
    assert every_way(b"x" * 50 + b"\0")[0][:3] == "414"


def test_as_many_fields_as_may_be_are_no_fault_beside_another() -> None:
    (log,) = every_way(START + b"A: 1\r\nB: 2\r\nC: 3\r\n\0")
    assert log[:3] == "400"


def test_a_flood_of_bytes_in_one_read_is_not_walked_to_its_end() -> None:
    head = START + b"A: b\r\n" * 20_000 + b"\r\n"
    assert every_way(head[:4096]) == read([head]) == [f"431: request head over {COUNT_LIMIT}"]


def test_twenty_thousand_fields_cost_the_same_in_one_read_as_in_many() -> None:
    # h11 bounds only what is incomplete after a read: it takes these in one go
    head = START + b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(20_000)) + b"\r\n"
    limits = Limits()
    pieces = [head[at : at + 4096] for at in range(0, len(head), 4096)]
    expected = "431: request head over Limits.max_headers (100 fields)"
    assert read([head], limits)[0][: len(expected)] == expected
    assert read(pieces, limits) == read([head], limits)


def test_a_tls_hello_is_named() -> None:
    (log,) = every_way(bytes.fromhex("1603010200010001fc0303"))
    assert log == "400: this looks like TLS (https or wss) on a port that speaks plain HTTP"


def test_only_a_first_byte_is_taken_for_tls() -> None:
    (log,) = every_way(b"G\x16")
    assert "TLS" not in log


class Counted(bytearray):
    """A buffer that counts the bytes that are looked at in it."""

    seen = 0

    def find(self, sub, start=0, end=None):  # type: ignore[no-untyped-def]
        self.seen += len(self) - start
        return super().find(sub, start, len(self) if end is None else end)

    def __getitem__(self, key: SupportsIndex | slice):  # type: ignore[no-untyped-def]
        part = super().__getitem__(key)
        self.seen += len(part) if isinstance(part, bytearray) else 1
        return part


def test_a_dribbled_head_costs_linear_work() -> None:
    lines = b"".join(line_of(7000, b"X-%d" % i) for i in range(8))
    head = START + lines + b"\r\n"
    reader = HeadReader(Limits(max_head_size=1 << 16))
    buffer = Counted()
    for byte in head[:-1]:
        buffer.append(byte)
        assert reader.take(buffer) is None
    assert buffer.seen < 10 * len(head)


WORDS = st.sampled_from(
    [START, b"A: b\r\n", b"\r\n", b"\r", b"\n", b" ", b"\t", b"\0", b"\x16", b"x" * 39, b"\xe9"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(WORDS, max_size=12).map(b"".join), CUTS)
def test_splits_never_matter(data: bytes, at: list[int]) -> None:
    assert read(cut(data, at)) == every_way(data)
