"""The error tree: its shape, its close codes and statuses, and what an error carries."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from fasterapi import Request, Response, connect, errors, events, sync
from fasterapi.errors import (
    ConcurrentReceive,
    ConnectionClosed,
    EventStreamError,
    FasterAPIError,
    FrameError,
    HandshakeError,
    HTTPError,
    InvalidArgument,
    LocalProtocolError,
    MessageTooBig,
    PayloadError,
    PolicyError,
    RemoteProtocolError,
)
from fasterapi.protocol import (
    EventSource,
    Role,
    ServerHandshake,
    WebSocketConnection,
    format_event,
)

REQUEST = Request(
    "GET",
    "/",
    {
        "Host": "a",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
)


def test_every_error_belongs_to_the_tree_and_is_drawn_in_it() -> None:
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, FasterAPIError)
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (LocalProtocolError, FasterAPIError),
        (ConcurrentReceive, LocalProtocolError),
        (RemoteProtocolError, FasterAPIError),
        (EventStreamError, FasterAPIError),
        (HandshakeError, FasterAPIError),
        (HTTPError, FasterAPIError),
        (ConnectionClosed, FasterAPIError),
    ],
)
def test_local_and_remote_faults_never_mix(
    error: type[FasterAPIError], parent: type[FasterAPIError]
) -> None:
    assert error.__bases__ == (parent,)


@pytest.mark.parametrize(
    "call",
    [
        lambda: format_event("a", event="x\ny"),
        lambda: format_event("a", id="x\ry"),
        lambda: format_event("a", id="\0"),
        lambda: format_event("a", retry=-1),
        lambda: format_event("\ud800"),
        format_event,
        lambda: Response(99),
        lambda: Response(200, [("A", "b\r\nc")]),
        lambda: Response(200, [("A:", "b")]),
        lambda: ServerHandshake(REQUEST).accept(headers=[("A", "b\nc")]),
        lambda: ServerHandshake(REQUEST).accept(headers=[("Upgrade", "b")]),
        lambda: ServerHandshake(REQUEST).accept(subprotocol="chat"),
        lambda: ServerHandshake(REQUEST).reject(101),
        lambda: WebSocketConnection(Role.SERVER).close(999),
        lambda: WebSocketConnection(Role.SERVER).close(1000, "x" * 124),
        lambda: WebSocketConnection(Role.SERVER).close(1000, "\ud800"),
        lambda: WebSocketConnection(Role.SERVER).send_text("\ud800"),
        lambda: WebSocketConnection(Role.SERVER).ping(bytes(126)),
        lambda: EventSource(last_event_id="a\nb"),
        lambda: EventSource(last_event_id="\ud800"),
        lambda: events("http://a/", headers=[("A", "b\nc")]),
        lambda: sync.events("http://a/", headers=[("A", "b\nc")]),
        lambda: events("http://a/", headers=[("A", "…")]),
        lambda: events("http://a/", headers=[("Host", "b")]),
        lambda: events("http://a/", headers=[("Last-Event-ID", "…")]),
        lambda: events("http://a/", method="G T"),
        lambda: events("http://a/", user_agent="b\nc"),
        lambda: events("http://a/", last_event_id="b\nc"),
        lambda: connect("ws://a/", headers=[("A", "b\nc")]),
        lambda: sync.connect("ws://a/", user_agent="b\nc"),
    ],
)
def test_what_is_refused_for_its_value_is_a_value_error(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        call()
    assert type(caught.value) is InvalidArgument
    assert isinstance(caught.value, LocalProtocolError)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RemoteProtocolError, 1002),
        (FrameError, 1002),
        (PayloadError, 1007),
        (PolicyError, 1008),
        (MessageTooBig, 1009),
    ],
)
def test_a_fault_of_the_peer_knows_its_close_code(
    error: type[RemoteProtocolError], code: int
) -> None:
    assert issubclass(error, RemoteProtocolError)
    assert error("what went wrong").code == code


def test_a_handshake_error_carries_status_and_headers() -> None:
    error = HandshakeError(426, "old version", headers=[("Sec-WebSocket-Version", "13")])
    assert (error.status, str(error)) == (426, "old version")
    assert error.headers == (("Sec-WebSocket-Version", "13"),)
    assert HandshakeError(400, "bad").headers == ()


def test_an_http_error_takes_the_standard_phrase_as_its_detail() -> None:
    assert (HTTPError(404).detail, str(HTTPError(404))) == ("Not Found", "404 Not Found")
    assert HTTPError(499).detail == "Error"
    assert HTTPError(403, "members only").detail == "members only"
    assert HTTPError(401, headers=[("WWW-Authenticate", "Basic")]).headers == (
        ("WWW-Authenticate", "Basic"),
    )


@pytest.mark.parametrize("status", [400, 599])
def test_an_http_error_takes_the_statuses_of_errors(status: int) -> None:
    assert HTTPError(status).status == status


@pytest.mark.parametrize("status", [200, 399, 600, -1])
def test_an_http_error_takes_no_other_status(status: int) -> None:
    with pytest.raises(ValueError, match=f"between 400 and 599, not {status}"):
        HTTPError(status)


def test_connection_closed_says_code_and_reason() -> None:
    assert str(ConnectionClosed(1001, "moving")) == "connection closed: 1001 moving"
    assert str(ConnectionClosed()) == "connection closed: 1006"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosed(4000, "bye"),
        HandshakeError(426, "old version", headers=[("Sec-WebSocket-Version", "13")]),
        HandshakeError(403, "no", body=b"log in"),
        HTTPError(401, "who are you?", headers=[("WWW-Authenticate", "Basic")]),
        errors.InvalidResponse("no HTTP"),
        errors.ProxyError("who are you?", status=407),
        errors.RedirectError(302, "ws://a/", "too many"),
    ],
)
def test_an_error_survives_copying_and_pickling(error: FasterAPIError) -> None:
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert (str(twin), vars(twin)) == (str(error), vars(error))


def test_a_body_that_can_not_be_read_is_the_clients_fault() -> None:
    error = pickle.loads(pickle.dumps(errors.InvalidBody("no JSON")))
    assert isinstance(error, ValueError)
    assert (error.status, error.detail) == (400, "no JSON")
