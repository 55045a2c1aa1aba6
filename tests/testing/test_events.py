"""Event streams of the test client: events, comments, reconnection, leaving, and refusals."""

from __future__ import annotations

import asyncio

import pytest

from fasterapi import App, ServerSentEvent, SSEConnection
from fasterapi.testing import AsyncTestClient, ClockedLoop, Refused, StreamEnded, TestClient

from .application import STREAM_CRASHES, STREAMS, Crash


@pytest.mark.parametrize("path", STREAMS)
def test_events_of_each_style_of_handler(c: TestClient, path: str) -> None:
    with c.events(path) as stream:
        first = stream.receive(timeout=5)
        assert first.data == '{"number":0}'
        assert [event.data for event in stream] == ['{"number":1}', '{"number":2}']
        with pytest.raises(StreamEnded, match=f"GET {path} ended after 3 events"):
            stream.receive()
        stream.wait_ended()
        assert stream.wait_response().headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.body.count(b"\n\n") == 3


def test_the_fields_of_an_event(c: TestClient) -> None:
    with c.events("/async-stream") as stream:
        assert stream.receive() == ServerSentEvent('{"number":0}', "count", "0")
        stream.wait_ended()
        assert stream.last_event_id == "2"
        assert stream.retry is None


def test_the_same_awaited(app: App) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app) as c:
            for path in STREAMS:
                async with c.events(path) as stream:
                    assert [event.data async for event in stream][2:] == ['{"number":2}']
            stream = await c.events("/members", method="POST", json={"a": 1})
            assert (await stream.receive()).data == '{"a":1}'
            await stream.close()

    asyncio.run(scenario())


def test_sleep_goes_by_the_clock(c: TestClient) -> None:
    with c.events("/ticks", last_event_id="7") as stream:
        assert stream.receive().id == "7"
        c.clock.advance(59)
        with pytest.raises(TimeoutError, match="200, open; 1 events; the last bytes: "):
            stream.receive(timeout=0.001)
        c.clock.advance(121.5)
        assert [stream.receive().data for _ in range(3)] == ["8", "9", "10"]


@pytest.mark.parametrize("turns", [0, 11, 12, 50])
def test_a_handler_may_take_its_turns_between_two_deadlines(turns: int) -> None:
    """From a bug: the clock went on while a handler was still on its way to the next deadline."""
    app = App()

    @app.sse("/")
    async def ticks(sse: SSEConnection) -> None:
        while True:
            await asyncio.sleep(1)
            for _ in range(turns):
                await asyncio.sleep(0)
            await sse.send("tick")

    with TestClient(app) as c, c.events("/") as stream:
        c.clock.advance(5.5)
        assert stream.body.count(b"tick") == 5


def test_silence_is_broken_by_comments(c: TestClient) -> None:
    with c.events("/ticks") as stream:
        stream.receive()
        c.clock.advance(15)
        assert stream.comments == [""]
        c.clock.advance(29.9)
        assert stream.comments == ["", ""]
        c.clock.advance(0.1)
        assert stream.comments == ["", "", ""]


@pytest.mark.parametrize("path", ["/quiet", "/quiet-def"])
def test_a_stream_without_events_begins_a_little_later(app: App, path: str) -> None:
    with TestClient(app, grace=0.01) as c, c.events(path) as stream:
        with pytest.raises(TimeoutError, match="no response: it begins with the first event"):
            stream.wait_response(timeout=0.01)
        c.clock.advance(0.5)
        assert stream.wait_response().status == 200


def test_leaving_cancels_the_handler(c: TestClient) -> None:
    with c.events("/ticks") as stream:
        stream.receive()
        assert c.app.state.cancelled == []
    assert c.app.state.cancelled == ["ticks"]
    assert stream.is_lost


def test_leaving_is_seen_by_a_thread(c: TestClient) -> None:
    with c.events("/quiet-def"):
        pass
    assert c.app.state.cancelled == ["quiet-def"]


def test_a_connection_that_is_lost(c: TestClient) -> None:
    with c.events("/ticks") as stream:
        stream.receive()
        stream.drop()
        with pytest.raises(StreamEnded):
            stream.receive()
    assert c.app.state.cancelled == ["ticks"]


def test_a_test_that_fails_leaves_at_once(c: TestClient) -> None:
    with pytest.raises(KeyError), c.events("/ticks"):
        raise KeyError("the test's own")
    assert c.app.state.cancelled == ["ticks"]


@pytest.mark.parametrize("path", ["/members", "/members-def"])
def test_a_refusal(c: TestClient, path: str) -> None:
    with (  # a thread may refuse a moment later
        pytest.raises(Refused, match=f"GET {path} is no event stream: 403 Forbidden: members") as e,
        c.events(path) as stream,
    ):
        stream.receive()
    assert e.value.response.text.strip() == "members only"


@pytest.mark.parametrize("path", ["/members", "/", "/nowhere"])
def test_a_refusal_that_nobody_waited_for(c: TestClient, path: str) -> None:
    with pytest.raises(Refused), c.events(path):
        pass


def test_a_refusal_may_be_what_a_test_wants(c: TestClient) -> None:
    with c.events("/members-def") as stream:
        assert stream.wait_response().status == 403


@pytest.mark.parametrize("path", STREAM_CRASHES)
def test_what_a_handler_raises_is_raised_behind_its_events(c: TestClient, path: str) -> None:
    with pytest.raises(Crash), c.events(path) as stream:  # by the first to meet it
        assert stream.receive().data == "before"
        stream.wait_ended()
    assert stream.body == b"data: before\n\n"


@pytest.mark.parametrize("path", STREAM_CRASHES)
def test_without_raising_a_stream_just_ends(app: App, path: str) -> None:
    with TestClient(app, raise_server_exceptions=False) as c, c.events(path) as stream:
        assert [event.data for event in stream] == ["before"]


def test_a_clocked_loop_for_async_tests(app: App) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app) as c, c.events("/ticks") as stream:
            await c.clock.advance(300)
            assert [(await stream.receive()).data for _ in range(6)] == list("012345")

    with asyncio.Runner(loop_factory=ClockedLoop) as runner:
        runner.run(scenario())


def test_a_stream_that_is_taken_slowly(c: TestClient) -> None:
    with c.events("/ticks") as stream:
        stream.receive()
        stream.pause()
        c.clock.advance(60)
        assert stream.unsent > 0
        stream.resume()
        assert stream.unsent == 0
        assert stream.receive().data == "1"
