"""The programs of docs/sse.md, read in memory; what a handler raises fails the test."""

from __future__ import annotations

import asyncio
import json

import pytest

from fasterapi import ServerSentEvent
from fasterapi.testing import TestEventStream

from .snippets import running


def first(stream: TestEventStream, number: int) -> list[ServerSentEvent]:
    """Read so many events."""
    return [stream.receive() for _ in range(number)]


@pytest.mark.parametrize("name", ["clock", "clock_def"])
def test_a_clock(name: str) -> None:
    with running(name) as site, site.c.events("/clock") as stream:
        headers = stream.wait_response().headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        event = stream.receive()
        assert event.event == "message"
        assert json.loads(event.data)["time"].endswith("+00:00")


def test_the_first_page() -> None:
    with running("clock") as site:
        assert 'new EventSource("/clock")' in site.c.get("/").text


def test_the_fields_of_an_event() -> None:
    with running("events") as site, site.c.events("/fields") as stream:
        one, two, three, four = first(stream, 4)
        assert one.data == "a str goes as it is\nwith its lines"
        assert json.loads(two.data) == {"anything": "else goes as JSON"}
        assert three.event == "news"
        assert four.id == "17"
        stream.wait_ended()
        assert stream.body.endswith(b"\n\nretry: 5000\n\n: ignored by every client\n\n")
        assert (stream.retry, stream.comments) == (5000, ["ignored by every client"])


def test_a_stream_with_an_end() -> None:
    with running("events") as site, site.c.events("/countdown/3") as stream:
        site.c.clock.advance(5)
        found = list(stream)
    assert [event.data for event in found] == ["3", "2", "1", ""]
    assert found[-1].event == "end"


def test_an_async_generator() -> None:
    with running("generators") as site, site.c.events("/primes") as stream:
        assert [event.data for event in first(stream, 4)] == ["2", "3", "5", "7"]


def test_a_generator() -> None:
    with running("generators") as site, site.c.events("/log") as stream:
        assert [(event.event, event.data, event.id) for event in stream] == [
            ("line", f"line {number}", str(number)) for number in range(3)
        ]


def test_going_on_where_a_client_stopped() -> None:
    with running("resume") as site:
        for text in ("one", "two", "three"):
            assert site.c.post("/messages", content=text).status == 204
        with site.c.events("/messages", last_event_id="1") as stream:
            found = first(stream, 2)
            assert [(event.id, event.data) for event in found] == [("2", "two"), ("3", "three")]


@pytest.mark.parametrize("last", ["", "no number", "9" * 5000])
def test_messages_from_the_first_one(last: str) -> None:
    with running("resume") as site:
        site.module.history.append("early")
        with site.c.events("/messages", last_event_id=last) as stream:
            assert stream.receive().data == "early"
            site.c.post("/messages", content="late")
            assert stream.receive().data == "late"


def test_news_for_everybody() -> None:
    with running("feed") as site:
        with site.c.events("/news") as ada, site.c.events("/news") as bob:
            assert len(site.module.queues) == 2
            site.c.post("/news", content="hello")
            assert (ada.receive().data, bob.receive().data) == ("hello", "hello")
        assert not site.module.queues


def test_a_slow_reader_misses_the_oldest_news() -> None:
    with running("feed") as site:
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=2)
        site.module.queues.add(queue)
        for text in "abc":
            site.c.post("/news", content=text)
        assert [queue.get_nowait() for _ in range(queue.qsize())] == ["b", "c"]


def test_an_answer_to_a_post() -> None:
    question = {"question": "Why?"}
    with running("answers") as site, site.c.events("/answer", method="POST", json=question) as s:
        site.c.clock.advance(1)
        found = [json.loads(event.data) for event in s]
    assert found == [{"word": "You"}, {"word": "asked:"}, {"word": "Why?"}, {"done": True}]


@pytest.mark.parametrize("content", [b"{}", b"[]", b"3"])
def test_a_post_that_makes_no_sense(content: bytes) -> None:
    with running("answers") as site:
        response = site.c.post("/answer", content=content)
    assert response.status == 422
    assert response.text == 'send JSON such as {"question": "Why?"}\n'


def test_a_post_that_is_no_json() -> None:
    with running("answers") as site:
        assert site.c.post("/answer", content=b"no json").status == 400


def test_a_method_that_a_stream_does_not_answer() -> None:
    with running("answers") as site:
        response = site.c.get("/answer")
    assert response.status == 405
    assert response.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("path", ["/watch/ada", "/poll/ada", "/rows/ada"])
def test_cleaning_up_behind_a_client(path: str) -> None:
    with running("leaving") as site:
        with site.c.events(path) as stream:
            stream.receive()
            assert site.module.watching == {"ada"}
        assert not site.module.watching


def test_pages_of_other_origins() -> None:
    page = {"Origin": "https://mail.example"}
    with running("cross_origin") as site:
        status = site.c.get("/status", headers=page)
        inbox = site.c.get("/inbox", headers={**page, "Cookie": "user=ada"})
        other = site.c.get("/inbox", headers={"Origin": "https://evil.example"})
    assert status.headers["access-control-allow-origin"] == "*"
    assert inbox.headers["access-control-allow-origin"] == "https://mail.example"
    assert inbox.headers["access-control-allow-credentials"] == "true"
    assert inbox.headers["x-version"] == "2"
    assert "for ada" in inbox.text
    assert "access-control-allow-origin" not in other.headers
