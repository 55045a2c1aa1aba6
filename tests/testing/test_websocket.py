"""WebSockets of the test client: messages, frames, pings, closes both ways, and mishaps."""

from __future__ import annotations

import asyncio
import json

import pytest

from fasterapi import App, ConnectionClosed, HandshakeError, Limits, LocalProtocolError
from fasterapi.protocol import Compression, PerMessageDeflate
from fasterapi.testing import AsyncTestClient, Opcode, Refused, TestClient

from .application import CRASHES, ECHOES, Crash

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = Opcode


@pytest.mark.parametrize("path", ECHOES)
def test_messages_of_each_kind_with_each_style_of_handler(c: TestClient, path: str) -> None:
    with c.websocket(path) as ws:
        ws.send_text("häj")
        assert ws.receive_text(timeout=5) == "häj"
        ws.send_bytes(b"\0\xff")
        assert ws.receive_bytes() == b"\0\xff"
        ws.send_json({"a": [1]})
        assert ws.receive_json() == {"a": [1]}
        for message in ("", b"", "x" * 70_000):
            ws.send(message)
            assert ws.receive() == message
        assert ws.close_code is None
    assert (ws.close_code, ws.close_reason) == (1000, "")
    assert c.app.state.ends == [(1000, "")]


@pytest.mark.parametrize("path", ECHOES)
def test_the_same_awaited(app: App, path: str) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app) as c, c.websocket(path) as ws:
            await ws.send_text("a")
            await ws.send_bytes(b"b")
            await ws.send_json(3)
            assert await ws.receive_text(timeout=5) == "a"
            assert await ws.receive_bytes() == b"b"
            assert await ws.receive_json() == 3
            other = await c.websocket(path)
            await other.close(3000, "enough")
            await other.wait_handler()
            assert app.state.ends == [(3000, "enough")]
        assert app.state.ends[1:] == [(1000, "")]

    asyncio.run(scenario())


def test_a_message_of_the_other_kind_fails_the_test(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.send("text")
        with pytest.raises(AssertionError, match="a text message instead of binary: 'text'"):
            ws.receive_bytes()
        ws.send(b"bytes")
        with pytest.raises(AssertionError, match="a binary message instead of text: b'bytes'"):
            ws.receive_text()
        ws.send("no json")
        with pytest.raises(json.JSONDecodeError):
            ws.receive_json()


def test_messages_are_iterated_over_to_an_orderly_end(c: TestClient) -> None:
    with c.websocket("/close/1000") as ws:
        assert list(ws) == ["bye"]
    with c.websocket("/close/4000") as ws, pytest.raises(ConnectionClosed) as closed:
        list(ws)
    assert (closed.value.code, closed.value.reason) == (4000, "because")


# ------------------------------------------------------------------------------------- handshake


@pytest.mark.parametrize("path", ECHOES)
def test_the_handshake(c: TestClient, path: str) -> None:
    with c.websocket(path, subprotocols=["news", "mail"]) as ws:
        assert ws.subprotocol == "mail"
        assert ws.response.status == 101
        assert ws.response.headers["sec-websocket-protocol"] == "mail"
        assert ws.extensions == []


def test_a_refusal_carries_the_response(c: TestClient) -> None:
    with pytest.raises(Refused, match=r"WebSocket /closed is refused: 401 .*: log in") as refused:
        c.websocket("/closed")
    assert isinstance(refused.value, HandshakeError)
    assert refused.value.status == 401
    response = refused.value.response
    assert (response.status, response.headers["x-why"]) == (401, "no")
    assert (response.body, response.text) == (b"log in first", "log in first")
    with pytest.raises(Refused, match=r"404 Not Found$"):
        c.websocket("/nowhere")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(None, True), ("http://testserver", True), ("http://evil.example", False)],
)
def test_origins(c: TestClient, origin: str | None, allowed: bool) -> None:
    if allowed:
        with c.websocket("/async", origin=origin):
            return
    with pytest.raises(Refused) as refused:
        c.websocket("/async", origin=origin)
    assert refused.value.status == 403


def test_a_handshake_that_nobody_answers(app: App) -> None:
    with TestClient(app, grace=0.01) as c:
        with pytest.raises(
            TimeoutError, match=r"no response to WebSocket /mute within 0.01 s"
        ) as e:
            c.websocket("/mute", timeout=0.01)
        assert "the handler mute() is at work, at " in str(e.value)


# --------------------------------------------------------------------------------------- framing


@pytest.mark.parametrize("path", ECHOES)
def test_fragments_and_frames_in_between(c: TestClient, path: str) -> None:
    with c.websocket(path) as ws:
        ws.send_fragment("one ", fin=False)
        ws.ping(b"now")
        ws.send_fragment("message", fin=True)
        assert ws.receive_pong() == b"now"
        assert ws.receive() == "one message"
        assert [(f.opcode, f.fin, f.payload) for f in ws.sent_frames] == [
            (TEXT, False, b"one "), (PING, True, b"now"), (CONTINUATION, True, b"message"),
        ]  # fmt: skip
        assert [(f.opcode, f.payload) for f in ws.received_frames] == [
            (PONG, b"now"), (TEXT, b"one message"),
        ]  # fmt: skip
        assert ws.received_bytes == b"\x8a\x03now" + b"\x81\x0bone message"
        assert ws.sent_bytes == b"".join(frame.data for frame in ws.sent_frames)


def test_a_frame_in_single_bytes(c: TestClient) -> None:
    frame = b"\x82\x83\0\0\0\0abc"
    with c.websocket("/async") as ws:
        ws.send_raw(*(frame[i : i + 1] for i in range(len(frame))))
        assert ws.receive() == b"abc"
        assert ws.sent_bytes == frame


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"opcode": 3}, 1002),
        ({"opcode": TEXT, "rsv": 0x40}, 1002),
        ({"opcode": CONTINUATION}, 1002),
        ({"opcode": PING, "payload": bytes(126)}, 1002),
        ({"opcode": TEXT, "payload": b"\xff"}, 1007),
        ({"opcode": TEXT, "payload": b"x", "key": b""}, 1002),
        ({"opcode": CLOSE, "payload": b"\x03"}, 1002),
    ],
)
def test_frames_that_break_the_rules(c: TestClient, frame: dict[str, int], code: int) -> None:
    with c.websocket("/async") as ws:
        ws.send_frame(**frame)  # type: ignore[arg-type]
        assert ws.wait_closed() == code
        assert ws.received_frames[-1].payload[:2] == code.to_bytes(2, "big")
        with pytest.raises(ConnectionClosed) as closed:
            ws.receive()
        assert closed.value.code == code
        assert ws.close_reason == closed.value.reason != ""


def test_a_message_over_the_limit(app: App) -> None:
    @app.websocket("/small", limits=Limits(max_message_size=10))
    async def small(ws: object) -> None:
        async for _ in ws:  # type: ignore[attr-defined]
            pass

    with TestClient(app) as c, c.websocket("/small") as ws:
        ws.send("12345678901")
        assert ws.wait_closed() == 1009


# --------------------------------------------------------------------------------- pings, closes


def test_pongs_by_hand(c: TestClient) -> None:
    with c.websocket("/async", auto_pong=False) as ws:
        c.clock.advance(20)
        payload = ws.receive_ping()
        assert [frame.opcode for frame in ws.sent_frames] == []
        c.clock.advance(10)
        ws.pong(payload)
        c.clock.advance(19)
        assert ws.close_code is None
        ws.auto_pong = True
        c.clock.advance(1)
        assert ws.receive_ping() != payload
        assert [frame.opcode for frame in ws.sent_frames] == [PONG, PONG]
        assert ws.auto_pong


@pytest.mark.parametrize("path", ECHOES)
@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_a_close_of_the_client(c: TestClient, path: str, code: int) -> None:
    with c.websocket(path) as ws:
        ws.close(code, "häj")
        assert (ws.close_code, ws.close_reason) == (code, "häj")
        ws.close()  # once is enough
        with pytest.raises(ConnectionClosed):
            ws.send("late")
        ws.wait_handler()
    assert c.app.state.ends == [(code, "häj")]
    assert ws.is_lost


def test_a_close_without_a_code(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.close(1005)
        assert ws.close_code == 1005
    assert c.app.state.ends == [(1005, "")]


def test_a_close_that_may_not_be_sent(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        with pytest.raises(LocalProtocolError):
            ws.close(1006)
        ws.send("still open")
        assert ws.receive() == "still open"


@pytest.mark.parametrize("code", [1000, 1011, 4321])
def test_a_close_of_the_server(c: TestClient, code: int) -> None:
    with c.websocket(f"/close/{code}") as ws:
        assert ws.wait_closed() == code
        assert ws.close_reason == "because"
        assert ws.receive() == "bye"  # what came before it can be had
        for receive in (ws.receive, ws.receive_ping, ws.receive_pong):
            with pytest.raises(ConnectionClosed, match=f"{code} because"):
                receive()


# ---------------------------------------------------------------------------------------- mishaps


@pytest.mark.parametrize("path", ECHOES)
def test_a_connection_that_is_lost(c: TestClient, path: str) -> None:
    with c.websocket(path) as ws:
        ws.drop(ConnectionResetError())
        assert ws.wait_closed() == 1006
        assert ws.is_lost
        with pytest.raises(ConnectionClosed):
            ws.send_raw(b"late")
        with pytest.raises(ConnectionClosed):
            ws.send("late")
        ws.wait_handler()
        c.wait_until(lambda: c.app.state.ends)
    assert c.app.state.ends == [(1006, "")]


def test_a_half_that_ends_without_a_close(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.send_eof()
        assert ws.wait_closed() == 1006
    assert c.app.state.ends == [(1006, "")]


@pytest.mark.parametrize("path", ECHOES)
def test_a_peer_that_vanishes_is_noticed_by_keepalive(c: TestClient, path: str) -> None:
    with c.websocket(path) as ws:
        ws.mute()
        ws.send("lost on its way")
        c.clock.advance(39.9)
        assert ws.close_code is None
        assert ws.receive_ping() != b""
        c.clock.advance(0.1)
        assert ws.wait_closed() == 1011
        assert ws.close_reason == "keepalive ping timeout"
        c.wait_until(lambda: c.app.state.ends)
    assert c.app.state.ends == [(1011, "keepalive ping timeout")]


def test_a_peer_that_comes_back_in_time(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.mute()
        c.clock.advance(30)
        ws.unmute()
        ws.send("here")
        assert ws.receive() == "here"
        c.clock.advance(15)
        assert ws.close_code is None


def test_a_muted_client_leaves_without_a_word(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.mute()
    assert ws.close_code == 1006
    assert c.app.state.ends == [(1006, "")]


def test_a_slow_reader_holds_the_handler_up(c: TestClient) -> None:
    log = c.app.state.log
    with c.websocket("/flood") as ws:
        ws.receive()
        ws.pause()
        c.wait_until(lambda: "flooding" in log)
        c.settle()
        held = ws.unsent
        assert "flooded" not in log or held == 0
        ws.resume()
        assert sum(1 for _ in ws) == 99
    assert "flooded" in log


def test_a_paused_reader_is_cut_off_when_its_time_is_over(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.pause()
        for _ in range(20):
            ws.send(bytes(10_000))
        assert ws.unsent > 65536
        with pytest.raises(TimeoutError, match=r"open, and paused with [0-9]+ bytes to take"):
            ws.receive(timeout=0.001)
        c.clock.advance(35)
        assert ws.wait_closed() == 1006


def test_a_handler_that_does_not_receive_holds_the_client_up(app: App) -> None:
    with TestClient(app, grace=0.01) as c:
        ws = c.websocket("/deaf")
        for _ in range(20):
            ws.send_raw(b"\x82\xfe\x27\x10" + bytes(4 + 10_000))
        assert ws.unread > 0
        with pytest.raises(TimeoutError, match=r"no end of WebSocket /deaf within 0.01 s"):
            ws.close(timeout=0.01)


# ----------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("path", CRASHES)
def test_what_a_handler_raises_is_raised_behind_what_it_sent(c: TestClient, path: str) -> None:
    with c.websocket(path) as ws:
        assert ws.receive() == "before"
        with pytest.raises(Crash) as crash:  # by the first that meets it
            ws.send("go")
            ws.receive()
        frames = [entry.name for entry in crash.traceback]
        assert frames[-1] in ("crash", "crash_def", "on_message")
        assert any(path in note for note in crash.value.__notes__)
        assert ws.wait_closed() == 1011


def test_an_error_before_the_handshake(c: TestClient) -> None:
    with pytest.raises(Crash, match="before the handshake"):
        c.websocket("/early-crash")


def test_an_error_that_nobody_waited_for_is_raised_at_the_end(app: App) -> None:
    with (  # the end of the block is what raises
        pytest.raises(Crash, match="callback"),
        TestClient(app) as c,
    ):
        ws = c.websocket("/callbacks-crash")
        ws.send("go")


def test_without_raising_a_client_sees_what_clients_see(app: App) -> None:
    with TestClient(app, raise_server_exceptions=False) as c:
        for path in CRASHES:
            with c.websocket(path) as ws:
                assert ws.receive() == "before"
                if path == "/callbacks-crash":
                    ws.send("go")
                assert ws.wait_closed() == 1011
        with pytest.raises(Refused) as refused:
            c.websocket("/early-crash")
        assert refused.value.status == 500


def test_a_timeout_says_what_was_there(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        ws.send("one")
        ws.receive()
        with pytest.raises(TimeoutError) as timeout:
            ws.receive_pong(timeout=0.01)
        text = str(timeout.value)
        assert text.startswith(
            "no pong of WebSocket /async within 0.01 s; so far: open; 1 messages"
        )
        assert "last frames: TEXT of 3" in text
        assert "the handler echo() is at work, at " in text
        assert "application.py:" in text
        assert text.endswith("the server's next deadline is 20 s away on the clock")
        ws.send("two")
        c.settle()
        with pytest.raises(TimeoutError, match=r"2 messages, of which not received yet: 'two';"):
            ws.receive_ping(timeout=0.01)


def test_a_timeout_says_where_a_thread_stands(c: TestClient) -> None:
    with c.websocket("/def") as ws, pytest.raises(TimeoutError) as timeout:
        ws.send("one")
        ws.receive()
        ws.receive(timeout=0.01)
    assert "the handler echo_def() is at work, at " in str(timeout.value)
    assert "application.py:" in str(timeout.value)


def test_many_connections_at_once(c: TestClient) -> None:
    sockets = [c.websocket(path) for path in ECHOES * 3]
    for number, ws in enumerate(sockets):
        ws.send(str(number))
    assert [ws.receive() for ws in sockets] == [str(number) for number in range(9)]


@pytest.mark.parametrize("path", ECHOES)
@pytest.mark.parametrize("compression", [True, Compression(window_bits=15)])
def test_compression(c: TestClient, path: str, compression: bool | Compression) -> None:
    text = "over and over again, " * 20
    with c.websocket(path, compression=compression) as ws:
        (agreed,) = ws.extensions
        assert agreed.startswith("permessage-deflate")
        for message, compress, rsv in ((text, None, 0x40), (text, False, 0), ("short", None, 0)):
            ws.send(message, compress=compress)
            assert ws.receive() == message
            assert ws.sent_frames[-1].rsv == rsv
        assert [frame.rsv for frame in ws.received_frames] == [0x40, 0x40, 0]
        assert len(ws.received_frames[0].payload) < len(text) / 5


def test_no_compression_unless_it_is_asked_for(c: TestClient) -> None:
    with c.websocket("/async") as ws:
        assert ws.extensions == []
        ws.send("x" * 1000)
        ws.receive()
        assert ws.received_frames[0].rsv == 0


def test_an_extension_that_nobody_knows(c: TestClient) -> None:
    class Unknown(PerMessageDeflate):
        name = "x-unknown"

    with c.websocket("/async", extensions=[Unknown()]) as ws:
        assert ws.extensions == []
        assert b"Sec-WebSocket-Extensions: x-unknown" in ws.wire.sent


def test_iterating_awaited(app: App) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app) as c:
            async with c.websocket("/close/1000") as ws:
                assert [message async for message in ws] == ["bye"]
            async with c.websocket("/close/3000") as ws:
                with pytest.raises(ConnectionClosed, match="3000 because"):
                    _ = [message async for message in ws]

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/flood", "/close/1000"])
def test_frames_that_come_right_behind_the_handshake(c: TestClient, path: str) -> None:
    with c.websocket(path) as ws:
        ws.wait_closed()
        frames = ws.received_frames
        assert [frame.opcode for frame in frames[:-1]] == [frames[0].opcode] * len(list(ws))
        assert frames[-1].opcode == CLOSE
        assert b"".join(frame.data for frame in frames) == ws.received_bytes
        assert ws.wire.received.endswith(b"\r\n\r\n" + ws.received_bytes)
