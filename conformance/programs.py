"""The programs that a run needs, each in a process that has to end cleanly and without a word."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0


class RunError(Exception):
    """The cases could not be run; nothing is said about the server's conformance."""


@contextmanager
def echo_server(arguments: Sequence[str] = ()) -> Iterator[str]:
    """Run the echo server while the block runs; gives its address.

    Raises:
        RunError: If it does not start, does not stop cleanly, or has logged anything: even a peer
            that breaks every rule is nothing to warn of.
    """
    with _program("echo_server.py", *arguments) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def h2_relay(address: str) -> Iterator[str]:
    """Run the relay to HTTP/2 while the block runs; gives its address.

    Raises:
        RunError: As ``echo_server``.
    """
    with _program("h2_relay.py", "--to", address.rpartition(":")[2]) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def _program(name: str, *arguments: str) -> Iterator[int]:
    port = _free_port()
    command = [sys.executable, str(HERE / name), "--port", str(port), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _wait_until_listening(process, port, log)
            yield port
        finally:
            code = _stop(process)
        if code or log.tell():
            raise RunError(f"{name} ended with code {code}; its log:\n{_text(log)}")


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: IO[str]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RunError(f"the server did not start listening; its log:\n{_text(log)}")


def _text(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
