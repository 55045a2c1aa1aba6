"""Chromium's own ``WebSocket`` and ``EventSource`` against our routes.

A neighbour on another port is another origin; the server lets its pages into two routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from .conftest import Server

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Server]:
    """Serve pages of another origin."""
    with Server("tests.browser.application") as server:
        yield server


@pytest.fixture(scope="module")
def server(neighbour: Server) -> Iterator[Server]:
    """Serve the routes."""
    with Server("tests.browser.application", neighbour.url) as server:
        yield server


SOCKET = """
([url, messages, copies]) => new Promise((resolve) => {
  const socket = new WebSocket(url, ["other", "chat"]), received = [];
  socket.binaryType = "arraybuffer";
  socket.onopen = () => messages.forEach(
    (m) => socket.send(typeof m === "string" ? m : new Uint8Array(m)));
  socket.onmessage = ({ data }) => {
    received.push(typeof data === "string" ? data : Array.from(new Uint8Array(data)));
    if (received.length === messages.length * copies) socket.close(3456, "enough");
  };
  socket.onclose = ({ code, reason, wasClean }) => resolve({
    received, code, reason, wasClean, protocol: socket.protocol, left: socket.bufferedAmount,
    extensions: socket.extensions,
  });
})
"""


def run_socket(page: Page, server: Server, path: str, messages: list[Any], copies: int = 1) -> Any:
    """Send text (``str``) and binary (a list of bytes) messages, and collect what comes back.

    ``copies`` says how many of each that is.
    """
    return page.evaluate(SOCKET, [server.url.replace("http", "ws") + path, messages, copies])


def test_messages_of_both_kinds_come_back_as_they_were(server: Server, visit: Visit) -> None:
    messages = ["", "é…😀\0\r\n", [], [0, 255, 128], "x" * 70_000, [7] * 70_000, "é…😀" * 99]
    assert run_socket(visit(server.url), server, "/echo", messages) == {
        "received": messages,
        "code": 3456,
        "reason": "enough",
        "wasClean": True,
        "protocol": "chat",
        "left": 0,
        "extensions": "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
    }


BITS = "; server_max_window_bits={0}; client_max_window_bits={0}"
FLAGS = "; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("name", "agreed"),
    [
        ("none", ""),
        ("narrow", "permessage-deflate" + BITS.format(9)),
        ("wide", "permessage-deflate; client_max_window_bits=15"),
        ("forgetful", "permessage-deflate" + FLAGS + BITS.format(12)),
        ("least", "permessage-deflate" + FLAGS + BITS.format(9)),
    ],
)
def test_compressed_messages_come_back_as_they_were(
    server: Server, visit: Visit, name: str, agreed: str
) -> None:
    page = visit(server.url)
    word = st.one_of(st.text(max_size=20), st.binary(max_size=20))
    message = st.builds(lambda part, count: part * count, word, st.sampled_from([1, 9, 400]))

    @settings(deadline=None, max_examples=12)
    @given(st.lists(message, min_size=1, max_size=8))
    def converse(messages: list[str | bytes]) -> None:
        sent = [part if isinstance(part, str) else list(part) for part in messages]
        result = run_socket(page, server, f"/compressed/{name}", sent, copies=2)
        assert result["received"] == [part for part in sent for _ in range(2)]
        assert (result["code"], result["extensions"]) == (3456, agreed)

    converse()


def test_a_page_of_another_origin_connects_where_it_may(
    server: Server, neighbour: Server, visit: Visit
) -> None:
    page = visit(neighbour.url, refusals=True)
    refused = run_socket(page, server, "/echo", ["x"])
    assert (refused["received"], refused["code"], refused["wasClean"]) == ([], 1006, False)
    allowed = run_socket(page, server, "/shared/echo", ["x"])
    assert (allowed["received"], allowed["code"], allowed["wasClean"]) == (["x"], 3456, True)


def test_an_origin_that_is_not_on_the_list_is_refused(server: Server, visit: Visit) -> None:
    page = visit(
        f"http://localhost:{server.port}", refusals=True
    )  # the same server by another name
    result = run_socket(page, server, "/shared/echo", ["x"])
    assert (result["received"], result["code"], result["wasClean"]) == ([], 1006, False)


def test_the_servers_close_code_and_reason_arrive(server: Server, visit: Visit) -> None:
    script = """
    () => new Promise((resolve) => {
      const socket = new WebSocket("/own");
      socket.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]);
    })
    """
    assert visit(server.url).evaluate(script) == [4321, "as agreed", True]


@pytest.mark.parametrize(
    ("name", "end", "seen"),
    [
        ("codes", "socket.close(3001, 'façade')", [3001, "façade"]),
        ("normal", "socket.close(1000)", [1000, ""]),
        ("bare", "socket.close()", [1005, ""]),
        ("navigation", "location = '/'", [1001, ""]),
    ],
)
def test_the_pages_end_of_a_socket_reaches_the_handler(
    server: Server, visit: Visit, name: str, end: str, seen: list[Any]
) -> None:
    visit(server.url).evaluate(
        "([name, end]) => { const socket = new WebSocket(`/closed/${name}`);"
        " socket.onopen = () => eval(end); }",
        [name, end],
    )
    visit(server.url).wait_for_function(
        "async ([name, seen]) => JSON.stringify(await (await fetch(`/closed-with/${name}`)).json())"
        " === JSON.stringify(seen)",
        arg=[name, seen],
    )


def test_a_message_over_the_limit_is_1009(server: Server, visit: Visit) -> None:
    script = """
    () => new Promise((resolve) => {
      const socket = new WebSocket("/echo");
      socket.onopen = () => socket.send(new Uint8Array((1 << 20) + 1));
      socket.onclose = ({ code, wasClean }) => resolve([code, wasClean]);
    })
    """
    assert visit(server.url).evaluate(script) == [1009, True]


def test_what_waits_in_the_browser_drains(server: Server, visit: Visit) -> None:
    script = """
    () => new Promise((resolve) => {
      const socket = new WebSocket("/echo"), waiting = [], megabyte = new Uint8Array(1 << 20);
      socket.binaryType = "arraybuffer";
      let received = 0;
      socket.onopen = () => {
        for (let i = 0; i < 16; i += 1) {
          socket.send(megabyte);
          waiting.push(socket.bufferedAmount);
        }
      };
      socket.onmessage = ({ data }) => {
        received += data.byteLength;
        if (received === megabyte.length * 16) resolve([waiting.at(-1), socket.bufferedAmount]);
      };
    })
    """
    assert visit(server.url).evaluate(script) == [16 << 20, 0]


EVENTS = """
([url, wanted]) => new Promise((resolve) => {
  const source = new EventSource(url), seen = [];
  let errors = 0;
  const see = (entry) => {
    seen.push(entry);
    if (seen.length < wanted) return;
    source.close();
    resolve({ seen, errors });
  };
  source.addEventListener("count",
    ({ data, lastEventId }) => see([JSON.parse(data).n, lastEventId]));
  source.onmessage = ({ data, lastEventId }) => see([data, lastEventId]);
  source.onerror = () => {
    errors += 1;
    if (source.readyState === EventSource.CLOSED) resolve({ seen, errors, closed: true });
  };
})
"""


def test_a_stream_that_ends_goes_on_after_its_last_event(server: Server, visit: Visit) -> None:
    result = visit(server.url).evaluate(EVENTS, ["/events", 5])
    assert result["seen"] == [[value, str(value)] for value in range(1, 6)]
    assert result["errors"] == 2  # the two ends of a stream before the fifth event


def test_the_page_waits_for_as_long_as_retry_says(server: Server, visit: Visit) -> None:
    # Without it both would wait for the same time, and the first would be first again.
    script = """
    () => new Promise((resolve) => {
      const order = [];
      const see = (name) => order.push(name) === 5 && resolve(order);
      const patient = new EventSource("/retry/60000");
      patient.onmessage = () => see("patient");
      patient.onerror = () => {
        new EventSource("/retry/20").onmessage = () => see("quick");
      };
    })
    """
    assert visit(server.url).evaluate(script) == ["patient", *["quick"] * 4]


def test_lines_and_ids_beyond_ascii_survive_the_round_trip(server: Server, visit: Visit) -> None:
    result = visit(server.url).evaluate(EVENTS, ["/text", 2])
    assert result["seen"] == [[" two\nlines\n", "é…😀"], ["é…😀", "é…😀"]]


@pytest.mark.parametrize("path", ["/", "/refused", "/nowhere", "/stop"])
def test_what_is_no_stream_is_not_tried_again(server: Server, visit: Visit, path: str) -> None:
    result = visit(server.url, refusals=True).evaluate(EVENTS, [path, 1])
    assert result == {"seen": [], "errors": 1, "closed": True}


def test_a_page_of_another_origin_reads_only_what_it_may(
    server: Server, neighbour: Server, visit: Visit
) -> None:
    page = visit(neighbour.url, refusals=True)
    shared = page.evaluate(EVENTS, [f"{server.url}/shared/events", 3])
    assert shared["seen"] == [[1, "1"], [2, "2"], [3, "3"]]
    private = page.evaluate(EVENTS, [f"{server.url}/events", 1])
    assert private == {"seen": [], "errors": 1, "closed": True}


def test_an_origin_that_is_not_on_the_list_reads_nothing(server: Server, visit: Visit) -> None:
    page = visit(f"http://localhost:{server.port}", refusals=True)
    result = page.evaluate(EVENTS, [f"{server.url}/shared/events", 1])
    assert result == {"seen": [], "errors": 1, "closed": True}
