"""Both clients take cases from a fuzzing server; what they fail is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conformance import echo_client, run_client

CASES = ("1.1.1", "5.9", "7.1.1", "13.2.1")


def take(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the cases, and not in this process.

    The suite's own code leaves files open, which is a failure here, and has modules whose names are
    those of others.
    """
    cases = [f"--cases={case}" for case in CASES]
    return subprocess.run(
        [sys.executable, run_client.__file__, *cases, *arguments],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("client", ["aio", "sync"])
def test_both_clients_take_cases_strictly(client: str) -> None:
    result = take("--client", client)
    assert (result.returncode, result.stdout) == (0, "4 of 4 strict (0 informational)\n")


def test_a_client_that_takes_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("raise SystemExit(3)")
    result = take(f"--command={sys.executable} {tmp_path / 'client.py'}")
    assert (result.returncode, result.stderr) == (2, "the client ended with code 3\n")


def test_what_is_told_to_the_client() -> None:
    options = echo_client.parse(["--url", "ws://127.0.0.1:9001/", "--no-context-takeover"])
    client = echo_client.Client(options)
    assert client.count_url == "ws://127.0.0.1:9001/getCaseCount"
    assert client.case_url(7) == "ws://127.0.0.1:9001/runCase?case=7&agent=fasterapi"
    assert client.reports_url == "ws://127.0.0.1:9001/updateReports?agent=fasterapi"
    assert client.options["compression"].context_takeover is False
    off = echo_client.Client(echo_client.parse(["--url", "ws://x", "--no-deflate"]))
    assert off.options["compression"] is None
