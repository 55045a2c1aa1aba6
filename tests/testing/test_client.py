"""Plain requests of the test client, its options, and what it says when it is used wrongly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fasterapi import App
from fasterapi.testing import AsyncTestClient, TestClient

from .application import Crash


def test_a_page(c: TestClient) -> None:
    reply = c.get("/")
    assert (reply.status, reply.reason, reply.text) == (200, "OK", "<h1>hi</h1>")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert repr(reply) == "<Reply 200 OK, 11 bytes>"
    assert c.get("/def-page").json() == {"thread": True}
    assert c.get("/nowhere").status == 404


def test_a_response_as_it_came(c: TestClient) -> None:
    reply = c.get("/teapot")
    assert (reply.status, reply.reason, reply.body) == (418, "I'm a teapot", b"short and stout")
    assert reply.headers["x-tea"] == "green"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_methods(c: TestClient, method: str) -> None:
    seen = getattr(c, method.lower())("/mirror?a=1").json()
    assert (seen["method"], seen["target"]) == (method, "/mirror?a=1")
    assert (seen["client"], seen["scheme"]) == ("127.0.0.1:50000", "http")
    assert ["host", "testserver"] in [[name.lower(), value] for name, value in seen["headers"]]


def test_methods_that_have_no_body(c: TestClient) -> None:
    head = c.head("/mirror")
    assert head.body == b""
    assert int(head.headers["content-length"]) > 0
    assert c.options("/mirror").headers["allow"] == ("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    assert c.request("BREW", "/mirror").status == 405


def test_bodies(c: TestClient) -> None:
    assert c.post("/mirror", content="täxt").json()["body"] == "täxt"
    assert c.post("/mirror", content=b"bytes").json()["body"] == "bytes"
    sent = c.put("/mirror", json=[1, "ä"]).json()
    assert sent["body"] == '[1, "\\u00e4"]'
    assert ["content-type", "application/json"] in sent["headers"]
    other = c.put("/mirror", json=1, headers={"content-type": "application/x"}).json()
    assert [value for name, value in other["headers"] if name.lower() == "content-type"] == [
        "application/x"
    ]
    with pytest.raises(TypeError, match="either content or json"):
        c.post("/mirror", content="a", json="b")


def test_headers_of_every_request(app: App) -> None:
    with TestClient(app, headers={"X-A": "1", "X-B": "1"}) as c:
        sent = c.get("/mirror", headers=[("x-b", "2")]).json()["headers"]
        assert ["x-a", "1"] in sent
        assert [field for field in sent if field[0].lower() == "x-b"] == [["x-b", "2"]]


def test_over_tls_and_from_elsewhere(app: App) -> None:
    with TestClient(app, base_url="https://shop.example:8443", client=("2001:db8::1", 9)) as c:
        seen = c.get("/mirror").json()
        assert (seen["scheme"], seen["client"]) == ("https", "[2001:db8::1]:9")
        with c.websocket("/async", origin="https://shop.example:8443") as ws:
            ws.send("a")
            assert ws.receive() == "a"
        assert (ws.close_code, c.app.state.ends) == (1000, [(1000, "")])


@pytest.mark.parametrize("url", ["testserver", "ws://testserver", "http://", "http://host/path"])
def test_a_base_url_that_is_none(app: App, url: str) -> None:
    with pytest.raises(ValueError, match="base_url has a scheme and a host"):
        AsyncTestClient(app, base_url=url)


@pytest.mark.parametrize("path", ["/crash", "/def-crash-page"])
def test_what_a_page_raises(app: App, path: str) -> None:
    with TestClient(app) as c:
        with pytest.raises(Crash):
            c.get(path)
        assert c.get("/").status == 200  # each once
    with TestClient(app, raise_server_exceptions=False) as c:
        assert c.get(path).status == 500


def test_the_same_awaited(app: App) -> None:
    async def scenario() -> None:
        async with AsyncTestClient(app) as c:
            for verb in (c.get, c.post, c.put, c.patch, c.delete):
                method = verb.__name__.upper()
                assert (await verb("/mirror")).json()["method"] == method
            assert (await c.head("/mirror")).body == b""
            assert (await c.options("/mirror")).status == 204
            first, second = await asyncio.gather(c.get("/def-page"), c.get("/"))
            assert (first.json(), second.status) == ({"thread": True}, 200)

    asyncio.run(scenario())


def test_what_does_not_come_in_time(c: TestClient) -> None:
    with pytest.raises(TimeoutError, match=r"no response to GET /slow within 0.01 s; .* nothing; "):
        c.get("/slow", timeout=0.01)
    c.app.state.log.append("go on")


def test_waiting_for_what_no_connection_shows(c: TestClient) -> None:
    seen: list[Any] = []

    async def later() -> None:
        asyncio.get_running_loop().call_later(0.002, seen.append, 1)

    c.run(later())
    c.wait_until(lambda: seen)
    with pytest.raises(TimeoutError, match=r"no second one within 0.01 s; .*no handler is at work"):
        c.wait_until(lambda: len(seen) > 1, "second one", timeout=0.01)


def test_bytes_that_no_client_would_send(c: TestClient) -> None:
    wire = c.connect()
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /de", b"f-page HTTP/1.1\r\nHost: a\r\n\r\n")
    c.wait_until(lambda: wire.received.count(b"HTTP/1.1 200 OK") == 2)
    wire.send(b"nonsense\r\n\r\n")
    c.settle()
    assert b"HTTP/1.1 400 " in wire.received
    wire.close()
    c.settle()
    assert wire.lost


def test_a_handshake_that_dawdles_is_answered_408(c: TestClient) -> None:
    wire = c.connect()
    wire.send(b"GET / HTTP/1.1\r\n")
    c.clock.advance(9.9)
    assert wire.received == b""
    c.clock.advance(0.1)
    assert wire.received.startswith(b"HTTP/1.1 408 ")


def test_a_client_outside_of_its_block(app: App) -> None:
    async def scenario() -> None:
        client = AsyncTestClient(app)
        with pytest.raises(RuntimeError, match="use the client in its 'with' block"):
            await client.get("/")
        async with client:
            pass
        with pytest.raises(RuntimeError, match="use the client in its 'with' block"):
            client.connect()
        with pytest.raises(RuntimeError, match="entered once"):
            async with client:
                pass

    asyncio.run(scenario())
