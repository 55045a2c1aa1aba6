"""Proxies: which one is taken, held against urllib's and requests' reading of the environment."""

from __future__ import annotations

import urllib.request

import h11
import pytest

from fasterapi.errors import ProxyError
from fasterapi.http.h1_client import ResponseReader
from fasterapi.http.proxy import (
    Proxy,
    check_tunnel,
    connect_request,
    find_proxy,
    forwarded,
    parse_proxy,
    pick_proxy,
)
from fasterapi.protocol import Request
from fasterapi.protocol.uri import URI, parse_uri


def uri(text: str) -> URI:
    return parse_uri(text, ("ws", "wss", "http", "https"))


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy", Proxy("http", "proxy", 80)),
        ("http://us%40er:p%3Ass@proxy/", Proxy("http", "proxy", 80, "us@er", "p:ss")),
        ("https://proxy", Proxy("https", "proxy", 443)),
        ("socks5://[::1]", Proxy("socks5", "::1", 1080)),
        ("socks5h://user@proxy:9", Proxy("socks5h", "proxy", 9, "user")),
        ("socks://proxy", Proxy("socks5h", "proxy", 1080)),
        ("SOCKS4A://proxy", Proxy("socks4a", "proxy", 1080)),
    ],
)
def test_a_proxy_s_url(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize("url", ["ftp://secret@proxy", "http://:80", "socks6://x", "://"])
def test_what_is_no_proxy(url: str) -> None:
    with pytest.raises(ValueError, match="not a proxy") as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)


def test_what_a_proxy_s_scheme_says() -> None:
    socks = parse_proxy("socks5h://user:secret@[::1]:9")
    assert (socks.is_socks, socks.secure, socks.looks_names_up) == (True, False, True)
    assert (socks.socks_version, str(socks)) == ("SOCKS5", "socks5h://[::1]:9")
    assert not parse_proxy("socks5://x").looks_names_up
    assert parse_proxy("socks4a://x").socks_version == "SOCKS4"
    plain = parse_proxy("https://user:pass@x")
    assert (plain.is_socks, plain.secure) == (False, True)
    assert plain.authorization == "Basic dXNlcjpwYXNz"
    assert parse_proxy("http://x").authorization == ""


@pytest.mark.parametrize(
    ("target", "environ", "host"),
    [
        ("ws://a/", {}, None),
        ("ws://a/", {"ws_proxy": "one", "http_proxy": "two", "all_proxy": "three"}, "one"),
        ("ws://a/", {"https_proxy": "two", "http_proxy": "one"}, "two"),
        ("ws://a/", {"http_proxy": "one"}, "one"),
        ("ws://a/", {"socks_proxy": "one", "https_proxy": "two"}, "one"),
        ("ws://a/", {"all_proxy": "one"}, "one"),
        ("wss://a/", {"wss_proxy": "one", "https_proxy": "two"}, "one"),
        ("wss://a/", {"https_proxy": "two", "http_proxy": "one", "ws_proxy": "three"}, "two"),
        ("wss://a/", {"http_proxy": "one"}, None),
        ("http://a/", {"http_proxy": "one", "https_proxy": "two"}, "one"),
        ("https://a/", {"HTTPS_PROXY": "one"}, "one"),
        ("https://a/", {"HTTPS_PROXY": "one", "https_proxy": "two"}, "two"),
        ("https://a/", {"HTTPS_PROXY": "one", "https_proxy": ""}, None),
        # httpoxy: where a CGI script runs, a client's header makes this variable.
        ("http://a/", {"HTTP_PROXY": "one", "REQUEST_METHOD": "GET"}, None),
        ("http://a/", {"HTTP_PROXY": "one"}, "one"),
        ("https://a/", {"HTTPS_PROXY": "one", "REQUEST_METHOD": "GET"}, "one"),
    ],
)
def test_the_variable_that_counts(target: str, environ: dict[str, str], host: str | None) -> None:
    found = find_proxy(uri(target), environ)
    assert (found and found.host) == host


def test_a_socks_variable_is_of_socks_whatever_it_says() -> None:
    found = find_proxy(uri("ws://a/"), {"socks_proxy": "http://proxy:9"})
    assert found == Proxy("socks5h", "proxy", 9)
    assert find_proxy(uri("ws://a/"), {"socks_proxy": "socks4://p"}) == Proxy("socks4", "p", 1080)


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("example.com", "example.com"),
        ("example.com", "other, EXAMPLE.com"),
        ("sub.example.com", "example.com"),
        ("sub.example.com", ".example.com"),
        ("example.com", ".example.com"),
        ("badexample.com", "example.com"),
        ("example.com.evil", "example.com"),
        ("example.com:8000", "example.com:8000"),
        ("example.com:8000", "example.com:9000"),
        ("example.com", "*"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.1"),
        ("example.com", ""),
        ("example.com", " , ,"),
    ],
)
def test_no_proxy_is_read_as_urllib_reads_it(host: str, no_proxy: str) -> None:
    found = find_proxy(uri(f"ws://{host}/"), {"ws_proxy": "proxy", "no_proxy": no_proxy})
    theirs = urllib.request.proxy_bypass_environment(host, {"no": no_proxy})  # type: ignore[attr-defined]
    assert (found is None) is bool(theirs)


@pytest.mark.parametrize(
    ("host", "no_proxy", "exempt"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("example.com", "10.0.0.0/8", False),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("[fd00::1]", "fd00::/8", True),
        ("[::1]", "::1", True),
        ("[::1]", "[::1]", True),
        ("[::1]:8000", "[::1]:8000", True),
        ("[::1]:8000", "[::1]:9000", False),
        ("example.com", ".", False),
    ],
)
def test_no_proxy_takes_networks_and_ipv6_too(host: str, no_proxy: str, exempt: bool) -> None:
    found = find_proxy(uri(f"ws://{host}/"), {"ws_proxy": "proxy", "NO_PROXY": no_proxy})
    assert (found is None) is exempt


def test_a_variable_that_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match="the environment variable https_proxy: not a proxy"):
        find_proxy(uri("wss://a/"), {"https_proxy": "ftp://x"})


def test_a_choice_counts_before_the_environment() -> None:
    environ = {"ws_proxy": "one"}
    assert pick_proxy("two", uri("ws://a/"), environ) == Proxy("http", "two", 80)
    assert pick_proxy(True, uri("ws://a/"), environ) == Proxy("http", "one", 80)
    assert pick_proxy(None, uri("ws://a/"), environ) is None
    assert pick_proxy(False, uri("ws://a/"), environ) is None


def test_a_tunnel_is_asked_for() -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(connect_request(uri("wss://[::1]/x"), parse_proxy("http://u:p@proxy")))
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (b"CONNECT", b"[::1]:443")
    assert dict(event.headers) == {b"host": b"[::1]:443", b"proxy-authorization": b"Basic dTpw"}
    assert b"Proxy-Auth" not in connect_request(uri("ws://a/"), parse_proxy("proxy"))


def answer(data: bytes) -> ResponseReader:
    reader = ResponseReader("CONNECT")
    assert reader.receive_data(data) is not None
    return reader


def test_a_tunnel_that_opens() -> None:
    check_tunnel(answer(b"HTTP/1.1 200 Sure\r\n\r\n"), uri("wss://a/"), parse_proxy("proxy"))


@pytest.mark.parametrize(
    ("data", "message", "status"),
    [
        (
            b"HTTP/1.1 407 Who?\r\n\r\n",
            "http://proxy:80 does not connect to a:443: 407 Who\\?; put user and password into",
            407,
        ),
        (b"HTTP/1.1 502 \r\n\r\n", "does not connect to a:443: 502$", 502),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", "302 Found$", 302),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "sends data of its own", 200),
    ],
)
def test_a_tunnel_that_does_not_open(data: bytes, message: str, status: int) -> None:
    with pytest.raises(ProxyError, match=message) as caught:
        check_tunnel(answer(data), uri("wss://a/"), parse_proxy("http://u:secret@proxy"))
    assert caught.value.status == status
    assert "secret" not in str(caught.value)


def test_plain_http_is_forwarded() -> None:
    request = Request("POST", "/a?b", [("Host", "x:81")], body=b"12")
    data = forwarded(request, uri("http://x:81/a?b"), parse_proxy("http://u:p@proxy"))
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST http://x:81/a?b HTTP/1.1", b"Host: x:81", b"Proxy-Authorization: Basic dTpw",
        b"Content-Length: 2",
    ]  # fmt: skip
    assert body == b"12"
    assert b"Proxy" not in forwarded(request, uri("http://x:81/a?b"), parse_proxy("proxy"))
