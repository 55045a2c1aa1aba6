"""Options of routes: CORS to the letter of Fetch, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fasterapi.app.options import (
    SSEOptions,
    WebSocketOptions,
    check_methods,
    check_subprotocols,
)
from fasterapi.limits import DEFAULT_LIMITS
from fasterapi.protocol import Headers, LocalProtocolError, PerMessageDeflate, Request

PAGE = "https://page.example"
ALLOWED = ("Access-Control-Allow-Origin", PAGE)
VARY = ("Vary", "Origin")
COOKIES = ("Access-Control-Allow-Credentials", "true")
EVERYBODY = ("Access-Control-Allow-Origin", "*")


def make(**changed: Any) -> SSEOptions:
    defaults = {
        "limits": DEFAULT_LIMITS,
        "headers": Headers(),
        "keepalive": None,
        "origins": (),
        "credentials": False,
    }
    return SSEOptions(**{**defaults, **changed})


def ask(origin: str | None, *headers: tuple[str, str]) -> Request:
    return Request("GET", "/", [*headers, *([] if origin is None else [("Origin", origin)])])


@pytest.mark.parametrize(
    ("options", "origin", "expected"),
    [
        ({}, PAGE, []),
        ({"origins": ("*",)}, PAGE, [EVERYBODY]),
        ({"origins": ("*",)}, "null", [EVERYBODY]),
        ({"origins": ("*",)}, None, [EVERYBODY]),
        ({"origins": (PAGE,)}, PAGE, [VARY, ALLOWED]),
        # What is sent back is the origin as the page spells it: a browser compares text.
        (
            {"origins": ("https://PAGE.example:443",)},
            PAGE,
            [VARY, ALLOWED],
        ),
        ({"origins": (PAGE,)}, "https://other.example", [VARY]),
        ({"origins": (PAGE,)}, "http://page.example", [VARY]),
        ({"origins": (PAGE,)}, "https://page.example.evil.example", [VARY]),
        ({"origins": (PAGE,)}, "null", [VARY]),
        ({"origins": (PAGE,)}, None, [VARY]),
        ({"origins": ("https://a.example", PAGE)}, PAGE, [VARY, ALLOWED]),
        ({"origins": (re.compile(r"https://\w+\.example"),)}, PAGE, [VARY, ALLOWED]),
        ({"origins": (PAGE,), "credentials": True}, PAGE, [VARY, ALLOWED, COOKIES]),
        ({"origins": (PAGE,), "credentials": True}, "https://other.example", [VARY]),
    ],
)
def test_who_may_read_a_stream(
    options: dict[str, Any], origin: str | None, expected: list[tuple[str, str]]
) -> None:
    assert list(make(**options).cors_headers(ask(origin))) == expected


def test_the_response_has_the_routes_headers_and_those_of_cors() -> None:
    options = make(headers=Headers([("X-Room", "1")]), origins=(PAGE,))
    assert options.response_headers(ask(PAGE)) == (("X-Room", "1"), VARY, ALLOWED)


def test_a_page_that_asks_first_is_told_what_it_may_send() -> None:
    options = make(origins=(PAGE,), credentials=True)
    asking = ask(PAGE, ("Access-Control-Request-Headers", "authorization, x-a"))
    methods = ("Access-Control-Allow-Methods", "POST, PUT")
    headers = ("Access-Control-Allow-Headers", "authorization, x-a")
    told = list(options.preflight_headers(asking, ["POST", "PUT"]))
    assert told == [VARY, ALLOWED, COOKIES, methods, headers]
    told = list(options.preflight_headers(ask(PAGE), ["POST", "PUT"]))
    assert told == [VARY, ALLOWED, COOKIES, methods]


def test_a_page_of_another_origin_is_told_nothing() -> None:
    asking = ask("https://other.example", ("Access-Control-Request-Headers", "x-a"))
    assert list(make(origins=(PAGE,)).preflight_headers(asking, ["GET"])) == [VARY]
    assert list(make().preflight_headers(asking, ["GET"])) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keepalive": 0}, "keepalive has to be positive or None, not 0"),
        ({"keepalive": -1.5}, "not -1.5"),
        ({"keepalive": float("nan")}, "not nan"),
        ({"origins": ("page.example",)}, "not an origin: 'page.example'"),
        ({"origins": ("https://page.example/",)}, "not an origin"),
        ({"origins": ("*",), "credentials": True}, "credentials=True needs a list of origins"),
        ({"origins": (PAGE, "*"), "credentials": True}, "credentials=True needs"),
        ({"headers": Headers([("Content-Length", "5")])}, "writes the header Content-Length"),
        ({"headers": Headers([("transfer-encoding", "x")])}, "writes the header transfer-encoding"),
        ({"headers": Headers([("Connection", "close")])}, "writes the header Connection"),
        ({"headers": Headers([("Upgrade", "h2c")])}, "writes the header Upgrade"),
    ],
)
def test_options_without_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make(**options)


@pytest.mark.parametrize("field", [("X Y", "1"), ("X", "a\r\nb"), ("X", "€"), ("", "x")])
def test_headers_that_can_not_be_sent_are_refused(field: tuple[str, str]) -> None:
    with pytest.raises(LocalProtocolError):
        make(headers=Headers([field]))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("GET",), ("GET", "HEAD")),
        (["post"], ("POST",)),
        (["POST", "get", "PUT"], ("POST", "GET", "HEAD", "PUT")),
        (["HEAD", "GET", "GET"], ("HEAD", "GET")),
        (["HEAD"], ("HEAD",)),
        (["PURGE"], ("PURGE",)),
    ],
)
def test_methods_are_brought_into_one_form(given: list[str], expected: tuple[str, ...]) -> None:
    assert check_methods(given) == expected


@pytest.mark.parametrize("given", ["GET", [], [""], ["GET "], ["GET", "P:T"], ["GET\r\n"]])
def test_what_is_no_list_of_methods_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"such as ['GET'], not {given!r}")):
        check_methods(given)


def test_subprotocols_are_tokens() -> None:
    assert check_subprotocols([]) == ()
    assert check_subprotocols(["graphql-ws", "v2.chat"]) == ("graphql-ws", "v2.chat")


@pytest.mark.parametrize("given", ["chat", ["a b"], ["a,b"], [""], ["ok", "é"]])
def test_what_is_no_list_of_tokens_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="a list of tokens, not"):
        check_subprotocols(given)


# ------------------------------------------------------------------------------- WebSockets


def websocket(offer: str, **options: Any) -> str | None:
    """Answer a handshake; give what is agreed on in ``Sec-WebSocket-Extensions``."""
    fields = [
        ("Host", "here.example"), ("Connection", "Upgrade"), ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", offer),
    ]  # fmt: skip
    made = WebSocketOptions(limits=DEFAULT_LIMITS, origins=None, subprotocols=(), **options)
    response = made.handshake(Request("GET", "/", fields)).accept()
    return response.headers.get("sec-websocket-extensions")


def test_a_websocket_is_compressed_where_both_sides_can() -> None:
    assert websocket("permessage-deflate") == "permessage-deflate; server_max_window_bits=12"
    assert websocket("permessage-deflate", compression=None) is None
    assert websocket("mux, permessage-deflate; unknown") is None


def test_other_extensions_stand_before_compression() -> None:
    class Other(PerMessageDeflate):
        name = "x-other"

    others = (Other(),)
    assert websocket("x-other", extensions=others) == "x-other; server_max_window_bits=12"
    # They claim the same bit here, and the first that encodes has it.
    agreed = websocket("permessage-deflate, x-other", extensions=others)
    assert agreed == "x-other; server_max_window_bits=12"


def test_two_extensions_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two extensions of the same name: permessage-deflate"):
        websocket("", extensions=(PerMessageDeflate(),))
