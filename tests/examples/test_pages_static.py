"""The demo pages as text: well-formed, self-contained, labelled, with the hooks tests rely on."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest

from fasterapi.examples.page import EXAMPLES, PAGES, load, source

LIVE = ("state", "connect", "disconnect")
STREAM = (*LIVE, "last-id", "events")


def hooks(name: str, *parts: str) -> set[str]:
    return {f"{name}-{part}" for part in parts}


HOOKS = {
    "front.html": {"link-websocket", "link-sse", "link-chat"}
    | hooks("clock", "state", "value", "seconds")
    | hooks("echo", "state", "roundtrip", "spark"),
    "websocket.html": {"connection-log", "log-clear"}
    | hooks("echo", *LIVE, "drop", "log", "form", "input", "send", "binary", "burst")
    | hooks("ping", *LIVE, "latency", "latency-spark", "roundtrip", "roundtrip-spark")
    | hooks("counter", *LIVE, "value", "pages", "increment", "decrement", "reset"),
    "sse.html": {"connection-log", "log-clear", "log-events"}
    | hooks("counter", *STREAM, "value", "resumed")
    | hooks("clock", *STREAM, "value", "delay", "seconds")
    | hooks("stocks", *STREAM, "table", "rows")
    | hooks("notifications", *STREAM, "list"),
    "chat.html": {"connection-log"}
    | hooks("chat", *LIVE, "title", "log", "form", "input", "send", "typing", "people")
    | hooks("chat", "nickname", "room", "rooms", "room-form", "seat"),
}

VOID = {"meta", "link", "img", "input", "br", "hr", "path"}


class Page(HTMLParser):
    """A page's elements in order, as tag and attributes; an element left open is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.names: list[str] = []  # the text of each element, or its aria-label
        self.open: list[tuple[str, int]] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self.names.append(attributes.get("aria-label", ""))
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for _, index in self.open:
            self.names[index] += data

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]

    def of(self, *tags: str) -> list[tuple[dict[str, str], str]]:
        pairs = zip(self.elements, self.names, strict=True)
        return [(attributes, name) for (tag, attributes), name in pairs if tag in tags]


@pytest.fixture(params=sorted(HOOKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(name: str) -> Page:
    return Page(load(name))


def test_every_page_has_its_hooks_listed() -> None:
    assert {path.name for path in PAGES.glob("*.html")} == set(HOOKS)


def test_the_hooks_are_there_once_each(name: str, page: Page) -> None:
    found = page.values("data-testid")
    assert len(found) == len(set(found))
    assert HOOKS[name] == set(found)


def test_the_script_looks_for_hooks_that_are_there(page: Page) -> None:
    wanted = set(re.findall(r'\$\("([\w-]+)"\)', page.text))
    assert wanted
    assert wanted <= set(page.values("data-testid"))


def test_the_head_says_language_encoding_viewport_and_title(page: Page) -> None:
    assert page.text.startswith("<!doctype html>")
    assert page.of("html")[0][0]["lang"] == "en"
    assert page.of("title")[0][1]
    metas = [attributes for attributes, _ in page.of("meta")]
    assert {"charset": "utf-8"} in metas
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas


def test_nothing_is_fetched_from_elsewhere(page: Page) -> None:
    assert not re.search(r"\b(https?|wss?):/", page.text)
    assert not re.search(r"@import|\burl\(", page.text)
    for attribute in ("href", "src", "action", "srcset", "poster"):
        for value in page.values(attribute):
            assert re.match(r"/(?!/)|data:image/svg\+xml;base64,", value), value


def test_everything_that_a_page_names_is_inlined(page: Page) -> None:
    links = [attributes["rel"] for attributes, _ in page.of("link")]
    assert links == ["icon"]
    assert all(not attributes for attributes, _ in page.of("script"))
    assert "<!-- source" not in page.text


def test_the_sources_on_a_page_are_the_ones_that_run(page: Page) -> None:
    examples = [path.read_text("utf-8") for path in EXAMPLES.glob("*.py")]
    blocks = re.findall(r'<pre class="source[^>]*>(.*?)</pre>', page.text, re.DOTALL)
    assert blocks
    for function in (part for block in blocks for part in html.unescape(block).split("\n\n")):
        assert any(function.strip() in example for example in examples), function


def test_light_and_dark_and_reduced_motion_are_provided_for(page: Page) -> None:
    style = "".join(text for _, text in page.of("style"))
    assert "color-scheme: light dark" in style
    assert "prefers-color-scheme: dark" in style
    assert "prefers-reduced-motion: reduce" in style
    assert ":focus-visible" in style


def test_references_between_elements_hold(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert set(page.values("for")) | set(page.values("aria-labelledby")) <= set(ids)


def test_every_control_has_a_name(page: Page) -> None:
    assert all(text.strip() for _, text in page.of("button", "a", "summary", "label"))
    labelled = set(page.values("for"))
    for attributes, _ in page.of("input"):
        if attributes["type"] != "checkbox":  # those stand inside their label
            assert attributes["id"] in labelled
    assert all("alt" in attributes for attributes, _ in page.of("img"))


def test_states_are_announced_and_start_closed(page: Page) -> None:
    states = [
        attributes
        for _, attributes in page.elements
        if attributes.get("data-testid", "").endswith("-state")
    ]
    assert states
    assert all(state["role"] == "status" for state in states)
    assert all(state["data-state"] == "closed" for state in states)


def test_source_takes_the_decorators_too() -> None:
    assert source("websocket_demo.py", "echo").startswith('@app.websocket("/ws/echo")\nasync def')


def test_source_of_an_unknown_function_is_an_error() -> None:
    with pytest.raises(LookupError, match="no function 'nobody'"):
        source("chat.py", "nobody")
