"""Heads that are known but for their key: the answer is the one that reading them gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.http import h1_known
from fasterapi.http.h1_head import RequestFault
from fasterapi.http.h1_known import read_head
from fasterapi.http.h1_request import RequestHead, read_request_head
from fasterapi.limits import DEFAULT_LIMITS, Limits

KEYS = ("dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==")
LINES = ("Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: {}")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, object]:
    """Begin with nothing kept, and give what is."""
    kept: dict[bytes, object] = {}
    monkeypatch.setattr(h1_known, "_kept", kept)
    return kept


def head(key: str, *lines: str, start: str = "GET /ws HTTP/1.1") -> bytes:
    text = "".join(f"{line}\r\n" for line in (start, *lines, ""))
    return text.replace("{}", key).encode("latin-1")


@pytest.mark.parametrize("lines", [LINES, LINES[::-1], (*LINES[1:], LINES[0])])
def test_a_second_head_is_what_reading_it_would_give(
    lines: tuple[str, ...], nothing_kept: dict[bytes, object]
) -> None:
    for key in KEYS:
        raw = head(key, *lines)
        found = read_head(raw, DEFAULT_LIMITS)
        assert found == read_request_head(raw, DEFAULT_LIMITS)
        assert found.headers["sec-websocket-key"] == key
        assert len(nothing_kept) == 1


@pytest.mark.parametrize(
    "raw",
    [
        head(KEYS[0], *LINES, "Cookie: a=b"),
        head(KEYS[0], *LINES, "Authorization: Basic eA=="),
        head(KEYS[0], *LINES, start="GET /ws?token=secret HTTP/1.1"),
        head(KEYS[0], *LINES, LINES[3]),
        head(KEYS[0], *LINES, "Content-Length: 1"),
        head(KEYS[0], *LINES, "Accept: " + "x" * 1000),
        head(KEYS[0], *LINES, start="GET /ws HTTP/1.0"),
        head("short", *LINES),
        head("", *LINES[:3]),
    ],
)
def test_what_is_somebodys_own_or_odd_is_not_kept(
    raw: bytes, nothing_kept: dict[bytes, object]
) -> None:
    assert read_head(raw, DEFAULT_LIMITS) == read_request_head(raw, DEFAULT_LIMITS)
    assert nothing_kept == {}


def test_what_is_kept_is_bounded(nothing_kept: dict[bytes, object]) -> None:
    sizes = set()
    for number in range(600):
        read_head(head(KEYS[0], *LINES, start=f"GET /{number} HTTP/1.1"), DEFAULT_LIMITS)
        sizes.add(len(nothing_kept))
    assert max(sizes) == 256


some_lines = st.lists(
    st.sampled_from([*LINES, "host: b", "X: y", "Origin: null", "connection: close", "Upgrade: x"]),
    max_size=7,
).map(lambda lines: ["Host: a", *lines] if not any("ost" in line for line in lines) else lines)


@given(st.lists(st.tuples(some_lines, st.sampled_from([*KEYS, "k"])), min_size=1, max_size=4))
def test_what_is_kept_changes_no_answer(heads: list[tuple[list[str], str]]) -> None:
    def outcome(read: Callable[[bytes, Limits], RequestHead], raw: bytes) -> object:
        try:
            return read(raw, DEFAULT_LIMITS)
        except RequestFault as fault:
            return fault.status, fault.text

    for lines, key in heads * 2:
        raw = head(key, *lines)
        assert outcome(read_head, raw) == outcome(read_request_head, raw)
