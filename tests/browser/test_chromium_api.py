"""Chromium's own ``WebSocket`` and ``EventSource`` against our routes.

The page is served from ``127.0.0.1``; ``localhost``, with the same port, is another origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from .conftest import Server

pytestmark = pytest.mark.browser

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve the routes."""
    started = Server("tests.browser.application")
    yield started
    started.kill()


def other(server: Server) -> str:
    return f"http://localhost:{server.port}"


SOCKET = """
(url, messages) => new Promise((resolve) => {
  const socket = new WebSocket(url, "chat"), received = [];
  socket.binaryType = "arraybuffer";
  socket.onopen = () => messages.forEach((m) => socket.send(m === null ? new Uint8Array(3) : m));
  socket.onmessage = ({ data }) => {
    received.push(typeof data === "string" ? data : `${data.byteLength} bytes`);
    if (received.length === messages.length) socket.close(3456, "enough");
  };
  socket.onclose = ({ code, reason, wasClean }) => resolve({
    received, code, reason, wasClean, protocol: socket.protocol, left: socket.bufferedAmount,
  });
})
"""


def run_socket(page: Page, url: str, messages: list[Any]) -> Any:
    return page.evaluate(f"([url, messages]) => ({SOCKET})(url, messages)", [url, messages])


def test_messages_of_both_kinds_from_an_allowed_origin(server: Server, visit: Visit) -> None:
    page = visit(other(server))
    messages = ["", "é…😀", None, "x" * 70_000]
    result = run_socket(page, f"ws://127.0.0.1:{server.port}/echo", messages)
    assert result == {
        "received": ["", "é…😀", "3 bytes", "x" * 70_000],
        "code": 3456,
        "reason": "enough",
        "wasClean": True,
        "protocol": "chat",
        "left": 0,
    }


def test_an_origin_that_is_not_allowed_is_refused(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    result = run_socket(page, f"ws://127.0.0.1:{server.port}/echo", ["x"])
    assert (result["received"], result["code"], result["wasClean"]) == ([], 1006, False)


CLOSE = """
(url) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onclose = ({ code, reason }) => resolve([code, reason]);
})
"""


def test_the_servers_close_code_and_reason_arrive(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    assert page.evaluate(CLOSE, f"ws://127.0.0.1:{server.port}/own") == [4321, "as agreed"]


def test_the_pages_close_code_and_reason_arrive(server: Server, visit: Visit) -> None:
    page = visit(server.url)
    script = """
    (url) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      socket.onopen = () => socket.close(3001, "façade");
      socket.onclose = ({ code }) => resolve(code);
    })
    """
    assert page.evaluate(script, f"ws://127.0.0.1:{server.port}/closed") == 3001
    page.wait_for_function(
        "async () => JSON.stringify(await (await fetch('/closed-with')).json()) "
        "=== JSON.stringify([3001, 'façade'])"
    )


EVENTS = """
([url, wanted]) => new Promise((resolve) => {
  const source = new EventSource(url), seen = [];
  let errors = 0;
  const end = () => { source.close(); resolve({ seen, errors }); };
  source.addEventListener("count", ({ data, lastEventId }) => {
    seen.push([JSON.parse(data).n, lastEventId]);
    if (seen.length === wanted) end();
  });
  source.onmessage = ({ data }) => { seen.push(data); if (seen.length === wanted) end(); };
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


@pytest.mark.parametrize("path", ["/", "/refused", "/nowhere", "/stop"])
def test_what_is_no_stream_is_not_tried_again(server: Server, visit: Visit, path: str) -> None:
    result = visit(server.url).evaluate(EVENTS, [path, 1])
    assert result == {"seen": [], "errors": 1, "closed": True}


def test_another_origin_reads_only_what_it_may(server: Server, visit: Visit) -> None:
    page = visit(other(server))
    here = f"http://127.0.0.1:{server.port}"
    assert page.evaluate(EVENTS, [f"{here}/events", 2])["seen"] == [[1, "1"], [2, "2"]]
    result = page.evaluate(EVENTS, [f"{here}/private", 1])
    assert result == {"seen": [], "errors": 1, "closed": True}
