"""Takes the picture of the demo in the README: ``python docs/screenshot.py``.

It serves the demo, lets Chromium look at its event streams until they have something to show, and
writes ``demo.png``: 1280 by 800 pixels, in light colours.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PICTURE = Path(__file__).with_name("demo.png")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EVENTS = {"counter": 12, "clock": 12, "stocks": 48, "notifications": 5}  # to wait for


@contextmanager
def demo() -> Iterator[str]:
    """Serve the demo, and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "fasterapi", "demo", "--port", str(port)]
    ) as server:
        try:
            while server.poll() is None and not listens(port):
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def listens(port: int) -> bool:
    """Tell whether there is a server on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def show(page: Page, url: str) -> None:
    """Bring the page into the state that the picture shows."""
    page.goto(f"{url}/sse")
    for name, number in EVENTS.items():
        page.wait_for_function(
            "([id, number]) => +document.querySelector(id).textContent >= number",
            arg=[f"[data-testid={name}-events]", number],
            timeout=60_000,
        )
    # The cards say more than the title above them; a strip of the background frames them.
    page.evaluate("scrollTo(0, document.querySelector('main .grid').offsetTop - 16)")


def main() -> None:
    """Take it."""
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    with demo() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        show(page, url)
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
