"""SIGTERM with open event streams: the servers themselves would wait for them, some for ever."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "uvicorn": ["uvicorn", "--port", "{port}"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}"],
}
if sys.version_info < (3, 12):  # later, it waits for its connections before it closes them
    COMMANDS["hypercorn"] = ["hypercorn", "--graceful-timeout", "1", "--bind", "127.0.0.1:{port}"]


@pytest.mark.parametrize("server", COMMANDS)
def test_open_streams_end_at_sigterm(server: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part.format(port=port) for part in COMMANDS[server]]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "tests.contrib.streams:api"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        with ExitStack() as stack:
            answers = [stack.enter_context(stream(port, path)) for path in ("/rt/idle", "/idle")]
            for answer in answers:
                assert answer.readline() == b"data: one\n"
            process.send_signal(signal.SIGTERM)
            for answer in answers:
                if server == "hypercorn":  # its workers are not told, and cut what takes too long
                    with pytest.raises(http.client.IncompleteRead):
                        answer.read()
                else:
                    assert answer.read() == b"\n"  # complete
        process.wait(20)
    finally:
        process.kill()
        output = process.communicate()[0].decode()
    assert output.count("left") == 2, output
    assert server == "hypercorn" or "Traceback" not in output, output


@contextmanager
def stream(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    """Ask for a stream, as soon as the server is up."""
    deadline = time.monotonic() + 30
    while True:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            try:
                connection.request("GET", path)
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
                continue
            with connection.getresponse() as response:
                yield response
            return
