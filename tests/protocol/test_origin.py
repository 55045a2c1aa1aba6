"""The origin policy: which pages may connect."""

from __future__ import annotations

import re

import pytest

from fasterapi.protocol import SAME_ORIGIN, Origins, is_allowed_origin
from fasterapi.protocol.origin import check_origins


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("http://localhost:80", "localhost"),
        ("https://example.com", "example.com"),
        ("https://example.com", "example.com:443"),
        ("https://example.com:8443", "example.com:8443"),
        ("HTTP://LocalHost", "lOCALhOST"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("ws://localhost", "localhost:80"),
        ("wss://localhost", "localhost:443"),
    ],
)
def test_the_request_s_own_host_may_connect(origin: str, host: str) -> None:
    assert is_allowed_origin(origin, host, SAME_ORIGIN)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.test", "localhost"),
        ("http://localhost.evil.test", "localhost"),
        ("http://evil.test/localhost", "localhost"),
        ("http://notlocalhost", "localhost"),
        ("http://localhost", "localhost:8000"),
        ("http://localhost:8000", "localhost"),
        ("http://localhost:0", "localhost"),
        ("https://localhost", "localhost:80"),
        ("null", "localhost"),
        ("null", "null"),
        ("", "localhost"),
        ("http://", ""),
        ("http://localhost/", "localhost"),
        ("http://localhost?", "localhost"),
        ("http://localhost#", "localhost"),
        ("http://localhost?q", "localhost"),
        ("http://localhost#f", "localhost"),
        ("http://evil.test@localhost", "localhost"),
        ("http://@localhost", "localhost"),
        ("http://localhost:port", "localhost"),
        ("http://localhost:99999", "localhost:99999"),
        ("http://[::1", "[::1"),
        ("http://localhost, http://evil.test", "localhost"),
        ("localhost", "localhost"),
        ("http://localhost", "localhost/path"),
        ("http://localhost", ""),
        ("file://", ""),
    ],
)
def test_any_other_page_may_not(origin: str, host: str) -> None:
    assert not is_allowed_origin(origin, host, SAME_ORIGIN)


ALLOWED: Origins = ["https://example.com", "http://localhost:3000", re.compile(r"https://\w+\.b")]


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com", "https://EXAMPLE.com:443", "http://localhost:3000", "https://a.b",
    ],
)  # fmt: skip
def test_a_list_allows_what_it_names(origin: str) -> None:
    assert is_allowed_origin(origin, "other.host", ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test", "null", "http://localhost.evil.test", "http://example.com",
        "https://example.com.evil.test", "https://example.com:8443", "http://localhost",
        "https://a.b.evil.test", "xhttps://a.b", "not an origin", "",
    ],
)  # fmt: skip
def test_a_list_refuses_what_it_does_not_name(origin: str) -> None:
    assert not is_allowed_origin(origin, "localhost", ALLOWED)


def test_a_list_names_the_whole_truth() -> None:
    assert not is_allowed_origin("http://localhost", "localhost", ["https://example.com"])
    assert not is_allowed_origin("http://localhost", "localhost", [])


@pytest.mark.parametrize("origins", [None, ["*"], "*", ["https://example.com", "*"]])
@pytest.mark.parametrize("origin", ["http://evil.test", "null", "nonsense"])
def test_every_origin_may_connect_if_told_so(origin: str, origins: Origins) -> None:
    assert is_allowed_origin(origin, "localhost", origins)


@pytest.mark.parametrize("origins", [SAME_ORIGIN, None, [], ["https://example.com"]])
def test_what_sends_no_origin_is_no_browser(origins: Origins) -> None:
    assert is_allowed_origin(None, "localhost", origins)


def test_a_single_origin_need_not_be_a_list() -> None:
    assert is_allowed_origin("https://example.com", "x", "https://example.com")
    assert check_origins("https://example.com") == ("https://example.com",)


def test_a_policy_is_brought_into_shape() -> None:
    pattern = re.compile("x")
    assert check_origins(SAME_ORIGIN) is SAME_ORIGIN
    assert check_origins(None) is None
    assert check_origins(iter(["*", pattern])) == ("*", pattern)
    assert repr(SAME_ORIGIN) == "SAME_ORIGIN"


@pytest.mark.parametrize(
    "entry",
    ["example.com", "https://example.com/", "https://example.com/path", "null", "", "https://"],
)
def test_an_entry_that_is_no_origin_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"not an origin: .*such as 'https://example\.com'"):
        check_origins([entry])
