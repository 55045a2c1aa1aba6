"""WebSocket URIs: what a request takes from one, against websockets' reading of the same."""

from __future__ import annotations

import pytest
import websockets.uri

from fasterapi.protocol.uri import parse_uri

GOOD = [
    ("ws://localhost", ("http", "localhost", "/", "")),
    ("ws://localhost/", ("http", "localhost", "/", "")),
    ("ws://localhost:80/ws", ("http", "localhost", "/ws", "")),
    ("wss://localhost:443/ws", ("https", "localhost", "/ws", "")),
    ("wss://localhost:80/ws", ("https", "localhost:80", "/ws", "")),
    ("ws://localhost:443/ws", ("http", "localhost:443", "/ws", "")),
    ("ws://Example.COM:8000/a%20b?x=1&y", ("http", "example.com:8000", "/a%20b?x=1&y", "")),
    ("ws://localhost?x=1", ("http", "localhost", "/?x=1", "")),
    ("ws://[::1]:8000/", ("http", "[::1]:8000", "/", "")),
    ("wss://[2001:db8::1]/", ("https", "[2001:db8::1]", "/", "")),
    ("ws://bücher.example/", ("http", "xn--bcher-kva.example", "/", "")),
    ("ws://user:pass@localhost/", ("http", "localhost", "/", "Basic dXNlcjpwYXNz")),
    ("ws://us%40er:p%3Ass@localhost/", ("http", "localhost", "/", "Basic dXNAZXI6cDpzcw==")),
    ("ws://user@localhost/", ("http", "localhost", "/", "Basic dXNlcjo=")),
]


@pytest.mark.parametrize(("uri", "parts"), GOOD, ids=[uri for uri, _ in GOOD])
def test_what_a_request_takes_from_a_uri(uri: str, parts: tuple[str, ...]) -> None:
    assert parse_uri(uri) == parts


# websockets insists on a password beside a user.
@pytest.mark.parametrize("uri", [uri for uri, _ in GOOD if uri != "ws://user@localhost/"])
def test_websockets_reads_the_same(uri: str) -> None:
    ours, theirs = parse_uri(uri), websockets.uri.parse_uri(uri)
    assert (ours.scheme == "https") is theirs.secure
    assert ours.target == theirs.resource_name
    host = f"[{theirs.host}]" if ":" in theirs.host else theirs.host
    own_port = theirs.port == (443 if theirs.secure else 80)
    assert ours.host == (host if own_port else f"{host}:{theirs.port}")


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
    parts = parse_uri("ws://local\r\nhost/a\r\nX:y")
    assert "\r" not in "".join(parts)
    assert "\n" not in "".join(parts)
