"""The programs of docs/sse.md, read by a client that nobody here wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse

from .snippets import SNIPPETS, Site, eventually, load, running


@pytest.fixture(autouse=True)
def _no_crashes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let no handler of a page end with a traceback."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def talk(name: str, scenario: Callable[[Site], Awaitable[None]]) -> None:
    """Serve a snippet and run a client's side."""

    async def run() -> None:
        async with running(name) as site:
            await scenario(site)

    asyncio.run(run())


@asynccontextmanager
async def opened(
    site: Site, path: str, method: str = "GET", **options: Any
) -> AsyncIterator[EventSource]:
    async with (
        httpx.AsyncClient() as client,
        aconnect_sse(client, method, site.http(path), **options) as source,
    ):
        yield source


async def events(source: EventSource, number: int | None = None) -> list[ServerSentEvent]:
    """Read so many events, or all that there are."""
    found: list[ServerSentEvent] = []
    async for event in source.aiter_sse():
        found.append(event)
        if len(found) == number:
            break
    return found


@pytest.mark.parametrize("name", ["clock", "clock_def"])
def test_a_clock(name: str) -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, "/clock") as source:
            headers = source.response.headers
            assert headers["content-type"] == "text/event-stream; charset=utf-8"
            assert headers["cache-control"] == "no-store"
            assert headers["x-accel-buffering"] == "no"
            (event,) = await events(source, 1)
            assert event.event == "message"
            assert event.json()["time"].endswith("+00:00")

    talk(name, scenario)


def test_the_first_page() -> None:
    async def scenario(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.get(site.http("/"))
        assert 'new EventSource("/clock")' in response.text

    talk("clock", scenario)


def test_the_fields_of_an_event() -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, "/fields") as source:
            first, second, third, fourth = await events(source, 4)
        assert first.data == "a str goes as it is\nwith its lines"
        assert second.json() == {"anything": "else goes as JSON"}
        assert third.event == "news"
        assert fourth.id == "17"

    async def raw(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.get(site.http("/fields"))
        assert response.text.endswith("\n\nretry: 5000\n\n: ignored by every client\n\n")

    talk("events", scenario)
    talk("events", raw)


def test_a_stream_with_an_end() -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, "/countdown/3") as source:
            found = await events(source)
        assert [event.data for event in found] == ["3", "2", "1", ""]
        assert found[-1].event == "end"

    talk("events", scenario)


def test_an_async_generator() -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, "/primes") as source:
            assert [event.data for event in await events(source, 4)] == ["2", "3", "5", "7"]

    talk("generators", scenario)


def test_a_generator() -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, "/log") as source:
            found = await events(source)
        assert [(event.event, event.data, event.id) for event in found] == [
            ("line", f"line {number}", str(number)) for number in range(3)
        ]

    talk("generators", scenario)


def test_going_on_where_a_client_stopped() -> None:
    async def scenario(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            for text in ("one", "two", "three"):
                assert (await client.post(site.http("/messages"), content=text)).status_code == 204
        async with opened(site, "/messages", headers={"Last-Event-ID": "1"}) as source:
            found = await events(source, 2)
            assert [(event.id, event.data) for event in found] == [("2", "two"), ("3", "three")]

    talk("resume", scenario)


@pytest.mark.parametrize("last", [None, "no number", "9" * 5000])
def test_messages_from_the_first_one(last: str | None) -> None:
    async def scenario(site: Site) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        site.module.history.append("early")
        async with opened(site, "/messages", headers=headers) as source:
            reader = source.aiter_sse()
            assert (await anext(reader)).data == "early"
            site.module.history.append("late")
            assert (await anext(reader)).data == "late"

    talk("resume", scenario)


def test_news_for_everybody() -> None:
    async def scenario(site: Site) -> None:
        async def read() -> str:
            async with opened(site, "/news") as source:
                (event,) = await events(source, 1)
                return event.data

        async with asyncio.TaskGroup() as tasks, httpx.AsyncClient() as client:
            readers = [tasks.create_task(read()) for _ in range(2)]
            await eventually(lambda: len(site.module.queues) == 2)
            await client.post(site.http("/news"), content="hello")
        assert [reader.result() for reader in readers] == ["hello", "hello"]
        await eventually(lambda: not site.module.queues)

    talk("feed", scenario)


def test_a_slow_reader_misses_the_oldest_news() -> None:
    async def scenario(site: Site) -> None:
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=2)
        site.module.queues.add(queue)
        async with httpx.AsyncClient() as client:
            for text in "abc":
                await client.post(site.http("/news"), content=text)
        assert [queue.get_nowait() for _ in range(queue.qsize())] == ["b", "c"]

    talk("feed", scenario)


def test_an_answer_to_a_post() -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, "/answer", "POST", json={"question": "Why?"}) as source:
            found = [event.json() for event in await events(source)]
        assert found == [{"word": "You"}, {"word": "asked:"}, {"word": "Why?"}, {"done": True}]

    talk("answers", scenario)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"3"])
def test_a_post_that_makes_no_sense(content: bytes) -> None:
    async def scenario(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.post(site.http("/answer"), content=content)
        assert response.status_code == 422
        assert response.text == 'send JSON such as {"question": "Why?"}\n'

    talk("answers", scenario)


def test_a_post_that_is_no_json() -> None:
    async def scenario(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.post(site.http("/answer"), content=b"no json")
        assert response.status_code == 400

    talk("answers", scenario)


def test_a_method_that_a_stream_does_not_answer() -> None:
    async def scenario(site: Site) -> None:
        async with httpx.AsyncClient() as client:
            response = await client.get(site.http("/answer"))
        assert response.status_code == 405
        assert response.headers["allow"] == "POST, OPTIONS"

    talk("answers", scenario)


@pytest.mark.parametrize("path", ["/watch/ada", "/poll/ada", "/rows/ada"])
def test_cleaning_up_behind_a_client(path: str) -> None:
    async def scenario(site: Site) -> None:
        async with opened(site, path) as source:
            await events(source, 1)
            assert site.module.watching == {"ada"}
        await eventually(lambda: not site.module.watching)

    talk("leaving", scenario)


def test_pages_of_other_origins() -> None:
    async def scenario(site: Site) -> None:
        page = {"Origin": "https://mail.example"}
        async with httpx.AsyncClient() as client:
            status = await client.get(site.http("/status"), headers=page)
            inbox = await client.get(site.http("/inbox"), headers={**page, "Cookie": "user=ada"})
            other = await client.get(
                site.http("/inbox"), headers={"Origin": "https://evil.example"}
            )
        assert status.headers["access-control-allow-origin"] == "*"
        assert inbox.headers["access-control-allow-origin"] == "https://mail.example"
        assert inbox.headers["access-control-allow-credentials"] == "true"
        assert inbox.headers["x-version"] == "2"
        assert "for ada" in inbox.text
        assert "access-control-allow-origin" not in other.headers

    talk("cross_origin", scenario)


def test_the_test_that_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SNIPPETS)
    load(SNIPPETS / "test_clock.py").test_clock()
