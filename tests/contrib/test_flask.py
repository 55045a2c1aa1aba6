"""WebSockets in Flask, under each server that hands out its socket; the client is websockets."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import websockets
from websockets.asyncio.client import connect as connect_asyncio
from websockets.sync.client import connect
from werkzeug.serving import make_server

from fasterapi import Limits
from fasterapi.app.options import WebSocketOptions
from fasterapi.contrib.wsgi_websocket import serve_websocket, to_request

from .flask_app import app

ROOT = Path(__file__).parents[2]
GUNICORN = ["gunicorn", "--workers", "1", "--no-control-socket", "--bind", "127.0.0.1:{port}"]
COMMANDS = {
    "gunicorn": [*GUNICORN, "--threads", "8", "tests.contrib.flask_app:app"],
    "gunicorn-gevent": [*GUNICORN, "--worker-class", "gevent", "tests.contrib.flask_app:app"],
    "gevent": ["tests.contrib.gevent_server", "{port}"],
}
CERTIFIED = {
    "gunicorn": [*COMMANDS["gunicorn"], "--certfile"],
    "gunicorn-gevent": [*COMMANDS["gunicorn-gevent"], "--certfile"],
    "gevent": COMMANDS["gevent"],
}


@contextmanager
def werkzeug(pem: str = "") -> Iterator[int]:
    context = (pem, pem) if pem else None
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(command: list[str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("server", ["werkzeug", *COMMANDS])
def test_websockets(server: str) -> None:
    """Everything in turn: a server takes longer to start than all of it."""
    serving = werkzeug() if server == "werkzeug" else running(COMMANDS[server])
    with serving as port:
        url = f"ws://127.0.0.1:{port}"
        check_messages(url)
        check_endings(url)
        check_refusals(url)
        check_that_a_busy_handler_answers_pings(url, port)
        assert ask(port, "/events?count=2") == (200, b'data: {"n":0}\n\ndata: {"n":1}\n\n')
        assert ask(port, "/") == (200, b"hello")


@pytest.mark.parametrize("server", ["werkzeug", *CERTIFIED])
def test_websockets_over_tls(server: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = str(tmp_path / "server.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    serving = werkzeug(pem) if server == "werkzeug" else running([*CERTIFIED[server], pem])
    with serving as port:
        asyncio.run(check_tls(f"wss://127.0.0.1:{port}", context))


async def check_tls(url: str, context: ssl.SSLContext) -> None:
    """By the client on asyncio: the other one reads and writes one ``SSLSocket`` in two threads."""
    async with asyncio.timeout(30):
        async with connect_asyncio(f"{url}/echo/a?x=1", ssl=context) as ws:
            for message in ("", "ä", b"\0\xff", "x" * 300_000):
                await ws.send(message)
                assert await ws.recv() == message
            for number in range(200):
                await ws.send(str(number))
            assert [await ws.recv() for _ in range(200)] == [str(number) for number in range(200)]
            await ws.close(4001, "bye")
            assert ws.close_code == 4001
        async with connect_asyncio(f"{url}/close", ssl=context) as ws:
            assert await ws.recv() == "last"
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (4002, "enough")
        async with connect_asyncio(f"{url}/busy", ssl=context) as ws:
            await ws.send("hello")
            await (await ws.ping())
            async with connect_asyncio(f"{url}/go", ssl=context) as other:
                assert await other.recv() == "gone"
            assert await ws.recv() == "done"
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect_asyncio(f"{url}/reject", ssl=context)
        assert caught.value.response.status_code == 402
        assert caught.value.response.body == b"pay"


def check_messages(url: str) -> None:
    with connect(f"{url}/echo/a%20b?x=1", subprotocols=["one", "two"]) as ws:  # type: ignore[list-item]
        assert ws.subprotocol == "two"
        for message in ("", "ä", b"\0\xff", "x" * 300_000):
            ws.send(message)
            assert ws.recv(20) == message
        ws.send("where")
        assert ws.recv(20) == "a b 1 None"
        for number in range(200):
            ws.send(str(number))
        assert [ws.recv(20) for _ in range(200)] == [str(number) for number in range(200)]


def check_endings(url: str) -> None:
    for path, code, reason in (("/close", 4002, "enough"), ("/crash", 1011, "")):
        with connect(url + path) as ws:
            if path == "/close":
                assert ws.recv(20) == "last"
            else:
                ws.send("hello")
            with pytest.raises(websockets.ConnectionClosed):
                ws.recv(20)
            assert (ws.close_code, ws.close_reason) == (code, reason)
    with connect(f"{url}/echo/a?x=1") as ws:
        ws.close(4001, "bye")
        assert ws.close_code == 4001


def check_refusals(url: str) -> None:
    for path, status, body, options in (
        ("/reject", 402, b"pay", {}),
        ("/abort", 418, b"<!doctype", {}),
        ("/close", 403, b"this origin", {"origin": "http://evil.example"}),
    ):
        with pytest.raises(websockets.InvalidStatus) as caught:
            connect(url + path, **options)  # type: ignore[arg-type]
        assert caught.value.response.status_code == status
        assert bytes(caught.value.response.body or b"").startswith(body)


def check_that_a_busy_handler_answers_pings(url: str, port: int) -> None:
    with connect(f"{url}/busy") as ws:
        ws.send("hello")
        assert ws.ping().wait(20)
        assert ask(port, "/go") == (200, b"gone")
        assert ws.recv(20) == "done"


def ask(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status, response.read()


# ---------------------------------------------------------------------------------- environs


ENVIRON = {
    "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/rt", "PATH_INFO": "/a b", "QUERY_STRING": "x=1",
    "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "::1", "REMOTE_PORT": "5",
    "HTTP_HOST": "localhost", "HTTP_X_NAME": "value", "wsgi.url_scheme": "https",
}  # fmt: skip


def test_requests_of_environs() -> None:
    request = to_request(ENVIRON)
    assert (request.target, request.client) == ("/rt/a%20b?x=1", "[::1]:5")
    assert (request.scheme, request.http_version) == ("https", "1.1")
    assert request.headers["x-name"] == "value"
    assert to_request({**ENVIRON, "RAW_URI": "/raw?y", "REMOTE_PORT": ""}).target == "/raw?y"


def test_a_server_without_a_socket_says_so() -> None:
    options: Any = WebSocketOptions(limits=Limits(), origins=None, subprotocols=())
    environ = {**ENVIRON, "wsgi.input": object(), "SERVER_SOFTWARE": "waitress"}
    with pytest.raises(RuntimeError, match="waitress hands out no socket"):
        serve_websocket(environ, lambda ws: None, options, "handler")
