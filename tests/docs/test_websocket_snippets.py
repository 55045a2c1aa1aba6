"""The programs of docs/websockets.md, talked to in memory; what a handler raises fails the test."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from fasterapi import ConnectionClosed
from fasterapi.testing import Opcode, Refused, TestWebSocket

from .snippets import running


def closing(ws: TestWebSocket) -> tuple[int, str]:
    """Wait for the connection's end; give the server's code and reason."""
    return ws.wait_closed(), ws.close_reason


@pytest.mark.parametrize("name", ["echo", "echo_def", "json_log"])
def test_an_echo(name: str) -> None:
    with running(name) as site, site.c.websocket("/echo") as ws:
        for message in ("hello", b"\0\xff"):
            ws.send(message)
            assert ws.receive() == message


def test_the_first_page() -> None:
    with running("echo") as site:
        response = site.c.get("/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert '"/echo"' in response.text


def test_rooms_hear_their_own() -> None:
    with running("rooms") as site:
        with (
            site.c.websocket("/rooms/tea") as ada,
            site.c.websocket("/rooms/tea") as bob,
            site.c.websocket("/rooms/coffee") as eve,
        ):
            assert len(site.module.rooms["tea"]) == 2
            eve.send("alone")
            ada.send("hello")
            for ws, room, text in ((ada, "tea", "hello"), (bob, "tea", "hello"),
                                   (eve, "coffee", "alone")):  # fmt: skip
                assert ws.receive_json() == {"room": room, "text": text}
        assert not any(site.module.rooms.values())


def test_text_and_bytes_are_told_apart() -> None:
    with running("receiving") as site, site.c.websocket("/kinds") as ws:
        ws.send("four")
        assert ws.receive() == "4 characters"
        ws.send(b"\0\0\0")
        assert ws.receive() == "3 bytes"


@pytest.mark.parametrize(
    ("message", "code"), [("[1, 2, 3]", None), ("no json", 1007), (b"\x01", 1007)]
)
def test_json(message: str | bytes, code: int | None) -> None:
    with running("receiving") as site, site.c.websocket("/sum") as ws:
        ws.send(message)
        if code is None:
            assert ws.receive() == '{"sum":6}'
        else:
            assert ws.wait_closed() == code


def test_binary_where_text_is_asked_for_is_1003() -> None:
    with running("receiving") as site, site.c.websocket("/quiz") as ws:
        ws.send(b"42")
        ws.receive()
        assert ws.wait_closed() == 1003


@pytest.mark.parametrize(("answer", "verdict"), [("42", "right"), ("41", "wrong")])
def test_an_answer_in_time(answer: str, verdict: str) -> None:
    with running("receiving") as site, site.c.websocket("/quiz") as ws:
        ws.receive()
        site.c.clock.advance(59)
        ws.send(answer)
        assert ws.receive() == verdict
        assert ws.wait_closed() == 1000


def test_no_answer_in_time() -> None:
    with running("receiving") as site, site.c.websocket("/quiz") as ws:
        site.c.clock.advance(site.module.PATIENCE)
        assert closing(ws) == (4000, "too slow")


def test_how_a_connection_closed(capsys: pytest.CaptureFixture[str]) -> None:
    with running("receiving") as site, site.c.websocket("/count") as ws:
        ws.send("1")
        ws.send("2")
        ws.close(1001, "good night")
        ws.wait_handler()
    assert capsys.readouterr().out == "2 messages, then 1001 good night\n"


def test_what_can_be_sent() -> None:
    with running("sending") as site, site.c.websocket("/hello") as ws:
        assert ws.receive() == "a str is a text message"
        assert ws.receive() == b"bytes are a binary message"
        assert ws.receive() == '{"compact":"JSON, in a text message"}'


def test_many_messages_arrive_in_order() -> None:
    with running("sending") as site, site.c.websocket("/lines/2000") as ws:
        assert list(ws) == [f"line {n}" for n in range(2000)]


def test_sending_and_receiving_at_once() -> None:
    with running("sending") as site, site.c.websocket("/stopwatch") as ws:
        assert ws.receive_json() == {"seconds": 0.0}
        site.c.clock.advance(0.1)
        ws.send("reset")
        assert "seconds" in ws.receive_json()


def test_latency() -> None:
    with running("sending") as site, site.c.websocket("/latency") as ws:
        for _ in range(3):
            assert str(ws.receive()).endswith(" ms")


def test_a_message_in_parts() -> None:
    with running("sending") as site, site.c.websocket("/report") as ws:
        text = ws.receive_text()
        assert text.splitlines()[-1] == "row 999,998001"
        frames = [frame for frame in ws.received_frames if frame.opcode < Opcode.CLOSE]
    assert len(frames) > 1000
    assert b"".join(frame.payload for frame in frames).decode() == text


@pytest.mark.parametrize("kind", [str, bytes])
def test_an_upload_in_parts(kind: type) -> None:
    content = "0123456789abcdef" * 200_000
    with running("uploads") as site, site.c.websocket("/upload") as ws:
        ws.send(content if kind is str else content.encode())
        assert ws.receive() == hashlib.sha256(content.encode()).hexdigest()


@pytest.mark.parametrize(
    ("guesses", "end"),
    [(["7"], (1000, "right")), (["1", "2", "3"], (4001, "three wrong guesses"))],
)
def test_closing(guesses: list[str], end: tuple[int, str]) -> None:
    with running("closing") as site, site.c.websocket("/guess") as ws:
        for guess in guesses:
            ws.send(guess)
        assert closing(ws) == end


def test_cleaning_up() -> None:
    with running("closing") as site:
        with site.c.websocket("/edit/notes") as ws:
            ws.send('"save"')
            assert ws.receive() == '{"done":"save"}'
            assert site.module.open_files == {"notes"}
        assert not site.module.open_files


def test_a_handler_that_only_waits_for_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with running("closing") as site, site.c.websocket("/watch") as ws:
        ws.receive()
        ws.close(1000, "enough")
        ws.wait_handler()
    assert capsys.readouterr().out == "left with 1000 enough\n"


@pytest.mark.parametrize("session", ["token-of-ada", "stolen", None])
def test_only_users_are_let_in(session: str | None) -> None:
    headers = {"Cookie": f"session={session}"} if session else {}
    with running("joining") as site:
        if session == "token-of-ada":
            with site.c.websocket("/account", headers=headers) as ws:
                assert ws.receive() == "Hello, Ada"
            return
        with pytest.raises(Refused) as refused:
            site.c.websocket("/account", headers=headers)
    assert (refused.value.status, refused.value.response.body) == (401, b"log in first\n")


def test_a_rejection_with_headers() -> None:
    with running("joining") as site:
        with site.c.websocket("/beta?invited=1") as ws:
            assert ws.response.headers["X-Version"] == "2-beta"
            assert ws.receive() == "welcome"
        with pytest.raises(Refused) as refused:
            site.c.websocket("/beta")
    response = refused.value.response
    assert (response.status, response.body) == (403, b"by invitation only\n")
    assert response.headers["X-Reason"] == "beta"


@pytest.mark.parametrize(
    ("offered", "chosen", "answer"),
    [
        (["loud.v1", "loud.v2"], "loud.v2", "HEY!"),
        (["quiet", "loud.v1"], "loud.v1", "HEY"),
        ([], None, "HEY"),
    ],
)
def test_subprotocols(offered: list[str], chosen: str | None, answer: str) -> None:
    with running("joining") as site, site.c.websocket("/shout", subprotocols=offered) as ws:
        assert ws.subprotocol == chosen
        ws.send("hey")
        assert ws.receive() == answer


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/beta?invited=1", "https://shop.example", True),
        ("/beta?invited=1", "https://de.shop.example", True),
        ("/beta?invited=1", "https://shop.example.evil.example", False),
        ("/beta?invited=1", "http://shop.example", False),
        ("/beta?invited=1", None, True),
        ("/prices", "https://evil.example", True),
        ("/prices", "null", True),
    ],
)
def test_origins(path: str, origin: str | None, allowed: bool) -> None:
    with running("joining") as site:
        if allowed:
            with site.c.websocket(path, origin=origin) as ws:
                ws.receive()
            return
        with pytest.raises(Refused) as refused:
            site.c.websocket(path, origin=origin)
    assert refused.value.status == 403


def test_a_route_has_its_own_limits_or_the_apps(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with running("options") as site:
        with site.c.websocket("/images") as ws:
            ws.send(bytes(1024 * 1024))
            assert ws.receive() == '{"size":1048576}'
            site.c.clock.advance(5)
            ws.receive_ping()
        with site.c.websocket("/notes") as ws:
            ws.send("n" * 65_536)
            assert ws.receive() == '{"length":65536}'
            ws.send("n" * 65_537)
            assert ws.wait_closed() == 1009
    assert "(Limits.max_message_size)" in caplog.text


def test_callbacks() -> None:
    with running("callbacks") as site:
        relay = site.module.Relay
        with site.c.websocket("/relay/ada") as ada, site.c.websocket("/relay/bob") as bob:
            assert len(relay.connected) == 2
            ada.send("hello")
            assert bob.receive() == "ada: 'hello'"
            bob.send(b"\0")
            assert ada.receive() == r"bob: b'\x00'"
        assert not relay.connected


def test_a_task_beside_the_handlers() -> None:
    with running("background") as site:
        with site.c.websocket("/temperature") as ws:
            site.c.clock.advance(1)
            values = [ws.receive_json()["celsius"] for _ in range(10)]
            for first, second in itertools.pairwise(values):
                assert second == pytest.approx(first + 0.1)
        assert not site.module.app.state.listeners


def test_what_comes_behind_the_end() -> None:
    with running("closing") as site, site.c.websocket("/guess") as ws:
        ws.send("7")
        with pytest.raises(ConnectionClosed, match="1000 right"):
            ws.receive()
