"""A client's half of the opening handshake: what it asks for, and which answers it takes.

``test_peers`` shakes hands with other libraries.
"""

from __future__ import annotations

import pytest

from fasterapi.errors import HandshakeError, LocalProtocolError
from fasterapi.protocol import (
    ClientHandshake,
    Keepalive,
    Limits,
    Response,
    Role,
    ServerHandshake,
)
from fasterapi.protocol.uri import parse_uri

from .handshakes import ACCEPT, FIELDS, Factory, Plain

NONCE = b"the sample nonce"


def client(**options: object) -> ClientHandshake:
    return ClientHandshake("ws://localhost/ws", key=NONCE, **options)  # type: ignore[arg-type]


def answer(*more: tuple[str, str], status: int = 101, **changed: str | None) -> Response:
    """Make a good response, some fields changed (``None``: left out) and some added."""
    fields = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_accept": ACCEPT}
    kept = {**fields, **changed}.items()
    named = [(name.replace("_", "-"), value) for name, value in kept if value is not None]
    return Response(status, [*named, *more])


def test_the_request_of_a_client() -> None:
    request = client().request
    assert (request.method, request.target, request.http_version) == ("GET", "/ws", "1.1")
    assert request.headers == tuple(FIELDS)
    assert request.scheme == "http"


def test_every_option_has_its_header() -> None:
    request = ClientHandshake(
        "wss://user:pass@example.com:8443/ws?room=1",
        subprotocols=["a", "b"],
        origin="https://example.com",
        headers=[("Cookie", "a=1")],
        extensions=[Factory()],
    ).request
    assert (request.target, request.scheme) == ("/ws?room=1", "https")
    headers = request.headers
    assert headers["host"] == "example.com:8443"
    assert headers["origin"] == "https://example.com"
    assert headers["sec-websocket-protocol"] == "a, b"
    assert headers["sec-websocket-extensions"] == "plain; x=1, plain"
    assert headers["authorization"] == "Basic dXNlcjpwYXNz"
    assert headers["cookie"] == "a=1"


def test_every_key_is_another() -> None:
    keys = {ClientHandshake("ws://x/").request.headers["sec-websocket-key"] for _ in range(10)}
    assert len(keys) == 10


def test_a_good_answer_opens_the_connection() -> None:
    handshake = client(subprotocols=["chat"], extensions=[Factory()])
    response = answer(
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Extensions", "plain; x=1"),
        connection="keep-alive, upgrade",
    )
    connection = handshake.connection(
        response, limits=Limits(max_fragments=3), keepalive=Keepalive(7, 7)
    )
    assert (connection.role, connection.subprotocol) == (Role.CLIENT, "chat")
    assert isinstance(connection.extensions[0], Plain)
    assert connection.limits.max_fragments == 3
    connection.tick(10.0)
    assert connection.next_deadline() == 17


def test_a_server_need_not_agree_to_anything() -> None:
    connection = client(subprotocols=["chat"], extensions=[Factory()]).connection(answer())
    assert (connection.subprotocol, connection.extensions) == (None, ())


@pytest.mark.parametrize(
    ("response", "complaint"),
    [
        (answer(upgrade=None), "lacks 'Upgrade: websocket'"),
        (answer(upgrade="h2c"), "lacks 'Upgrade: websocket'"),
        (answer(connection=None), "lacks 'Connection: Upgrade'"),
        (answer(connection="close"), "lacks 'Connection: Upgrade'"),
        (answer(sec_websocket_accept=None), "Accept does not fit our key"),
        (answer(sec_websocket_accept=ACCEPT.lower()), "Accept does not fit our key"),
        (answer(("Sec-WebSocket-Accept", ACCEPT)), "Accept does not fit our key"),
        (answer(("Sec-WebSocket-Protocol", "x")), "subprotocol not offered: 'x'"),
        (answer(("Sec-WebSocket-Protocol", "")), "subprotocol not offered: ''"),
        (
            answer(("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Protocol", "chat")),
            "subprotocol not offered: 'chat, chat'",
        ),
        (answer(("Sec-WebSocket-Extensions", "x")), "extension not offered, or twice: x"),
        (answer(("Sec-WebSocket-Extensions", "plain; x=1, plain; x=1")), "or twice: plain"),
        (answer(("Sec-WebSocket-Extensions", "plain")), "not what was offered"),
        (answer(("Sec-WebSocket-Extensions", "plain;")), "malformed Sec-WebSocket-Extensions"),
        (answer(("Sec-WebSocket-Extensions", "one; x=1, two; x=1")), "of the same RSV bit"),
    ],
)
def test_an_answer_that_is_wrong(response: Response, complaint: str) -> None:
    factories = [Factory(), Factory("one", rsv=0x40), Factory("two", rsv=0x40)]
    with pytest.raises(HandshakeError, match=complaint) as caught:
        client(subprotocols=["chat"], extensions=factories).connection(response)
    assert caught.value.status == 101


@pytest.mark.parametrize("status", [200, 302, 403, 426, 503])
def test_a_refusal_carries_its_status_and_headers(status: int) -> None:
    response = Response(status, [("Retry-After", "5")])
    with pytest.raises(HandshakeError, match=f"refuses the WebSocket: {status}") as caught:
        client().connection(response)
    assert (caught.value.status, caught.value.headers) == (status, (("Retry-After", "5"),))


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (Response(403), "403 Forbidden"),
        (Response(403, reason="No Way"), "403 No Way"),
        (Response(599), "599"),
        (Response(401, body=b" log in first\n"), "401 Unauthorized: log in first"),
        (Response(404, body=b"x" * 1000), "404 Not Found: " + "x" * 120),
        (Response(502, body=b"\x1b[2Jboo"), "502 Bad Gateway"),
    ],
)
def test_a_refusal_says_what_the_server_said(response: Response, text: str) -> None:
    with pytest.raises(HandshakeError) as caught:
        client().connection(response)
    assert str(caught.value) == f"the server refuses the WebSocket: {text}"
    assert caught.value.body == response.body


def test_a_uri_that_is_split_already_will_do() -> None:
    split = parse_uri("ws://user:pass@localhost:8000/ws")
    fields = ClientHandshake(split).request.headers
    assert (fields["host"], fields["authorization"]) == ("localhost:8000", "Basic dXNlcjpwYXNz")


def test_the_masking_key_can_be_given() -> None:
    connection = client().connection(answer(), masking_key=lambda: b"mask")
    connection.send_text("")
    assert connection.data_to_send() == b"\x81\x80mask"


@pytest.mark.parametrize(
    "subprotocols", ["chat", ["a b"], [""], ["chat", "a,b"]], ids=["str", "space", "empty", "list"]
)
def test_subprotocols_are_a_list_of_tokens(subprotocols: list[str]) -> None:
    with pytest.raises(ValueError, match="subprotocol"):
        client(subprotocols=subprotocols)


def test_a_client_s_headers_are_checked() -> None:
    with pytest.raises(LocalProtocolError, match="writes the header Upgrade itself"):
        client(headers=[("Upgrade", "x")])
    with pytest.raises(LocalProtocolError, match="header X has a forbidden character"):
        client(headers=[("X", "a\r\nY: b")])
    with pytest.raises(LocalProtocolError, match="header Origin has a forbidden character"):
        client(origin="http://x\r\nY: b")


def test_a_client_needs_a_websocket_uri() -> None:
    with pytest.raises(ValueError, match="begins with ws://"):
        ClientHandshake("http://localhost/")


def test_both_halves_agree() -> None:
    ours = ClientHandshake(
        "ws://localhost:8000/ws",
        subprotocols=["a", "b"],
        extensions=[Factory("one", rsv=0x40), Factory("two", rsv=0x20)],
        origin="http://localhost:8000",
    )
    server = ServerHandshake(
        ours.request,
        subprotocols=["b", "a"],
        extensions=[Factory("two", rsv=0x20), Factory("one", rsv=0x40)],
    )
    theirs = ours.connection(server.accept())
    assert theirs.subprotocol == server.connection().subprotocol == "b"
    assert len(theirs.extensions) == len(server.connection().extensions) == 2


def test_the_caller_s_authorization_comes_before_the_url_s() -> None:
    made = ClientHandshake("ws://user:pass@a/", headers=[("authorization", "Bearer x")])
    assert made.request.headers.get_all("authorization") == ["Bearer x"]


@pytest.mark.parametrize("name", ["host", "Origin"])
def test_no_header_is_sent_twice(name: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"writes {name.capitalize()} itself; leave it"):
        ClientHandshake("ws://a/", origin="https://a", headers=[(name, "https://b")])


def test_an_origin_may_be_a_header() -> None:
    made = ClientHandshake("ws://a/", headers=[("Origin", "https://b")])
    assert made.request.headers.get_all("origin") == ["https://b"]
