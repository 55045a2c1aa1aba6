"""The demo pages in Chromium: live, and live again after the server was killed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from .conftest import Server

pytestmark = pytest.mark.browser

expect.set_options(timeout=15_000)
Visit = Callable[..., Page]

STREAMS = ("counter", "clock", "stocks", "notifications")
LIVE = {  # what connects by itself on each page
    "/": ("clock", "echo"),
    "/websocket": ("echo", "ping", "counter"),
    "/sse": STREAMS,
    "/chat": ("chat",),
}


@pytest.fixture(scope="module")
def demo() -> Iterator[Server]:
    """Serve the demo."""
    with Server("fasterapi", "demo") as server:
        yield server


@pytest.fixture
def mortal() -> Iterator[Server]:
    """Serve the demo for one test that kills it."""
    with Server("fasterapi", "demo") as server:
        yield server


def state(page: Page, name: str, wanted: str) -> None:
    expect(page.get_by_test_id(f"{name}-state")).to_have_attribute("data-state", wanted)


def connect(page: Page, *names: str) -> None:
    """Connect what does not connect by itself."""
    for name in names:
        button = page.get_by_test_id(f"{name}-connect")
        if page.get_by_test_id(f"{name}-state").get_attribute("data-state") == "closed":
            button.click()
        state(page, name, "open")


def test_the_echo_connects_answers_and_disconnects(demo: Server, visit: Visit) -> None:
    page = visit(f"{demo.url}/websocket")
    connect(page, "echo")
    page.get_by_test_id("echo-input").fill("héllo")
    page.get_by_test_id("echo-send").click()
    expect(page.get_by_test_id("echo-log")).to_contain_text("Echo: héllo")
    page.get_by_test_id("echo-disconnect").click()
    state(page, "echo", "closed")


def test_the_latency_is_measured_by_both_sides(demo: Server, visit: Visit) -> None:
    page = visit(f"{demo.url}/websocket")
    connect(page, "ping")
    for name in ("ping-latency", "ping-roundtrip"):
        expect(page.get_by_test_id(name)).to_have_text(re.compile(r"\d"))


def test_two_pages_share_the_counter(demo: Server, visit: Visit) -> None:
    first, second = visit(f"{demo.url}/websocket"), visit(f"{demo.url}/websocket")
    for page in (first, second):
        connect(page, "counter")
    first.get_by_test_id("counter-reset").click()
    first.get_by_test_id("counter-increment").click()
    second.get_by_test_id("counter-increment").click()
    for page in (first, second):
        expect(page.get_by_test_id("counter-value")).to_have_text("2")


def test_websockets_come_back_after_the_server_was_killed(mortal: Server, visit: Visit) -> None:
    page = visit(f"{mortal.url}/websocket")
    connect(page, "echo", "counter")
    mortal.kill()
    for name in ("echo", "counter"):
        state(page, name, "reconnecting")
    mortal.start()
    for name in ("echo", "counter"):
        state(page, name, "open")
    page.get_by_test_id("echo-input").fill("still there?")
    page.get_by_test_id("echo-send").click()
    expect(page.get_by_test_id("echo-log")).to_contain_text("Echo: still there?")


def test_the_four_streams_are_live(demo: Server, visit: Visit) -> None:
    page = visit(f"{demo.url}/sse")
    connect(page, *STREAMS)
    expect(page.get_by_test_id("clock-value")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    expect(page.get_by_test_id("stocks-price-OAK")).to_have_text(re.compile(r"\d+\.\d\d"))
    expect(page.get_by_test_id("notifications-list").locator("li").first).to_be_visible()
    expect(page.get_by_test_id("notifications-last-id")).to_have_text(re.compile(r"^\d+$"))
    for name in STREAMS:  # more than the first event
        expect(page.get_by_test_id(f"{name}-events")).to_have_text(re.compile(r"^([2-9]|\d\d+)$"))
    page.get_by_test_id("stocks-disconnect").click()
    state(page, "stocks", "closed")


def test_event_streams_come_back_where_they_were(mortal: Server, visit: Visit) -> None:
    page = visit(f"{mortal.url}/sse")
    connect(page, *STREAMS)
    last_id = page.get_by_test_id("counter-last-id")
    expect(last_id).to_have_text(re.compile(r"^([3-9]|\d\d+)$"))
    mortal.kill()
    for name in STREAMS:
        state(page, name, "reconnecting")
    seen = int(last_id.inner_text())
    mortal.start()
    for name in STREAMS:
        state(page, name, "open")
    expect(page.get_by_test_id("counter-resumed")).to_have_text(f"resumed after {seen}")
    # A page that was sent an event twice, or missed one, has got another number of them.
    names = ["counter-last-id", "counter-value", "counter-events"]
    texts = page.evaluate(
        "(names) => names.map((n) => document.querySelector(`[data-testid=${n}]`).textContent)",
        names,
    )
    assert int(texts[0]) > seen
    assert len(set(texts)) == 1


def test_a_room_hears_what_is_said_in_it_and_no_other(demo: Server, visit: Visit) -> None:
    ann, bob, eve = (visit(f"{demo.url}/chat#{room}") for room in ("garden", "garden", "cellar"))
    for page in (ann, bob, eve):
        state(page, "chat", "open")
    ann.get_by_test_id("chat-input").fill("anybody here?")
    ann.get_by_test_id("chat-send").click()
    expect(bob.get_by_test_id("chat-log")).to_contain_text("anybody here?")
    eve.get_by_test_id("chat-input").fill("only me")
    eve.get_by_test_id("chat-send").click()
    expect(eve.get_by_test_id("chat-log")).to_contain_text("only me")
    expect(eve.get_by_test_id("chat-log")).not_to_contain_text("anybody here?")


def test_the_front_page_is_live(demo: Server, visit: Visit) -> None:
    page = visit(demo.url)
    for name in ("clock", "echo"):
        state(page, name, "open")
    expect(page.get_by_test_id("echo-roundtrip")).to_have_text(re.compile(r"\d"))
    page.get_by_test_id("link-sse").click()
    expect(page).to_have_url(re.compile("/sse$"))


@pytest.mark.parametrize("path", LIVE)
def test_pages_fit_a_phone(demo: Server, visit: Visit, path: str) -> None:
    page = visit(demo.url + path, width=360)
    for name in LIVE[path]:
        state(page, name, "open")
    for details in page.locator("summary").all():
        details.click()
    widths = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert widths == [360, 360]
