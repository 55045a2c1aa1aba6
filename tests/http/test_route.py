"""The way to a server: which options fit together."""

from __future__ import annotations

import errno

import pytest

from fasterapi.http.proxy import parse_proxy
from fasterapi.http.route import Route, proxy_unreachable, socks_failed, timeout_text
from fasterapi.protocol.uri import parse_uri

PLAIN, TLS = parse_uri("ws://a/"), parse_uri("wss://a/")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"uri": TLS, "ssl": True}, "ssl has to be an ssl.SSLContext"),
        ({"uri": TLS, "ssl": False}, "ssl has to be an ssl.SSLContext"),
        ({"uri": PLAIN, "ssl": object()}, "ws://a/ is without TLS"),
        ({"uri": PLAIN, "server_hostname": "b"}, "ws://a/ is without TLS"),
        ({"uri": PLAIN, "uds": "/x", "sock": object()}, "either uds or sock"),
        ({"uri": PLAIN, "uds": "/x", "proxy": "http://p"}, "the unix socket /x leads past"),
        ({"uri": PLAIN, "sock": object(), "proxy": "http://p"}, "the given socket leads past"),
        ({"uri": PLAIN, "proxy": "ftp://p"}, "not a proxy"),
    ],
)
def test_what_does_not_fit_together(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Route(**options)  # type: ignore[arg-type]


def test_a_socket_goes_past_the_environment_s_proxy() -> None:
    environ = {"all_proxy": "proxy"}
    assert Route(uri=PLAIN).proxy_for(PLAIN, environ) == parse_proxy("proxy")
    assert Route(uri=PLAIN, proxy=None).proxy_for(PLAIN, environ) is None
    assert Route(uri=PLAIN, uds="/x").proxy_for(PLAIN, environ) is None
    assert Route(uri=PLAIN, sock=object()).proxy_for(PLAIN, environ) is None
    assert Route(uri=PLAIN).fixed == ""


def test_a_name_that_is_given_is_of_the_first_server_only() -> None:
    route = Route(uri=TLS, server_hostname="b")
    assert route.hostname_for(parse_uri("wss://a/other")) == "b"
    assert route.hostname_for(parse_uri("wss://c/")) == "c"
    assert Route(uri=TLS).hostname_for(TLS) == "a"


def test_messages_say_what_was_waited_for() -> None:
    text = timeout_text(parse_uri("ws://u:secret@a/"), 2.5, "the server's answer")
    assert "to ws://a/ within 2.5 s: still waiting for the server's answer" in text
    error = socks_failed(parse_proxy("socks5://u:secret@p"), PLAIN, ValueError("no"))
    assert str(error) == "the proxy socks5://p:1080 does not connect to a:80: no"


def test_a_proxy_that_can_t_be_reached_is_named() -> None:
    proxy = parse_proxy("http://user:secret@p:8080")
    told = proxy_unreachable(proxy, ConnectionRefusedError(errno.ECONNREFUSED, "refused"))
    assert isinstance(told, ConnectionRefusedError)
    assert told.strerror == "can't reach the proxy http://p:8080: refused"
    several = proxy_unreachable(proxy, OSError("one refused; another too"))
    assert str(several) == "can't reach the proxy http://p:8080: one refused; another too"
    assert proxy_unreachable(proxy, TimeoutError("the time is over")) is None
