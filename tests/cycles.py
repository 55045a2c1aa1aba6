"""Connections that come and go, and what they leave behind in this process."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

SECONDS = 10.0

counted = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc"
)
"""For tests that count descriptors."""

_HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_MASK = b"\x00\x00\x00\x00"


def descriptors() -> int:
    """Count the open ones of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def connect_echo_close(address: tuple[str, int], paths: Sequence[bytes], times: int) -> None:
    """Open a WebSocket, have a message come back and leave, with and without a Close in turn."""
    for number in range(times):
        with socket.create_connection(address, SECONDS) as client:
            client.sendall(_HANDSHAKE % paths[number % len(paths)] + b"\x81\x82" + _MASK + b"Hi")
            got = b""
            while not got.endswith(b"\x81\x02Hi"):
                got += client.recv(1000)
            if number // len(paths) % 2:
                client.sendall(b"\x88\x82" + _MASK + b"\x03\xe8")
                assert client.recv(100) == b"\x88\x02\x03\xe8"
                assert client.recv(100) == b""
