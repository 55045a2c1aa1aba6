"""The examples' handlers, without a browser and without a second of waiting."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from fasterapi.examples import chat, demo, sse_demo, websocket_demo
from fasterapi.testing import TestClient, TestWebSocket


@pytest.fixture
def talk() -> Iterator[TestClient]:
    with TestClient(chat.app) as c:
        yield c
    assert not chat.rooms


@pytest.fixture
def sockets() -> Iterator[TestClient]:
    with TestClient(websocket_demo.app) as c:
        yield c


def until(ws: TestWebSocket, kind: str) -> dict[str, object]:
    """Receive up to a message of some kind."""
    return next(data for message in ws if (data := json.loads(message))["type"] == kind)


def test_a_chat(talk: TestClient) -> None:
    with talk.websocket("/ws/tea?nickname=Ada") as ada:
        assert until(ada, "history")["messages"] == []
        ada.send_json({"text": "  first  "})
        with talk.websocket("/ws/tea?nickname=%20") as guest:
            (earlier,) = until(guest, "history")["messages"]  # type: ignore[misc, attr-defined]
            assert (earlier["nickname"], earlier["text"]) == ("Ada", "first")
            assert until(guest, "join")["people"] == ["Ada", "Guest"]
            ada.send_json({"typing": True})
            assert until(guest, "typing")["nickname"] == "Ada"
            ada.send_json({"text": " "})  # nothing to say
            ada.send_json({"text": "x" * 2000})
            assert len(str(until(guest, "message")["text"])) == 1000
        assert until(ada, "leave")["people"] == ["Ada"]


def test_a_chat_that_loses_somebody(talk: TestClient) -> None:
    with talk.websocket("/ws/tea?nickname=Ada") as ada:
        bob = talk.websocket("/ws/tea?nickname=Bob")
        bob.mute()
        talk.clock.advance(40)
        assert bob.wait_closed() == 1011
        assert until(ada, "leave")["nickname"] == "Bob"


def test_a_chat_that_is_talked_to_in_another_language(talk: TestClient) -> None:
    with talk.websocket("/ws/tea") as ws:
        ws.send("no json")
        assert ws.wait_closed() == 1007


def test_an_echo(sockets: TestClient) -> None:
    with sockets.websocket("/ws/echo") as ws:
        assert ws.receive() == "Connected!"
        ws.send("a")
        ws.send(b"b")
        assert (ws.receive(), ws.receive()) == ("Echo: a", b"Echo: b")


def test_latency_each_second(sockets: TestClient) -> None:
    with sockets.websocket("/ws/ping") as ws:
        assert until(ws, "latency")["latency_ms"] == 0.0
        ws.send("ping 12.5")
        assert until(ws, "pong")["timestamp"] == "12.5"
        sockets.clock.advance(3)
        reports = [json.loads(message) for message in itertools.islice(ws, 3)]
        assert [report["type"] for report in reports] == ["latency"] * 3


def test_a_counter_that_pages_share(sockets: TestClient) -> None:
    with sockets.websocket("/ws/counter") as one, sockets.websocket("/ws/counter") as two:
        for action in ("increment", "increment", "decrement"):
            one.send_json({"action": action})
        seen = [two.receive_json() for _ in range(4)]
        assert [message["value"] for message in seen] == [0, 1, 2, 1]
        assert {message["pages"] for message in seen} == {2}
        two.send_json({"action": "reset"})
        one.send_json({"action": "explode"})
        assert one.wait_closed() == 1008
        assert (one.close_reason, two.receive_json()["value"]) == ("unknown action", 0)


def test_a_clock_for_a_minute() -> None:
    with TestClient(sse_demo.app) as c, c.events("/events/clock") as stream:
        c.clock.advance(60)
        times = [json.loads(stream.receive().data)["time"] for _ in range(50)]
    assert all("T" in time for time in times)


def test_a_counter_goes_on_where_the_browser_was(monkeypatch: pytest.MonkeyPatch) -> None:
    # A thread's sleep takes its time, and the end of a test would wait for it.
    monkeypatch.setattr(sse_demo, "time", SimpleNamespace(sleep=lambda _: None))
    with TestClient(sse_demo.app) as c:
        for last, expected in (("41", "42"), ("", "1"), ("none of ours", "1")):
            with c.events("/events/counter", last_event_id=last) as stream:
                event = stream.receive()
                assert (event.event, event.id) == ("count", expected)


def test_stocks_open_at_a_hundred() -> None:
    with TestClient(sse_demo.app) as c, c.events("/events/stocks") as stream:
        quotes = [json.loads(stream.receive().data) for _ in range(6)]
    assert {quote["price"] for quote in quotes} == {100.0}


def test_the_pages_are_there() -> None:
    with TestClient(demo.app) as c:
        for path in ("/", "/websocket", "/sse", "/chat"):
            reply = c.get(path)
            assert (reply.status, reply.text[:15].lower()) == (200, "<!doctype html>")
