"""WebSocket URIs: what a request takes from one, against websockets' reading of the same."""

from __future__ import annotations

import pytest
import websockets.uri

from fasterapi.protocol.uri import HTTP_SCHEMES, parse_uri, without_userinfo

# scheme, host, port, target; the Host header; the Authorization header
GOOD = [
    ("ws://localhost", ("ws", "localhost", 80, "/"), "localhost", ""),
    ("ws://localhost/", ("ws", "localhost", 80, "/"), "localhost", ""),
    ("ws://localhost:80/ws", ("ws", "localhost", 80, "/ws"), "localhost", ""),
    ("wss://localhost:443/ws", ("wss", "localhost", 443, "/ws"), "localhost", ""),
    ("wss://localhost:80/ws", ("wss", "localhost", 80, "/ws"), "localhost:80", ""),
    ("ws://localhost:443/ws", ("ws", "localhost", 443, "/ws"), "localhost:443", ""),
    (
        "ws://Example.COM:8000/a%20b?x=1&y",
        ("ws", "example.com", 8000, "/a%20b?x=1&y"),
        "example.com:8000",
        "",
    ),
    ("ws://localhost?x=1", ("ws", "localhost", 80, "/?x=1"), "localhost", ""),
    ("ws://[::1]:8000/", ("ws", "::1", 8000, "/"), "[::1]:8000", ""),
    ("wss://[2001:db8::1]/", ("wss", "2001:db8::1", 443, "/"), "[2001:db8::1]", ""),
    ("ws://bücher.example/", ("ws", "xn--bcher-kva.example", 80, "/"), "xn--bcher-kva.example", ""),
    ("ws://user:pass@localhost/", ("ws", "localhost", 80, "/"), "localhost", "Basic dXNlcjpwYXNz"),
    ("ws://us%40er:p%3Ass@x/", ("ws", "x", 80, "/"), "x", "Basic dXNAZXI6cDpzcw=="),
    ("ws://user@localhost/", ("ws", "localhost", 80, "/"), "localhost", "Basic dXNlcjo="),
    ("ws://localhost:0/", ("ws", "localhost", 0, "/"), "localhost:0", ""),
]


@pytest.mark.parametrize(("uri", "parts", "authority", "credentials"), GOOD)
def test_what_a_client_takes_from_a_uri(
    uri: str, parts: tuple[object, ...], authority: str, credentials: str
) -> None:
    parsed = parse_uri(uri)
    assert parsed == (*parts, credentials)
    assert parsed.authority == authority
    assert parsed.secure is uri.startswith("wss")


# websockets insists on a password beside a user, and takes port 0 for none.
@pytest.mark.parametrize(
    "uri", [uri for uri, *_ in GOOD if uri not in ("ws://user@localhost/", "ws://localhost:0/")]
)
def test_websockets_reads_the_same(uri: str) -> None:
    ours, theirs = parse_uri(uri), websockets.uri.parse_uri(uri)
    assert ours.secure is theirs.secure
    assert ours.target == theirs.resource_name
    assert (ours.host, ours.port) == (theirs.host, theirs.port)


def test_http_is_split_the_same_way_and_loses_its_fragment() -> None:
    uri = parse_uri("https://user:x@[::1]/events?a#top", HTTP_SCHEMES)
    assert uri[:4] == ("https", "::1", 443, "/events?a")
    assert (uri.secure, uri.authority, uri.address) == (True, "[::1]", "[::1]:443")


def test_a_uri_is_shown_without_its_password() -> None:
    assert str(parse_uri("ws://user:secret@localhost:8000/a?b")) == "ws://localhost:8000/a?b"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://user:secret@h:80/a@b?c@d", "ws://h:80/a@b?c@d"),
        ("ws://h/a@b", "ws://h/a@b"),
        ("ws://me@x:secret@[::1]:80/", "ws://[::1]:80/"),
        ("ws://[::1]/a@b", "ws://[::1]/a@b"),
        ("ws://user:sec/ret@h/", "ws://h/"),
        ("ws://me@x:sec?ret@h/", "ws://h/"),
        ("user:secret@h/x", "user:h/x"),
        ("ws:/user:secret@h/x", "ws:/h/x"),
        (" w\ns://user:sec\tret@h/", " ws://h/"),
        ("secret@", ""),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert without_userinfo(url) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:secret@h/", "ws://user:secret@/", "ws://user:secret@h/#x",
        "ws://user:secret@h/a b", "ws://user:secret@h /", "ws://user:secret/@h/",
        "ws://user:secret@h:99999/", "ws://user:secret@[::1/", "ws://user:secret@\u2100/",
    ],
)  # fmt: skip
def test_no_error_tells_a_password(uri: str) -> None:
    with pytest.raises(ValueError, match=r"URL|host") as caught:
        parse_uri(uri)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_origin_is_scheme_host_and_port() -> None:
    def origin(uri: str) -> tuple[bool, str, int]:
        return parse_uri(uri, ("ws", "wss", "http", "https")).origin

    assert origin("ws://a/x") == origin("http://a:80/y")
    assert (
        len({origin("ws://a/"), origin("wss://a/"), origin("ws://a:81/"), origin("ws://b/")}) == 4
    )


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("http://localhost/", "begins with ws:// or wss://"),
        ("localhost", "begins with ws:// or wss://"),
        ("", "begins with ws:// or wss://"),
        ("ws:///path", "needs a host"),
        ("ws://:80/", "needs a host"),
        ("ws://localhost/#top", "has no fragment"),
        ("ws://localhost/#", "has no fragment"),
        ("ws://localhost/a b", "percent-encode"),
        ("ws://localhost/?q=é", "percent-encode"),
        ("ws://localhost/\x01", "percent-encode"),
        ("ws://lo cal/", "no spaces and no control characters"),
        ("ws://lo\x01cal/", "no spaces and no control characters"),
        ("ws://localhost:port/", "[Pp]ort"),
        ("ws://localhost:99999/", "[Pp]ort"),
        ("ws://[::1/", "IPv6"),
        ("ws://" + "a" * 64 + ".example/", "label"),
    ],
)
def test_what_is_no_websocket_uri(uri: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_uri(uri)


def test_no_line_break_gets_into_a_request() -> None:
    parts = "".join(map(str, parse_uri("ws://local\r\nhost/a\r\nX:y")))
    assert "\r" not in parts
    assert "\n" not in parts


@pytest.mark.parametrize("uri", ["ws://localhost/", "ftp://localhost/"])
def test_other_schemes_are_refused_by_name(uri: str) -> None:
    with pytest.raises(ValueError, match="a URL begins with http:// or https://"):
        parse_uri(uri, HTTP_SCHEMES)
