"""The tests that docs/testing.md and other pages show, run by pytest as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from .snippets import ROOT, SNIPPETS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest without this project's configuration."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "-q", "-W", "error",
         "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def test_the_tests_that_the_pages_show() -> None:
    result = run(str(SNIPPETS))
    assert result.returncode == 0, result.stdout + result.stderr
    found = re.search(r"(\d+) passed", result.stdout)
    assert found is not None
    assert int(found[1]) >= sum(
        len(re.findall(r"^(?:async )?def test_", path.read_text("utf-8"), re.MULTILINE))
        for path in SNIPPETS.glob("test_*.py")
    )


def test_a_test_that_fails_says_what_there_was(tmp_path: Path) -> None:
    path = tmp_path / "test_late.py"
    path.write_text(
        "from fasterapi import App\n"
        "from fasterapi.testing import TestClient\n"
        "app = App()\n"
        "@app.websocket('/echo')\n"
        "async def echo(ws):\n"
        "    await ws.send(await ws.receive())\n"
        "    await ws.receive()\n"
        "def test_late():\n"
        "    with TestClient(app) as c, c.websocket('/echo') as ws:\n"
        "        ws.send('hello')\n"
        "        ws.receive()\n"
        "        ws.receive(timeout=0.01)\n"
    )
    result = run(str(path))
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert (
        "TimeoutError: no message of WebSocket /echo within 0.01 s; so far: open; 1 messages; "
        "last frames: TEXT of 5; the handler echo() is at work, at "
    ) in said
    assert "test_late.py:7; the server's next deadline is 20 s away on the clock" in said
