"""What a WebSocket client was told: checked at once, and made requests and a connection of."""

from __future__ import annotations

from typing import Any

import pytest

from fasterapi.errors import HandshakeError, LocalProtocolError
from fasterapi.http.websocket_request import WebSocketRequest
from fasterapi.limits import Limits
from fasterapi.protocol import Compression, Reconnect, Response, Role, ServerHandshake
from fasterapi.protocol.deflate import PerMessageDeflate


def described(url: str = "ws://a/ws", **options: Any) -> WebSocketRequest:
    return WebSocketRequest(url, options)  # type: ignore[arg-type]


def fields(url: str = "ws://a/ws", **options: Any) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in described(url, **options).attempt().opening.request.headers
    }


def test_the_request_has_what_was_asked_for() -> None:
    found = fields(
        "ws://me:pass@a:81/ws",
        subprotocols=["chat", "v2"],
        origin="https://b",
        headers={"Cookie": "a=b"},
        user_agent="me/1",
    )
    assert found["host"] == "a:81"
    assert found["authorization"] == "Basic bWU6cGFzcw=="
    assert found["sec-websocket-protocol"] == "chat, v2"
    assert (found["origin"], found["cookie"], found["user-agent"]) == ("https://b", "a=b", "me/1")
    assert found["sec-websocket-extensions"].startswith("permessage-deflate; ")


def test_the_defaults() -> None:
    request = described()
    assert request.url == "ws://a/ws"
    assert request.limits == Limits()
    assert request.reconnect == Reconnect()
    assert request.route.proxy is True
    found = fields()
    assert found["user-agent"].startswith("fasterapi/")
    assert "origin" not in found


@pytest.mark.parametrize("compression", [None, False])
def test_what_can_be_left_out(compression: bool | None) -> None:
    found = fields(user_agent=None, compression=compression)
    assert not {"user-agent", "sec-websocket-extensions"} & set(found)
    offered = "sec-websocket-extensions"
    assert fields(compression=True)[offered] == fields()[offered]


def test_times_go_into_the_limits() -> None:
    limits = Limits(max_message_size=5, open_timeout=1)
    request = described(limits=limits, open_timeout=None, ping_interval=7, ping_timeout=None)
    assert request.limits == Limits(
        max_message_size=5, open_timeout=None, ping_interval=7, ping_timeout=None
    )


def test_every_attempt_has_a_key_of_its_own() -> None:
    request = described()
    keys = {request.attempt().opening.request.headers["sec-websocket-key"] for _ in range(5)}
    assert len(keys) == 5


def test_a_redirect_makes_a_new_handshake_and_tells_no_secrets() -> None:
    attempt = described("ws://me:pass@a/", headers=[("Cookie", "x"), ("X", "y")]).attempt()
    first = attempt.opening.request
    assert attempt.opening.follow(Response(302, [("Location", "https://b/two")]))
    second = attempt.opening.request
    assert first.headers["sec-websocket-key"] != second.headers["sec-websocket-key"]
    assert (second.headers["host"], second.scheme, second.headers["x"]) == ("b", "https", "y")
    assert "cookie" not in second.headers.merged()
    assert "authorization" not in second.headers.merged()
    # The connection belongs to the second one's key.
    session = attempt.session(ServerHandshake(second, origins=None).accept())
    assert session["request"] is second
    assert session["request"].client == "b:443"
    attempt.opening.follow(Response(302, [("Location", "/three")]))
    with pytest.raises(HandshakeError, match="does not fit our key"):
        attempt.session(ServerHandshake(second, origins=None).accept())


def test_a_session_begins_open() -> None:
    attempt = described(subprotocols=["chat"], masking_key=lambda: b"mask").attempt()
    handshake = ServerHandshake(
        attempt.opening.request, subprotocols=["chat"], extensions=[PerMessageDeflate()]
    )
    session = attempt.session(handshake.accept())
    connection = session["connection"]
    assert (connection.role, connection.subprotocol) == (Role.CLIENT, "chat")
    assert len(connection.extensions) == 1
    connection.send_text("", compress=False)
    assert connection.data_to_send() == b"\x81\x80mask"
    assert connection.next_deadline() is not None


def test_without_pings_there_is_no_deadline() -> None:
    attempt = described(ping_interval=None).attempt()
    session = attempt.session(ServerHandshake(attempt.opening.request).accept())
    assert session["connection"].next_deadline() is None


def test_a_refusal_has_the_beginning_of_its_body() -> None:
    with pytest.raises(HandshakeError, match="401 Unauthorized: log in") as caught:
        described().attempt().session(Response(401, [("X", "y")]), b"log in")
    assert (caught.value.status, caught.value.body) == (401, b"log in")
    assert caught.value.headers == (("X", "y"),)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"url": "http://a/"}, ValueError, "begins with ws:// or wss://"),
        ({"subprotocol": "chat"}, TypeError, r"connect\(\) has no option 'subprotocol'"),
        ({"subprotocols": "chat"}, ValueError, "a list of names"),
        ({"compression": "deflate"}, TypeError, "compression has to be a Compression, True"),
        ({"extensions": [PerMessageDeflate()]}, ValueError, "two extensions of the same name"),
        ({"headers": {"Upgrade": "x"}}, LocalProtocolError, "writes the header Upgrade itself"),
        ({"headers": {"X": "a\nb"}}, LocalProtocolError, "forbidden character"),
        ({"origin": "a\nb"}, LocalProtocolError, "forbidden character"),
        ({"ssl": True}, ValueError, "ssl has to be an ssl.SSLContext"),
        ({"proxy": "ftp://x"}, ValueError, "not a proxy"),
        ({"open_timeout": 0}, ValueError, "open_timeout must be positive"),
        ({"reconnect": 5}, TypeError, "reconnect has to be a Reconnect, True or False, not 5"),
        ({"sock": object(), "reconnect": True}, ValueError, "serves one connection"),
    ],
)
def test_mistakes_are_told_at_once(
    options: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        described(**options)


def test_compression_and_reconnection_can_be_told() -> None:
    found = fields(compression=Compression(window_bits=15))
    assert "server_max_window_bits" not in found["sec-websocket-extensions"]
    policy = Reconnect(first=True)
    assert described(reconnect=policy).reconnect is policy
    assert described(reconnect=True).reconnect == described().reconnect == Reconnect()
    assert described(reconnect=False).reconnect is None
    assert described(sock=object()).reconnect is None


def test_iterators_are_read_once_for_all_attempts() -> None:
    made = described(
        headers=iter([("X", "y")]), subprotocols=iter(["a", "b"]), extensions=iter([]),
    )  # fmt: skip
    for _ in range(2):
        headers = made.attempt().opening.request.headers
        assert (headers.get("x"), headers.get("sec-websocket-protocol")) == ("y", "a, b")
