"""Against peers that nobody here wrote: websockets and wsproto, in memory, in both roles.

Random messages, cut into random frames by one side, have to arrive as they were sent at the other,
and so have handshakes, pings and closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
import websockets.client
import websockets.frames
import websockets.protocol
import websockets.server
import websockets.uri
import wsproto
import wsproto.connection
import wsproto.events
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from fasterapi.errors import HandshakeError
from fasterapi.protocol import (
    ClientHandshake,
    Closed,
    Ping,
    Pong,
    Request,
    Response,
    Role,
    ServerHandshake,
    State,
    WebSocketConnection,
)

from .wire import KEY, cuts_of, frame, split

Part = tuple[str | bytes, bool]  # a frame's worth of a message, and whether it is the last


class Other(Protocol):
    """What a test needs of another library's connection."""

    def send(self, part: str | bytes, first: bool, fin: bool) -> bytes: ...
    def ping(self, payload: bytes) -> bytes: ...
    def close(self, code: int, reason: str) -> bytes: ...
    def receive(self, data: bytes) -> list[object]: ...
    def reply(self) -> bytes: ...


class Websockets:
    """A websockets connection that takes and gives what ours does."""

    def __init__(self, role: Role) -> None:
        side = websockets.protocol.SERVER if role is Role.SERVER else websockets.protocol.CLIENT
        self.protocol = websockets.protocol.Protocol(side)
        self.parts: list[bytes] = []
        self.text = False

    def reply(self) -> bytes:
        return b"".join(self.protocol.data_to_send())

    def send(self, part: str | bytes, first: bool, fin: bool) -> bytes:
        data = part.encode() if isinstance(part, str) else part
        if not first:
            self.protocol.send_continuation(data, fin)
        elif isinstance(part, str):
            self.protocol.send_text(data, fin)
        else:
            self.protocol.send_binary(data, fin)
        return self.reply()

    def ping(self, payload: bytes) -> bytes:
        self.protocol.send_ping(payload)
        return self.reply()

    def close(self, code: int, reason: str) -> bytes:
        self.protocol.send_close(code, reason)
        return self.reply()

    def receive(self, data: bytes) -> list[object]:
        self.protocol.receive_data(data)
        return [item for event in self.protocol.events_received() for item in self._take(event)]

    def _take(self, frame: object) -> Iterator[object]:
        assert isinstance(frame, websockets.frames.Frame)
        opcode, data = frame.opcode, bytes(frame.data)
        if opcode is Opcode.CLOSE:
            close = websockets.frames.Close.parse(data)
            yield ("close", close.code, close.reason)
        elif opcode in (Opcode.PING, Opcode.PONG):
            yield (opcode.name.lower(), data)
        else:
            if opcode is not Opcode.CONT:
                self.text = opcode is Opcode.TEXT
            self.parts.append(data)
            if frame.fin:
                whole, self.parts = b"".join(self.parts), []
                yield whole.decode() if self.text else whole


class Wsproto:
    """A wsproto connection that takes and gives what ours does."""

    def __init__(self, role: Role) -> None:
        kinds = wsproto.ConnectionType
        self.connection = wsproto.connection.Connection(
            kinds.SERVER if role is Role.SERVER else kinds.CLIENT
        )
        self.parts: list[str | bytes] = []
        self.replies = b""

    def reply(self) -> bytes:
        replies, self.replies = self.replies, b""
        return replies

    def send(self, part: str | bytes, first: bool, fin: bool) -> bytes:
        event = wsproto.events.TextMessage if isinstance(part, str) else wsproto.events.BytesMessage
        return self.connection.send(event(data=part, message_finished=fin))

    def ping(self, payload: bytes) -> bytes:
        return self.connection.send(wsproto.events.Ping(payload=payload))

    def close(self, code: int, reason: str) -> bytes:
        return self.connection.send(wsproto.events.CloseConnection(code=code, reason=reason))

    def receive(self, data: bytes) -> list[object]:
        self.connection.receive_data(data)
        return [item for event in self.connection.events() for item in self._take(event)]

    def _take(self, event: wsproto.events.Event) -> Iterator[object]:
        match event:
            case wsproto.events.CloseConnection(code=code, reason=reason):
                if self.connection.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                    self.replies += self.connection.send(event.response())
                yield ("close", int(code), reason or "")
            case wsproto.events.Ping(payload=payload):
                self.replies += self.connection.send(event.response())
                yield ("ping", bytes(payload))
            case wsproto.events.Pong(payload=payload):
                yield ("pong", bytes(payload))
            case wsproto.events.Message(data=data):
                self.parts.append(data if isinstance(data, str) else bytes(data))
                if event.message_finished:
                    whole = self.parts[0][:0].join(self.parts)  # type: ignore[arg-type]
                    self.parts = []
                    yield whole


LIBRARIES: list[Callable[[Role], Other]] = [Websockets, Wsproto]


@pytest.fixture(scope="module", params=LIBRARIES, ids=lambda library: library.__name__.lower())
def library(request: pytest.FixtureRequest) -> Callable[[Role], Other]:
    """One library after the other."""
    return request.param


def opposite(role: Role) -> Role:
    return Role.CLIENT if role is Role.SERVER else Role.SERVER


def whole(parts: list[str] | list[bytes]) -> str | bytes:
    return parts[0][:0].join(parts)  # type: ignore[arg-type]


def plain(event: object) -> object:
    """Say one of our events as ``Other.receive`` says it."""
    match event:
        case Ping(payload):
            return ("ping", payload)
        case Pong(payload):
            return ("pong", payload)
        case Closed(code, reason):
            return ("close", code, reason)
    return event


texts = st.text("aµ€😀", max_size=6) | st.just("é" * 70) | st.just("x" * 70_000)
binaries = st.binary(max_size=6) | st.just(bytes(130)) | st.just(b"y" * 70_000)
message_parts = st.lists(texts, min_size=1, max_size=3) | st.lists(binaries, min_size=1, max_size=3)
conversations = st.lists(message_parts | st.tuples(st.binary(max_size=125)), max_size=5)
FEW = settings(deadline=None, max_examples=100)


@FEW
@given(conversation=conversations, role=st.sampled_from(Role), data=st.data())
def test_what_they_send_we_receive(
    library: Callable[[Role], Other],
    conversation: list[list[str] | list[bytes] | tuple[bytes]],
    role: Role,
    data: st.DataObject,
) -> None:
    ours, theirs = WebSocketConnection(role), library(opposite(role))
    stream = b""
    expected: list[object] = []
    for item in conversation:
        if isinstance(item, tuple):
            stream += theirs.ping(item[0])
            expected.append(("ping", item[0]))
        else:
            for i, part in enumerate(item):
                stream += theirs.send(part, i == 0, i == len(item) - 1)
            expected.append(whole(item))
    stream += theirs.close(4000, "done")
    pieces = split(stream, data.draw(cuts_of(stream)))
    events = [event for piece in pieces for event in ours.receive_data(piece)]
    assert [plain(event) for event in events] == [*expected, ("close", 4000, "done")]
    pongs = [("pong", item[0]) for item in conversation if isinstance(item, tuple)]
    assert theirs.receive(ours.data_to_send()) == [*pongs, ("close", 4000, "done")]
    assert ours.state is State.CLOSED


@FEW
@given(conversation=conversations, role=st.sampled_from(Role), data=st.data())
def test_what_we_send_they_receive(
    library: Callable[[Role], Other],
    conversation: list[list[str] | list[bytes] | tuple[bytes]],
    role: Role,
    data: st.DataObject,
) -> None:
    ours, theirs = WebSocketConnection(role), library(opposite(role))
    expected: list[object] = []
    for item in conversation:
        if isinstance(item, tuple):
            ours.ping(item[0])
            expected.append(("ping", item[0]))
        elif len(item) == 1:
            ours.send_text(item[0]) if isinstance(item[0], str) else ours.send_binary(item[0])
            expected.append(item[0])
        else:
            for i, part in enumerate(item):
                ours.send_fragment(part, fin=i == len(item) - 1)
            expected.append(whole(item))
    ours.close(4000, "done")
    stream = ours.data_to_send()
    received = [
        event
        for piece in split(stream, data.draw(cuts_of(stream)))
        if piece
        for event in theirs.receive(piece)
    ]
    assert received == [*expected, ("close", 4000, "done")]
    events = [plain(event) for event in ours.receive_data(theirs.reply())]
    pongs = [("pong", item[0]) for item in conversation if isinstance(item, tuple)]
    assert events[:-1] == pongs
    assert events[-1][:2] == ("close", 4000)  # type: ignore[index]
    assert ours.state is State.CLOSED
    assert ours.data_to_send() == b""


@pytest.mark.parametrize(
    ("ours", "theirs", "bad", "code"),
    [
        (Role.SERVER, Role.CLIENT, b"\x83\x80\x37\xfa\x21\x3d", 1002),
        (Role.SERVER, Role.CLIENT, b"\x81\x81\x37\xfa\x21\x3d\xc8", 1007),
        (Role.CLIENT, Role.SERVER, b"\x83\x00", 1002),
        (Role.CLIENT, Role.SERVER, b"\x81\x01\xff", 1007),
    ],
)
def test_they_understand_how_we_fail_a_connection(
    library: Callable[[Role], Other], ours: Role, theirs: Role, bad: bytes, code: int
) -> None:
    connection, other = WebSocketConnection(ours), library(theirs)
    [closed] = connection.receive_data(bad)
    assert isinstance(closed, Closed)
    assert closed.code == code
    assert other.receive(connection.data_to_send()) == [("close", code, closed.reason)]
    assert connection.receive_data(other.reply()) == []


whole_frames = st.builds(
    frame,
    st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10, 3, 15]),
    st.sampled_from([b"", b"a", "é".encode(), b"\xc3", b"\xa9", b"\xff", b"\x03\xe8", bytes(126)]),
    fin=st.booleans(),
    rsv=st.sampled_from([0] * 9 + [0x40]),
    key=st.sampled_from([KEY] * 9 + [b""]),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(whole_frames, max_size=7).map(b"".join))
def test_wsproto_judges_any_frames_as_we_do(stream: bytes) -> None:
    ours, theirs = WebSocketConnection(Role.SERVER), Wsproto(Role.SERVER)
    events = [plain(event) for event in ours.receive_data(stream)]
    received = theirs.receive(stream)
    # What it says about a fault it says in other words.
    assert (
        [event[:2] if event[:1] == ("close",) else event for event in events]
        == [  # type: ignore[index]
            event[:2] if event[:1] == ("close",) else event  # type: ignore[index]
            for event in received
        ]
    )


# ------------------------------------------------------------------------------ handshakes


def write_request(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def write_response(response: Response) -> bytes:
    lines = [f"HTTP/1.1 {response.status} Whatever"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    if response.status != 101:
        lines.append(f"Content-Length: {len(response.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + response.body


def read_head(data: bytes) -> tuple[list[str], list[tuple[str, str]]]:
    """Split a head into the words of its first line and its fields."""
    first, *lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    fields = [line.split(":", 1) for line in lines]
    return first.split(), [(name, value.strip()) for name, value in fields]


def read_request(data: bytes) -> Request:
    (method, target, version), fields = read_head(data)
    return Request(method, target, fields, http_version=version.removeprefix("HTTP/"))


def read_response(data: bytes) -> Response:
    words, fields = read_head(data)
    return Response(int(words[1]), fields)


URL = "ws://localhost:8000/ws?room=1"
SUBPROTOCOLS = ["chat", "superchat"]


def test_a_websockets_client_shakes_hands_with_our_server() -> None:
    theirs = websockets.client.ClientProtocol(
        websockets.uri.parse_uri(URL), subprotocols=SUBPROTOCOLS, origin="http://localhost:8000"
    )
    theirs.send_request(theirs.connect())
    request = read_request(b"".join(theirs.data_to_send()))
    assert request.query == {"room": "1"}
    handshake = ServerHandshake(request, subprotocols=["superchat"])
    theirs.receive_data(write_response(handshake.accept(headers={"X": "1"})))
    assert theirs.handshake_exc is None
    assert theirs.state is websockets.protocol.OPEN
    assert theirs.subprotocol == "superchat"
    theirs.send_text(b"hello")
    assert handshake.connection().receive_data(b"".join(theirs.data_to_send())) == ["hello"]


def test_a_websockets_client_understands_our_refusal() -> None:
    theirs = websockets.client.ClientProtocol(
        websockets.uri.parse_uri(URL), origin="http://evil.test"
    )
    theirs.send_request(theirs.connect())
    handshake = ServerHandshake(read_request(b"".join(theirs.data_to_send())))
    with pytest.raises(HandshakeError) as refusal:
        handshake.accept()
    theirs.receive_data(write_response(handshake.refuse(refusal.value)))
    assert theirs.state is websockets.protocol.CONNECTING
    assert "HTTP 403" in str(theirs.handshake_exc)


def test_our_client_shakes_hands_with_a_websockets_server() -> None:
    ours = ClientHandshake(URL, subprotocols=SUBPROTOCOLS)
    theirs = websockets.server.ServerProtocol(subprotocols=["superchat"])
    theirs.receive_data(write_request(ours.request))
    [request] = theirs.events_received()
    theirs.send_response(theirs.accept(request))
    assert theirs.state is websockets.protocol.OPEN
    connection = ours.connection(read_response(b"".join(theirs.data_to_send())))
    assert connection.subprotocol == "superchat"
    connection.send_text("hello")
    theirs.receive_data(connection.data_to_send())
    assert [bytes(frame.data) for frame in theirs.events_received()] == [b"hello"]


def test_our_client_understands_a_websockets_server_s_refusal() -> None:
    ours = ClientHandshake(URL, origin="http://evil.test")
    theirs = websockets.server.ServerProtocol(origins=["http://localhost:8000"])
    theirs.receive_data(write_request(ours.request))
    [request] = theirs.events_received()
    theirs.send_response(theirs.accept(request))
    with pytest.raises(HandshakeError) as refusal:
        ours.connection(read_response(b"".join(theirs.data_to_send())))
    assert refusal.value.status == 403


def test_a_wsproto_client_shakes_hands_with_our_server() -> None:
    theirs = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    data = theirs.send(
        wsproto.events.Request(host="localhost:8000", target="/ws", subprotocols=SUBPROTOCOLS)
    )
    handshake = ServerHandshake(read_request(data), subprotocols=["superchat"])
    theirs.receive_data(write_response(handshake.accept()))
    [accepted] = theirs.events()
    assert isinstance(accepted, wsproto.events.AcceptConnection)
    assert accepted.subprotocol == "superchat"
    data = theirs.send(wsproto.events.TextMessage(data="hello"))
    assert handshake.connection().receive_data(data) == ["hello"]


def test_our_client_shakes_hands_with_a_wsproto_server() -> None:
    ours = ClientHandshake(URL, subprotocols=SUBPROTOCOLS)
    theirs = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    theirs.receive_data(write_request(ours.request))
    [request] = theirs.events()
    assert isinstance(request, wsproto.events.Request)
    assert (request.target, request.subprotocols) == ("/ws?room=1", SUBPROTOCOLS)
    answer = theirs.send(wsproto.events.AcceptConnection(subprotocol="superchat"))
    connection = ours.connection(read_response(answer))
    assert connection.subprotocol == "superchat"
    connection.send_text("hello")
    theirs.receive_data(connection.data_to_send())
    [message] = theirs.events()
    assert isinstance(message, wsproto.events.TextMessage)
    assert message.data == "hello"
