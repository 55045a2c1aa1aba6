"""A real Chromium, and servers that can be killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Self

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# What Chromium writes to the console when a server is gone or says no.
REFUSALS = (
    "WebSocket connection to", "Failed to load resource", "EventSource's response has",
    "blocked by CORS policy",
)  # fmt: skip


class Server:
    """A server in a process of its own; its port stays the same when it is started again.

    Args:
        module: What ``python -m`` runs.
        args: Its arguments; ``--port`` and a free port are added.
    """

    def __init__(self, module: str, *args: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", module, *args, "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        process = self._process = subprocess.Popen(self._command)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert process.poll() is None, "the server ended; its output says why"
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the server does not listen")

    def kill(self) -> None:
        """End it without a goodbye, by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Give a headless Chromium.

    Its end is the end of this folder's tests and not of the session: until then Playwright runs an
    event loop in this thread, and ``asyncio.run`` can't.
    """
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGS)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Give a fresh profile; its connections end with the test."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a page.

    An uncaught error on one fails the test, and so does what its console complains about;
    ``refusals`` are the complaints of connections that fail.
    """
    errors: list[str] = []

    def open_page(url: str, *, width: int = 1280, refusals: bool = False) -> Page:
        def look(message: ConsoleMessage) -> None:
            refusal = refusals and any(part in message.text for part in REFUSALS)
            if message.type in ("error", "warning") and not refusal:
                errors.append(f"{url}: {message.text}")

        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        page.on("pageerror", lambda error: errors.append(f"{url}: {error}"))
        page.on("console", look)
        page.goto(url)
        return page

    yield open_page
    assert errors == []
