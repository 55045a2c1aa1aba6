"""Takes the picture of the demo in the README: ``python docs/screenshot.py``.

It serves the demo, lets Chromium look at it until its values move, and writes ``demo.png``.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("demo.png")
SECONDS = 12  # until sparklines and lists have something to show


def main() -> None:
    """Take it."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "fasterapi", "demo", "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
            page.goto(f"http://127.0.0.1:{port}/sse")
            for name in ("counter", "clock", "stocks", "notifications"):
                button = page.get_by_test_id(f"{name}-connect")
                if button.is_enabled():
                    button.click()
            page.wait_for_timeout(SECONDS * 1000)
            page.screenshot(path=PICTURE)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
