"""Header fields: look-up without regard to case, lists, and what may not be sent."""

from __future__ import annotations

import h11
import pytest

from fasterapi.errors import LocalProtocolError
from fasterapi.protocol import Headers
from fasterapi.protocol.headers import is_token, parse_list, validate_field

PAIRS = [("Host", "example.com"), ("Accept", "a"), ("X-Empty", ""), ("accept", "b, C")]


@pytest.mark.parametrize(
    "given",
    [
        PAIRS,
        iter(PAIRS),
        [(name.encode(), value.encode()) for name, value in PAIRS],
        [(bytearray(name.encode()), memoryview(value.encode())) for name, value in PAIRS],
        Headers(PAIRS),
    ],
    ids=["list", "iterator", "bytes", "other buffers", "Headers"],
)
def test_headers_are_a_tuple_of_pairs(given: list[tuple[str, str]]) -> None:
    headers = Headers(given)
    assert headers == tuple(PAIRS)
    assert dict(headers)["Host"] == "example.com"


def test_headers_from_a_mapping() -> None:
    assert Headers({"A": "1", "B": "2"}) == (("A", "1"), ("B", "2"))
    assert Headers() == ()


def test_bytes_are_latin_1() -> None:
    assert Headers([(b"X", b"caf\xe9")])["x"] == "café"


@pytest.mark.parametrize("value", [5, None, 1.5])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        Headers([("X-Count", value)])  # type: ignore[list-item]


def test_look_up_by_name() -> None:
    headers = Headers(PAIRS)
    assert headers["HOST"] == "example.com"
    assert headers["accept"] == "a, b, C"
    assert headers.get("x-empty") == ""
    assert headers.get("missing") is None
    assert headers.get("missing", "default") == "default"
    assert headers.get_all("ACCEPT") == ["a", "b, C"]
    assert headers.get_all("missing") == []
    with pytest.raises(KeyError, match="missing"):
        headers["missing"]


def test_look_up_by_position() -> None:
    headers = Headers(PAIRS)
    assert headers[0] == ("Host", "example.com")
    assert headers[-1] == ("accept", "b, C")
    assert headers[1:3] == (("Accept", "a"), ("X-Empty", ""))


def test_membership_by_name_and_by_pair() -> None:
    headers = Headers(PAIRS)
    assert "hOsT" in headers
    assert "missing" not in headers
    assert ("Host", "example.com") in headers
    assert ("Host", "other") not in headers


def test_tokens_are_lower_case_members_of_all_fields() -> None:
    assert Headers(PAIRS).tokens("accept") == ["a", "b", "c"]
    headers = Headers([("Connection", "keep-alive,\tUpgrade ,, "), ("connection", "X")])
    assert headers.tokens("Connection") == ["keep-alive", "upgrade", "x"]
    assert headers.tokens("missing") == []


def test_repr_shows_the_pairs() -> None:
    assert repr(Headers([("A", "1")])) == "Headers([('A', '1')])"


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("", []),
        ("a", ["a"]),
        (" a ,b\t, ,,c d", ["a", "b", "c d"]),
        ("b" + " " * 32_000 + "x", ["b" + " " * 32_000 + "x"]),
        (",;=;", [";=;"]),
    ],
)
def test_lists_are_split_at_commas(value: str, members: list[str]) -> None:
    assert parse_list(value) == members


def test_tokens_are_what_the_rfc_lists() -> None:
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    allowed = set(letters + "!#$%&'*+-.^_`|~")
    assert {chr(code) for code in range(0x200) if is_token(chr(code))} == allowed
    assert is_token("Sec-WebSocket-Key")
    for text in ("", "a b", "a\n", "é", "a:b"):
        assert not is_token(text)


def test_values_hold_what_a_head_can_carry() -> None:
    allowed = {chr(code) for code in (*range(0x20, 0x7F), 0x09, *range(0x80, 0x100))}
    assert {chr(code) for code in range(0x200) if _is_allowed(f"a{chr(code)}b")} == allowed


@pytest.mark.parametrize("code", range(0x80))
def test_whatever_passes_is_taken_by_h11_as_well(code: int) -> None:
    value = f"a{chr(code)}b"
    try:
        h11.Response(status_code=200, headers=[("X", value)])
    except h11.LocalProtocolError:
        assert not _is_allowed(value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "X\r\nY", "é"])
def test_names_are_tokens(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="not a header name"):
        validate_field(name, "value")


def test_a_forbidden_value_is_not_repeated_at_length() -> None:
    with pytest.raises(LocalProtocolError, match="header X has a forbidden character") as refusal:
        validate_field("X", "\n" * 10_000)
    assert len(str(refusal.value)) < 250


def _is_allowed(value: str) -> bool:
    try:
        validate_field("X", value)
    except LocalProtocolError:
        return False
    return True


def test_pairs_of_text_are_kept_as_they_are() -> None:
    pairs = [("host", "x"), ("Accept", "a"), ("accept", "b")]
    headers = Headers.of_text(pairs)
    assert type(headers) is Headers
    assert all(ours is given for ours, given in zip(headers, pairs, strict=True))
    assert headers.get("ACCEPT") == "a, b"
    assert headers.merged() == {"host": "x", "accept": "a, b"}
    assert Headers({"host": "x", "a": "b"}).merged() == {"host": "x", "a": "b"}
    assert Headers().merged() == {}
