"""The steps to a response: what is connected to, asked and closed, for each kind of way."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from fasterapi.errors import ProxyError, RedirectError
from fasterapi.http.dialling import Ask, Connect, HangUp, StartTLS, Step, dialling
from fasterapi.http.opening import Opening
from fasterapi.http.proxy import parse_proxy
from fasterapi.http.route import Route
from fasterapi.protocol import Request
from fasterapi.protocol.uri import HTTP_SCHEMES, parse_uri

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


def moved(location: str) -> bytes:
    return f"HTTP/1.1 307 X\r\nLocation: {location}\r\n\r\n".encode()


def walk(
    url: str, *answers: bytes, environ: dict[str, str] | None = None, **way: Any
) -> list[Step]:
    """Take all steps, each question answered by the next answer."""
    schemes = HTTP_SCHEMES if url.startswith("http") else ("ws", "wss")
    route = Route(uri=parse_uri(url, schemes), **way)
    opening = Opening(
        url,
        lambda uri, headers: Request("GET", uri.target, [("Host", uri.authority)]),
        schemes=schemes,
        fixed=route.fixed,
    )
    given = iter(answers)
    steps: list[Step] = []
    for step in dialling(route, opening, environ or {}):
        steps.append(step)
        if isinstance(step, Ask):
            assert step.reader.receive_data(next(given)) is not None
    assert next(given, None) is None
    return steps


def told(steps: list[Step]) -> list[Any]:
    """Give what matters of each step."""
    what: list[Any] = []
    for step in steps:
        match step:
            case Connect():
                what.append(step.address or step.path or step.socks or "given")
                if step.tls is not None:
                    what.append(("tls", step.tls.hostname))
            case StartTLS():
                what.append(("tls", step.hostname))
            case Ask():
                what.append(step.request.partition(b"\r\n")[0].decode())
            case HangUp():
                what.append("hang up")
    return what


HTTP, HTTPS = "http://p:3128", "https://p:3129"


@pytest.mark.parametrize(
    ("url", "way", "expected"),
    [
        ("ws://a/x", {}, [("a", 80), "GET /x HTTP/1.1"]),
        ("wss://a:9/", {}, [("a", 9), ("tls", "a"), "GET / HTTP/1.1"]),
        ("wss://a/", {"server_hostname": "b"}, [("a", 443), ("tls", "b"), "GET / HTTP/1.1"]),
        ("ws://a/", {"uds": "/s"}, ["/s", "GET / HTTP/1.1"]),
        ("wss://a/", {"uds": "/s"}, ["/s", ("tls", "a"), "GET / HTTP/1.1"]),
        ("ws://a/", {"sock": object()}, ["given", "GET / HTTP/1.1"]),
        ("wss://a/", {"proxy": "socks5h://p"},
         [parse_proxy("socks5h://p"), ("tls", "a"), "GET / HTTP/1.1"]),
        ("ws://a/", {"proxy": HTTP}, [("p", 3128), "CONNECT a:80 HTTP/1.1", "GET / HTTP/1.1"]),
        ("wss://a/", {"proxy": HTTP},
         [("p", 3128), "CONNECT a:443 HTTP/1.1", ("tls", "a"), "GET / HTTP/1.1"]),
        ("wss://a/", {"proxy": HTTPS},
         [("p", 3129), ("tls", "p"), "CONNECT a:443 HTTP/1.1", ("tls", "a"), "GET / HTTP/1.1"]),
        ("http://a/x", {"proxy": HTTP}, [("p", 3128), "GET http://a/x HTTP/1.1"]),
        ("https://a/", {"proxy": HTTP},
         [("p", 3128), "CONNECT a:443 HTTP/1.1", ("tls", "a"), "GET / HTTP/1.1"]),
    ],
)  # fmt: skip
def test_each_way(url: str, way: dict[str, Any], expected: list[Any]) -> None:
    answers = [TUNNEL if "CONNECT" in what else SWITCH for what in expected if "HTTP" in what]
    assert told(walk(url, *answers, **way)) == expected


def test_a_context_is_the_servers_and_not_the_proxys() -> None:
    mine = object()
    steps = walk("wss://a/", TUNNEL, SWITCH, ssl=mine, proxy=HTTPS)
    first = steps[0]
    assert isinstance(first, Connect)
    assert first.tls is not None
    contexts = [first.tls.context, *(step.context for step in steps if isinstance(step, StartTLS))]
    assert contexts == [None, mine]


def test_a_redirect_is_a_way_of_its_own() -> None:
    environ = {"ws_proxy": HTTP, "no_proxy": "near"}
    steps = walk("ws://far/", TUNNEL, moved("ws://near/b"), moved("wss://near/c"), SWITCH,
                 environ=environ)  # fmt: skip
    assert told(steps) == [
        ("p", 3128), "CONNECT far:80 HTTP/1.1", "GET / HTTP/1.1", "hang up",
        ("near", 80), "GET /b HTTP/1.1", "hang up",
        ("near", 443), ("tls", "near"), "GET /c HTTP/1.1",
    ]  # fmt: skip


def test_a_name_that_was_given_is_the_first_servers_only() -> None:
    steps = walk("wss://a/", moved("wss://b/"), SWITCH, server_hostname="other")
    assert [what for what in told(steps) if what[0] == "tls"] == [("tls", "other"), ("tls", "b")]


def test_a_redirect_that_may_not_be_followed_ends_it() -> None:
    with pytest.raises(RedirectError):
        walk("wss://a/", moved("ws://a/"))


def test_a_proxy_that_refuses_ends_it() -> None:
    with pytest.raises(ProxyError, match="407"):
        walk("ws://a/", b"HTTP/1.1 407 X\r\n\r\n", proxy=HTTP)


def test_a_variable_that_names_no_proxy_ends_it() -> None:
    with pytest.raises(ValueError, match="ws_proxy"):
        walk("ws://a/", environ={"ws_proxy": "ftp://x"})


@pytest.mark.parametrize(
    ("url", "way", "waits"),
    [
        ("ws://a/", {}, ["a connection to a:80", "the server's answer"]),
        ("ws://a/", {"uds": "/s"}, ["a connection to the unix socket /s", "the server's answer"]),
        ("wss://a/", {"proxy": HTTP},
         ["the proxy http://p:3128"] * 2 + ["the TLS handshake with a:443", "the server's answer"]),
    ],
)  # fmt: skip
def test_what_is_waited_for(url: str, way: dict[str, Any], waits: list[str]) -> None:
    answers = [SWITCH] if len(waits) == 2 else [TUNNEL, SWITCH]
    assert [step.waiting_for for step in walk(url, *answers, **way)] == waits


def test_a_failure_names_the_proxy() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    (direct, *_), (by_proxy, *_) = (
        walk("ws://a/", SWITCH),
        walk("ws://a/", TUNNEL, SWITCH, proxy=HTTP),
    )
    assert isinstance(direct, Connect)
    assert isinstance(by_proxy, Connect)
    direct.explain(refused)  # there is nothing more to say
    by_proxy.explain(TimeoutError("the time is over"))
    with pytest.raises(ConnectionRefusedError, match="can't reach the proxy http://p:3128") as told:
        by_proxy.explain(refused)
    assert told.value.__cause__ is refused
