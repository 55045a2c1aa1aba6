"""Heads taken apart: the second of its kind is read like the first, and little is kept for that."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.http import h1_fields
from fasterapi.http.h1_fields import parse_head
from fasterapi.http.h1_head import RequestFault

COMMON = b"Host: example.org\r\nUser-Agent: a browser\r\nConnection: Upgrade\r\n"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, tuple[str, str]]:
    """Begin with nothing kept, and give what is."""
    kept: dict[bytes, tuple[str, str]] = {}
    monkeypatch.setattr(h1_fields, "_kept", kept)
    return kept


def head(lines: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\n" + lines + b"\r\n"


def test_the_second_head_shares_what_the_first_has_said() -> None:
    *_, first = parse_head(head(COMMON + b"Cookie: id=1\r\n"))
    *_, second = parse_head(head(COMMON + b"Cookie: id=2\r\n"))
    assert first[:3] == [
        ("host", "example.org"), ("user-agent", "a browser"), ("connection", "Upgrade"),
    ]  # fmt: skip
    assert all(one is other for one, other in zip(first[:3], second[:3], strict=True))
    assert (first[3], second[3]) == (("cookie", "id=1"), ("cookie", "id=2"))


def test_what_is_somebodys_own_is_not_kept(nothing_kept: dict[bytes, tuple[str, str]]) -> None:
    own = b"Cookie: a=b\r\nAuthorization: Basic eA==\r\nSec-WebSocket-Key: k\r\nX-Token: t\r\n"
    parse_head(head(COMMON + own))
    assert list(nothing_kept) == COMMON.split(b"\r\n")[:3]


def test_what_is_kept_is_bounded(nothing_kept: dict[bytes, tuple[str, str]]) -> None:
    sizes = set()
    for number in range(2000):
        parse_head(head(b"Host: h%d\r\n" % number))
        sizes.add(len(nothing_kept))
    assert max(sizes) == 512
    parse_head(head(b"Host: " + b"x" * 300 + b"\r\n"))
    assert max(map(len, nothing_kept)) < 256


def test_a_head_that_is_refused_leaves_nothing(nothing_kept: dict[bytes, tuple[str, str]]) -> None:
    for line in (b"no colon\r\n", b"Host : x\r\n", b": x\r\n", b"Transfer-Encoding: gzip\r\n"):
        with pytest.raises(RequestFault):
            parse_head(head(COMMON + line))
    assert nothing_kept == {}
    parse_head(head(b"").replace(b"1.1", b"1.0"))  # which needs no host


lines = st.lists(
    st.sampled_from([
        b"Host: a", b"host:a", b"HOST: \t a \t", b"Accept: \xe9", b"Accept:", b"Accept: a, b",
        b"Origin: null", b"X: y", b"Upgrade: \x01", b"Bad Name: x", b"Cookie: c",
    ]),
    max_size=8,
)  # fmt: skip


@given(st.lists(lines, min_size=1, max_size=4))
def test_what_is_kept_changes_no_answer(heads: list[list[bytes]]) -> None:
    def outcomes(*, forget: bool) -> list[object]:
        found: list[object] = []
        for lines in heads:
            if forget:
                h1_fields._kept.clear()
            try:
                found.append(parse_head(head(b"".join(line + b"\r\n" for line in lines))))
            except RequestFault as fault:
                found.append((fault.status, fault.text))
        return found

    assert outcomes(forget=True) == outcomes(forget=False) == outcomes(forget=False)


@given(st.from_regex(h1_fields._PLAIN_LINE, fullmatch=True))
def test_what_is_plainly_right_is_right_to_h11_too(line: bytes) -> None:
    name, _, value = line.partition(b":")
    field = name.lower().decode(), value.strip(b" \t").decode()
    doubtful: list[tuple[bytes, bytes]] = []
    assert h1_fields._read(line, doubtful) == field
    if not doubtful:  # as what frames a body always is
        fields = [(name, value.strip(b" \t"))]
        parsed = h11.Request(method="GET", target="/", headers=fields, http_version="1.0")
        assert [(one.decode(), other.decode()) for one, other in parsed.headers] == [field]


@pytest.mark.parametrize("line", [b"GET /\x80 HTTP/1.1", b"G,T / HTTP/1.1", b"GET  HTTP/1.1"])
def test_a_request_line_that_is_not_plain_goes_to_h11(line: bytes) -> None:
    with pytest.raises(RequestFault) as caught:
        parse_head(line + b"\r\nHost: a\r\n\r\n")
    assert caught.value.status == 400
