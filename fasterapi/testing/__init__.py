"""Tests of an app without a network: real frames, a clock to turn, and errors where they belong.

    with TestClient(app) as c, c.websocket("/ws") as ws:
        ws.send_text("hello")
        assert ws.receive_text(timeout=1) == "hello"

``TestClient`` is for plain tests, ``AsyncTestClient`` for tests that run in a loop; both have the
same verbs. Bytes go through the asyncio server, its transport being in memory, and through the
client half of the core; nothing is mocked and nothing sleeps.
"""

from __future__ import annotations

from ..protocol.codes import Opcode
from .blocking import TestClient, TestClock
from .blocking_sessions import TestEventStream, TestWebSocket
from .client import AsyncTestClient, AsyncTestClock
from .clock import Clock, ClockedLoop
from .events import AsyncTestEventStream, StreamEnded
from .frames import WireFrame
from .host import LeftBehind
from .http import Refused, Reply
from .server import MemoryServer, Wire
from .transport import MemoryTransport
from .websocket import AsyncTestWebSocket

__all__ = [
    "AsyncTestClient", "AsyncTestClock", "AsyncTestEventStream", "AsyncTestWebSocket", "Clock",
    "ClockedLoop", "LeftBehind", "MemoryServer", "MemoryTransport", "Opcode", "Refused", "Reply",
    "StreamEnded", "TestClient", "TestClock", "TestEventStream", "TestWebSocket", "Wire",
    "WireFrame",
]  # fmt: skip
