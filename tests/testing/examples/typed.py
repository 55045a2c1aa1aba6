"""What a type checker knows of the test client; each line that says so is a mistake."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from fasterapi import App, ServerSentEvent
from fasterapi.protocol import Compression
from fasterapi.testing import (
    AsyncTestClient,
    AsyncTestEventStream,
    AsyncTestWebSocket,
    Refused,
    Reply,
    TestClient,
    TestEventStream,
    TestWebSocket,
    WireFrame,
)

app = App()


def blocking() -> None:
    with TestClient(app, timeout=1, base_url="https://host") as c:
        assert_type(c.get("/", headers={"A": "b"}, timeout=1), Reply)
        assert_type(c.post("/", json=[1]).json(), Any)
        assert_type(c.run(asyncio.sleep(0, "x")), str)
        with c.websocket("/", subprotocols=["a"], compression=Compression(level=1)) as ws:
            assert_type(ws, TestWebSocket)
            assert_type(ws.receive(), str | bytes)
            assert_type(ws.receive_text(timeout=1), str)
            assert_type(ws.receive_bytes(), bytes)
            assert_type(ws.received_frames, list[WireFrame])
            assert_type(ws.close_code, int | None)
            assert_type(ws.wait_closed(), int)
            ws.send(1)  # mistake: arg-type
            ws.send_text(b"bytes")  # mistake: arg-type
            ws.receive(1)  # mistake: call-arg
        with c.events("/", method="POST", json={}) as stream:
            assert_type(stream, TestEventStream)
            assert_type(stream.receive(), ServerSentEvent)
            assert_type([event.data for event in stream], list[str])
        c.clock.advance("20")  # mistake: arg-type
        c.get("/", query="a")  # mistake: call-arg
        c.websocket("/", subprotocol="a")  # mistake: call-arg
        c.events("/", last_event_id=17)  # mistake: arg-type
    TestClient(app, time_out=1)  # mistake: call-arg


async def awaited() -> None:
    async with TestClient(app) as c:
        assert_type(c, AsyncTestClient)
    async with AsyncTestClient(app, grace=0.1) as c:
        assert_type(await c.delete("/", content="x"), Reply)
        async with c.websocket("/") as ws:
            assert_type(ws, AsyncTestWebSocket)
            assert_type(await ws.receive(), str | bytes)
            assert_type([message async for message in ws], list[str | bytes])
        assert_type(await c.websocket("/"), AsyncTestWebSocket)
        async with c.events("/") as stream:
            assert_type(stream, AsyncTestEventStream)
            assert_type(await stream.receive(timeout=1), ServerSentEvent)
        await c.get("/", timeout="1")  # mistake: arg-type


def refused(error: Refused) -> None:
    assert_type(error.response, Reply)
    assert_type(error.status, int)
