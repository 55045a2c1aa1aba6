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


def front(page: Page) -> Page:
    """Have a page in front of the others: behind them a click waits for a frame a second."""
    page.bring_to_front()
    return page


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


def test_the_echo_takes_bytes_and_a_thousand_messages_at_once(demo: Server, visit: Visit) -> None:
    page = visit(f"{demo.url}/websocket")
    connect(page, "echo")
    page.get_by_test_id("echo-binary").check()
    page.get_by_test_id("echo-input").fill("é")
    page.get_by_test_id("echo-input").press("Enter")
    expect(page.get_by_test_id("echo-log")).to_contain_text("Echo: é  (8 bytes)")
    page.get_by_test_id("echo-burst").click()
    expect(page.get_by_test_id("echo-log")).to_contain_text("1,000 echoes in")


def test_a_dropped_socket_comes_back_and_a_disconnected_one_does_not(
    demo: Server, visit: Visit
) -> None:
    page = visit(f"{demo.url}/websocket")
    connect(page, "echo", "ping", "counter")
    for name in ("ping", "counter"):
        page.get_by_test_id(f"{name}-disconnect").click()
        state(page, name, "closed")
        expect(page.get_by_test_id(f"{name}-disconnect")).to_be_disabled()
    page.get_by_test_id("echo-drop").click()
    state(page, "echo", "reconnecting")
    state(page, "echo", "open")
    for name in ("ping", "counter"):
        state(page, name, "closed")
        page.get_by_test_id(f"{name}-connect").click()
        state(page, name, "open")


def test_the_latency_is_measured_by_both_sides(demo: Server, visit: Visit) -> None:
    page = visit(f"{demo.url}/websocket")
    connect(page, "ping")
    for name in ("ping-latency", "ping-roundtrip"):
        expect(page.get_by_test_id(name)).to_have_text(re.compile(r"\d"))


def test_two_pages_share_the_counter(demo: Server, visit: Visit) -> None:
    first, second = visit(f"{demo.url}/websocket"), visit(f"{demo.url}/websocket")
    for page in (first, second):
        connect(page, "counter")
    front(first).get_by_test_id("counter-reset").click()
    first.get_by_test_id("counter-increment").click()
    front(second).get_by_test_id("counter-increment").click()
    for page in (first, second):
        expect(page.get_by_test_id("counter-value")).to_have_text("2")


def test_websockets_come_back_after_the_server_was_killed(mortal: Server, visit: Visit) -> None:
    page = visit(f"{mortal.url}/websocket", refusals=True)
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
    for name in STREAMS:
        page.get_by_test_id(f"{name}-disconnect").click()
        state(page, name, "closed")
    # Who connects anew has seen nothing yet.
    page.get_by_test_id("counter-connect").click()
    expect(page.get_by_test_id("counter-value")).to_have_text("1")
    expect(page.get_by_test_id("counter-resumed")).to_be_empty()


def test_event_streams_come_back_where_they_were(mortal: Server, visit: Visit) -> None:
    page = visit(f"{mortal.url}/sse", refusals=True)
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
    front(ann).get_by_test_id("chat-input").fill("anybody here?")
    ann.get_by_test_id("chat-send").click()
    expect(bob.get_by_test_id("chat-log")).to_contain_text("anybody here?")
    front(eve).get_by_test_id("chat-input").fill("only me")
    eve.get_by_test_id("chat-send").click()
    expect(eve.get_by_test_id("chat-log")).to_contain_text("only me")
    expect(eve.get_by_test_id("chat-log")).not_to_contain_text("anybody here?")


def sit(page: Page, nickname: str) -> None:
    front(page).get_by_test_id("chat-nickname").fill(nickname)
    page.get_by_test_id("chat-nickname").press("Enter")
    expect(page.get_by_test_id("chat-people")).to_contain_text(nickname)


def test_a_room_shows_who_is_there_who_writes_and_what_was_said(demo: Server, visit: Visit) -> None:
    ada = visit(f"{demo.url}/chat#attic")
    sit(ada, "Ada")
    ada.get_by_test_id("chat-input").fill("first")
    ada.get_by_test_id("chat-send").click()
    bob = visit(f"{demo.url}/chat#attic")
    expect(bob.get_by_test_id("chat-log")).to_contain_text("first")  # said before they came
    sit(bob, "Bob")
    expect(ada.get_by_test_id("chat-log").get_by_text("Bob has joined")).to_have_count(1)
    expect(ada.get_by_test_id("chat-people").locator("li")).to_have_text(["Ada", "Bob"])
    front(ada).get_by_test_id("chat-input").press_sequentially("sec")
    expect(bob.get_by_test_id("chat-typing")).to_have_text("Ada is writing…")
    ada.close()
    expect(bob.get_by_test_id("chat-log")).to_contain_text("Ada has left")
    expect(bob.get_by_test_id("chat-people").locator("li")).to_have_text(["Bob"])


def test_a_change_of_rooms_is_one_of_company(demo: Server, visit: Visit) -> None:
    page, other = visit(f"{demo.url}/chat#lobby"), visit(f"{demo.url}/chat#lobby")
    sit(page, "Cyd")
    page.get_by_test_id("chat-rooms").get_by_text("music").click()
    expect(page.get_by_test_id("chat-title")).to_have_text("music")
    expect(page).to_have_url(re.compile("#music$"))
    expect(page.get_by_test_id("chat-people").locator("li")).to_have_text(["Cyd"])
    expect(other.get_by_test_id("chat-log")).to_contain_text("Cyd has left")
    page.get_by_test_id("chat-disconnect").click()
    state(page, "chat", "closed")
    expect(page.get_by_test_id("chat-send")).to_be_disabled()


def test_the_chat_and_the_front_page_come_back_after_the_server_was_killed(
    mortal: Server, visit: Visit
) -> None:
    home = visit(mortal.url, refusals=True)
    chat = visit(f"{mortal.url}/chat#tower", refusals=True)
    sit(chat, "Dan")
    places = [(home, "clock"), (home, "echo"), (chat, "chat")]
    for page, name in places:
        state(page, name, "open")
    mortal.kill()
    for page, name in places:
        state(page, name, "reconnecting")
    expect(chat.get_by_test_id("chat-people").locator("li")).to_have_count(0)
    mortal.start()
    for page, name in places:
        state(page, name, "open")
    expect(chat.get_by_test_id("chat-people").locator("li")).to_have_text(["Dan"])
    chat.get_by_test_id("chat-input").fill("back again")
    chat.get_by_test_id("chat-send").click()
    expect(chat.get_by_test_id("chat-log")).to_contain_text("back again")


def test_the_front_page_is_live(demo: Server, visit: Visit) -> None:
    page = visit(demo.url)
    for name in ("clock", "echo"):
        state(page, name, "open")
    expect(page.get_by_test_id("echo-roundtrip")).to_have_text(re.compile(r"\d"))
    clock = page.get_by_test_id("clock-value")
    expect(clock).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    expect(clock).not_to_have_text(clock.inner_text())
    for name in ("sse", "websocket", "chat"):
        page.get_by_test_id(f"link-{name}").click()
        expect(page).to_have_url(re.compile(f"/{name}(#.*)?$"))
        page.get_by_role("link", name="fasterapi").click()
        expect(page).to_have_url(f"{demo.url}/")


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
