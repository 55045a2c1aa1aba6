"""The opening handshake, the server's half, from parsed heads: who is let in, and what is answered.

Bytes that no HTTP parser lets through do not come here; ``test_peers`` shakes hands with other
libraries.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fasterapi.errors import HandshakeError, LocalProtocolError
from fasterapi.protocol import (
    Keepalive,
    Limits,
    Request,
    Response,
    Role,
    ServerHandshake,
    accept_key,
    is_websocket_request,
)

from .handshakes import ACCEPT, FIELDS, Factory, Plain

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def upgrade(
    *more: tuple[str, str], method: str = "GET", version: str = "1.1", **changed: str | None
) -> Request:
    """Make a good request, some fields changed (``None``: left out) and some added."""
    changes = {name.replace("_", "-"): value for name, value in changed.items()}
    fields = [(name, changes.get(name.lower(), value)) for name, value in FIELDS]
    kept = [(name, value) for name, value in fields if value is not None]
    return Request(method, "/ws", [*kept, *more], http_version=version)


def extended_connect(
    *fields: tuple[str, str], protocol: str = "websocket", method: str = "CONNECT"
) -> Request:
    """Make an Extended CONNECT, as an HTTP/2 server hands it on (RFC 8441, section 5)."""
    head = [("host", "localhost"), ("sec-websocket-version", "13"), *fields]
    return Request(method, "/ws", head, http_version="2", scheme="https", protocol=protocol)


def refusal(request: Request, **options: object) -> HandshakeError:
    """Give the error that refuses a request, and see that it makes a response."""
    handshake = ServerHandshake(request, **options)  # type: ignore[arg-type]
    with pytest.raises(HandshakeError) as judged:
        handshake.check()
    with pytest.raises(HandshakeError) as caught:
        handshake.accept()
    error = caught.value
    assert (error.status, str(error)) == (judged.value.status, str(judged.value))
    with pytest.raises(LocalProtocolError, match="not accepted"):
        handshake.connection()
    response = handshake.refuse(error)
    assert response.status == error.status
    assert set(error.headers) <= set(response.headers)
    assert response.body == f"{error}\n".encode()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    return error


def test_the_example_of_the_rfc() -> None:
    assert accept_key(KEY) == ACCEPT


# ------------------------------------------------------------------------------ the server


def test_a_good_request_is_accepted() -> None:
    handshake = ServerHandshake(upgrade())
    assert not handshake.is_connect
    handshake.check()
    response = handshake.accept()
    assert response.status == 101
    assert response.headers == (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    )
    assert response.body == b""
    connection = handshake.connection()
    assert (connection.role, connection.subprotocol, connection.extensions) == (
        Role.SERVER,
        None,
        (),
    )


def test_an_extended_connect_has_no_key_and_is_answered_200() -> None:
    handshake = ServerHandshake(
        extended_connect(("sec-websocket-protocol", "chat")), subprotocols=["chat"]
    )
    assert handshake.is_connect
    response = handshake.accept(headers=[("X", "1")])
    assert response.status == 200
    assert response.headers == (("Sec-WebSocket-Protocol", "chat"), ("X", "1"))
    assert handshake.connection().role is Role.SERVER


def test_limits_and_keepalive_go_to_the_connection() -> None:
    handshake = ServerHandshake(upgrade())
    handshake.accept()
    connection = handshake.connection(limits=Limits(max_fragments=3), keepalive=Keepalive(7, 7))
    assert connection.limits.max_fragments == 3
    connection.tick(10.0)
    assert connection.next_deadline() == 17


@pytest.mark.parametrize(
    "request_",
    [
        upgrade(connection="keep-alive, Upgrade"),
        upgrade(connection="UPGRADE", upgrade="WebSocket"),
        upgrade(("Connection", "keep-alive")),
        upgrade(upgrade="h2c, websocket"),
        upgrade(("Content-Length", "0")),
        upgrade(("Sec-WebSocket-Extensions", "constructor")),
        upgrade(("Sec-WebSocket-Extensions", ", ".join(["x-ext; a=1"] * 1000))),
        upgrade(("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99")),
        upgrade(("Sec-WebSocket-Protocol", "unknown")),
    ],
    ids=lambda request: str(request.headers[-1])[:40],
)
def test_unusual_requests_that_are_right(request_: Request) -> None:
    response = ServerHandshake(request_, extensions=[Factory()], subprotocols=["chat"]).accept()
    assert response.status == 101
    assert "sec-websocket-extensions" not in response.headers
    assert "sec-websocket-protocol" not in response.headers


@pytest.mark.parametrize(
    ("request_", "status", "complaint"),
    [
        (upgrade(method="POST"), 405, "begins with GET, not POST"),
        (upgrade(method="CONNECT"), 405, "begins with GET, not CONNECT"),
        (upgrade(version="1.0"), 505, "no WebSocket upgrade over HTTP/1.0"),
        (upgrade(version="2"), 505, "no WebSocket upgrade over HTTP/2"),
        (upgrade(sec_websocket_version="12"), 426, "has to be 13"),
        (upgrade(sec_websocket_version="13, 8"), 426, "has to be 13"),
        (upgrade(("Sec-WebSocket-Version", "13")), 426, "has to be 13"),
        (upgrade(sec_websocket_version=None), 400, "has to be 13"),
        (upgrade(sec_websocket_key=None), 400, "16 bytes in base64"),
        (upgrade(("Sec-WebSocket-Key", KEY)), 400, "16 bytes in base64"),
        (upgrade(sec_websocket_key="Zm9v"), 400, "16 bytes in base64"),
        (upgrade(sec_websocket_key="!!!!"), 400, "16 bytes in base64"),
        (upgrade(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ"), 400, "16 bytes in base64"),
        (upgrade(sec_websocket_key=KEY.replace("b", "é")), 400, "16 bytes in base64"),
        (upgrade(connection="notupgrade"), 426, "Connection: Upgrade"),
        (upgrade(connection="keep-alive"), 426, "Connection: Upgrade"),
        (upgrade(connection=None), 426, "Connection: Upgrade"),
        (upgrade(upgrade="h2c"), 426, "Upgrade: websocket"),
        (upgrade(upgrade="websockets"), 426, "Upgrade: websocket"),
        (upgrade(upgrade=None), 426, "Upgrade: websocket"),
        (upgrade(host=None), 400, "exactly one Host"),
        (upgrade(("Host", "localhost")), 400, "exactly one Host"),
        (upgrade(("Content-Length", "5")), 400, "carries no body"),
        (upgrade(("Content-Length", "0"), ("Content-Length", "5")), 400, "carries no body"),
        (upgrade(("Content-Length", "+0")), 400, "carries no body"),
        (upgrade(("Transfer-Encoding", "chunked")), 400, "carries no body"),
        (upgrade(("Transfer-Encoding", "")), 400, "carries no body"),
        (
            upgrade(("Content-Length", "5"), ("Transfer-Encoding", "chunked")),
            400,
            "carries no body",
        ),
        (upgrade(("Sec-WebSocket-Protocol", "\xff\xfe")), 400, "malformed Sec-WebSocket-Protocol"),
        (upgrade(("Sec-WebSocket-Protocol", "b" + " " * 32_000 + "x")), 400, "malformed Sec-W"),
        (upgrade(("Sec-WebSocket-Extensions", ",;=;")), 400, "malformed Sec-WebSocket-Extensions"),
        (upgrade(("Origin", "http://evil.test")), 403, "origin may not connect"),
        (upgrade(("Origin", "null")), 403, "origin may not connect"),
        (upgrade(("Origin", "http://localhost"), ("Origin", "http://x")), 403, "origin may not"),
        (extended_connect(protocol="foo"), 501, "no such protocol: 'foo'"),
        (extended_connect(method="GET"), 501, "no such protocol"),
        (extended_connect(("sec-websocket-version", "8")), 426, "has to be 13"),
        (extended_connect(("origin", "http://evil.test")), 403, "origin may not connect"),
    ],
)
def test_requests_that_are_refused(request_: Request, status: int, complaint: str) -> None:
    error = refusal(request_)
    assert error.status == status
    assert complaint in str(error)


def test_a_refusal_says_what_would_have_been_right() -> None:
    assert refusal(upgrade(method="PUT")).headers == (("Allow", "GET"),)
    version = ("Sec-WebSocket-Version", "13")
    assert refusal(upgrade(sec_websocket_version=None)).headers == (version,)
    assert refusal(extended_connect(("sec-websocket-version", "8"))).headers == (version,)
    for request in (
        upgrade(upgrade=None),
        upgrade(connection=None),
        upgrade(sec_websocket_version="8"),
    ):
        assert refusal(request).headers == (
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
        )


@pytest.mark.parametrize("origin", ["http://evil.test", "null", "http://localhost.evil.test"])
def test_an_allow_list_refuses_other_origins(origin: str) -> None:
    error = refusal(upgrade(("Origin", origin)), origins=["https://example.com"])
    assert error.status == 403


def test_an_allow_list_lets_its_own_in() -> None:
    request = upgrade(("Origin", "https://example.com"))
    assert ServerHandshake(request, origins=["https://example.com"]).accept().status == 101
    assert ServerHandshake(upgrade(("Origin", "null")), origins=None).accept().status == 101
    assert ServerHandshake(upgrade(("Origin", "http://localhost"))).accept().status == 101


def test_an_origin_without_any_host_is_refused() -> None:
    request = Request(
        "CONNECT",
        "/",
        [("origin", "http://a"), ("sec-websocket-version", "13")],
        protocol="websocket",
    )
    assert refusal(request).status == 403


@pytest.mark.parametrize(
    ("asks", "is_one"),
    [
        (upgrade(), True),
        (upgrade(method="POST", upgrade="x, WebSocket", connection=None), True),
        (extended_connect(), True),
        (extended_connect(protocol="connect-udp"), False),
        (Request("GET", "/"), False),
        (upgrade(upgrade="h2c"), False),
    ],
)
def test_what_asks_for_a_websocket(asks: Request, is_one: bool) -> None:
    assert is_websocket_request(asks) is is_one


# ---------------------------------------------------------------------- what is agreed on


OFFER = upgrade(("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Protocol", "c"))


def test_the_server_s_preferred_subprotocol_is_chosen() -> None:
    handshake = ServerHandshake(OFFER, subprotocols=["x", "c", "a"])
    assert handshake.subprotocol == "c"
    assert handshake.accept().headers["sec-websocket-protocol"] == "c"
    assert handshake.connection().subprotocol == "c"


def test_the_caller_may_choose_another_that_is_offered() -> None:
    handshake = ServerHandshake(OFFER, subprotocols=["a"])
    assert handshake.accept(subprotocol="b").headers["sec-websocket-protocol"] == "b"
    assert handshake.connection().subprotocol == "b"


def test_a_subprotocol_that_is_not_offered_can_t_be_chosen() -> None:
    handshake = ServerHandshake(OFFER, subprotocols=["a"])
    with pytest.raises(LocalProtocolError, match=r"does not offer the subprotocol 'x', only"):
        handshake.accept(subprotocol="x")
    assert handshake.accept().headers["sec-websocket-protocol"] == "a"


def test_extensions_are_agreed_on() -> None:
    request = upgrade(("Sec-WebSocket-Extensions", "other, plain; y, plain; x=1"))
    handshake = ServerHandshake(request, extensions=[Factory()])
    assert handshake.accept().headers["sec-websocket-extensions"] == "plain; x=1"
    [extension] = handshake.connection().extensions
    assert isinstance(extension, Plain)


def test_further_headers_go_along() -> None:
    response = ServerHandshake(upgrade()).accept(headers={"Set-Cookie": "a=1"})
    assert response.headers[-1] == ("Set-Cookie", "a=1")


@pytest.mark.parametrize(
    "name",
    ["Upgrade", "connection", "Sec-WebSocket-Accept", "SEC-WEBSOCKET-PROTOCOL", "Content-Length"],
)
def test_the_handshake_writes_its_own_headers(name: str) -> None:
    handshake = ServerHandshake(upgrade())
    with pytest.raises(LocalProtocolError, match=f"writes the header {name} itself"):
        handshake.accept(headers=[(name, "x")])
    assert handshake.accept().status == 101


def test_nothing_splits_the_answer() -> None:
    handshake = ServerHandshake(upgrade())
    with pytest.raises(LocalProtocolError, match="forbidden character"):
        handshake.accept(headers=[("X", "a\r\nY: b")])
    assert handshake.accept().status == 101


@pytest.mark.parametrize(
    "subprotocols", ["chat", ["a b"], [""], ["chat", "a,b"]], ids=["str", "space", "empty", "list"]
)
def test_subprotocols_are_a_list_of_tokens(subprotocols: list[str]) -> None:
    with pytest.raises(ValueError, match="subprotocol"):
        ServerHandshake(upgrade(), subprotocols=subprotocols)


def test_a_policy_that_is_no_policy_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="not an origin"):
        ServerHandshake(upgrade(), origins=["example.com"])


# --------------------------------------------------------------------------------- once


def test_a_request_can_be_rejected() -> None:
    handshake = ServerHandshake(upgrade())
    response = handshake.reject(403, headers=[("X", "1")], body="no")
    assert (response.status, response.headers, response.body) == (403, (("X", "1"),), b"no")
    with pytest.raises(LocalProtocolError, match="not accepted"):
        handshake.connection()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (upgrade(), 101),
        (upgrade(), 99),
        (extended_connect(), 101),
        (extended_connect(), 200),
        (extended_connect(), 299),
    ],
)
def test_a_status_that_accepts_does_not_reject(request_: Request, status: int) -> None:
    handshake = ServerHandshake(request_)
    with pytest.raises(LocalProtocolError, match=str(status)):
        handshake.reject(status)
    assert handshake.reject(404).status == 404


def test_over_http_1_a_rejection_may_be_200() -> None:
    assert ServerHandshake(upgrade()).reject(200, body=b"plain page").status == 200
    assert ServerHandshake(extended_connect()).reject(300).status == 300


ANSWERS: list[Callable[[ServerHandshake], Response]] = [
    lambda handshake: handshake.accept(),
    lambda handshake: handshake.reject(404),
    lambda handshake: handshake.refuse(HandshakeError(400, "bad")),
]


@pytest.mark.parametrize("first", ANSWERS)
@pytest.mark.parametrize("second", ANSWERS)
def test_a_request_is_answered_once(
    first: Callable[[ServerHandshake], Response], second: Callable[[ServerHandshake], Response]
) -> None:
    handshake = ServerHandshake(upgrade())
    first(handshake)
    with pytest.raises(LocalProtocolError, match="answered already"):
        second(handshake)
