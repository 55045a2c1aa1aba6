"""``fasterapi events``: what it prints, what it asks, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fasterapi.cli import main

from .event_servers import DONE, chunked, serving, until_close

STREAM = (
    'id: 7\nevent: tick\ndata: {"n": 1}\n\ndata: é\ndata:\n\nretry: 5\nid\ndata: x\n\n'.encode()
)


def events(*arguments: str) -> int:
    return main(["events", "--no-proxy", *arguments])


def test_fields_are_printed_as_far_as_they_say_something_new(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(until_close(STREAM)) as (_, url):
        assert events(url, "--no-reconnect") == 0
    out, err = capsys.readouterr()
    assert out == (
        'id: 7\nevent: tick\ndata: {"n": 1}\n\ndata: é\ndata: \n\nid: \nretry: 5\ndata: x\n\n'
    )
    assert err == ""


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(until_close(STREAM)) as (_, url):
        assert events(url, "--no-reconnect", "--json") == 0
    first, second, third = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"data": '{"n": 1}', "event": "tick", "id": "7", "retry": None}
    assert (second["data"], second["id"]) == ("é\n", "7")
    assert (third["id"], third["retry"]) == ("", 5)


def test_no_field_of_an_event_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(until_close(b"id: \x1b1\nevent: \x1b2\ndata: \x1b3\n\n")) as (_, url):
        assert events(url, "--no-reconnect") == 0
    assert capsys.readouterr().out == "id: \\x1b1\nevent: \\x1b2\ndata: \\x1b3\n\n"


def test_the_request(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"\xff")
    with serving(DONE, DONE, DONE) as (server, url):
        assert events(url, "-H", "X-A: b: c", "--header", "X-D:e", "--last-event-id", "9") == 0
        assert events(url, "--data", '{"q":1}', "--method", "PUT") == 0
        assert events(url, "--data", f"@{body}") == 0
    first, second, third = server.requests
    assert b"\r\nX-A: b: c\r\nX-D: e\r\n" in first
    assert b"\r\nLast-Event-ID: 9\r\n" in first
    assert second.startswith(b"PUT ")
    assert second.endswith(b'\r\n\r\n{"q":1}')
    assert third.startswith(b"POST ")
    assert third.endswith(b"\r\n\r\n\xff")


def test_it_connects_again_and_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(until_close(b"retry: 0\ndata: x\n\n"), DONE) as (_, url):
        assert events(url) == 0
    out, err = capsys.readouterr()
    assert out == "retry: 0\ndata: x\n\n"
    assert err == f"fasterapi: event stream {url}: it has ended; connecting again in 0.0 s\n"


def test_count_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(until_close(b"data: 1\n\n" * 5)) as (_, url):
        assert events(url, "--count", "2") == 0
    assert capsys.readouterr().out == "data: 1\n\n" * 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n\x1bx", "404 Not Found: '\\x1bx'"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "of the type 'text/html'"),
        (chunked(b"data: x\n\n", whole=False), "closed the connection within its answer"),
    ],
)
def test_what_can_not_be_had_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], answer: bytes, message: str
) -> None:
    with serving(answer) as (_, url):
        assert events(url, "--no-reconnect") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"fasterapi: {url}: ")
    assert err.endswith(f"{message}\n")
    assert err.count("\n") == 1


def test_a_server_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert events(f"http://127.0.0.1:{port}/") == 1
    assert "refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ws://x/"], "http:// or https://"),
        (["http://x/", "--insecure"], "without TLS"),
        (["https://x/", "--cafile", "/no/such"], "--cafile /no/such: No such file"),
        (["http://x/", "--data", "@/no/such"], "--data @/no/such: No such file"),
        (["http://x/", "-H", "Host: y"], "writes Host itself"),
    ],
)
def test_arguments_that_do_not_fit(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert events(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["http://x/", "-H", "x"], ["http://x/", "--count", "0"], ["http://x/", "--count", "x"],
        ["http://x/", "--idle-timeout", "0"], ["http://x/", "--open-timeout", "nan"],
        ["http://x/", "--open-timeout", "x"],
    ],
)  # fmt: skip
def test_arguments_that_can_not_be_read(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        events(*arguments)
    assert caught.value.code == 2


def hold(sock: socket.socket) -> None:
    sock.sendall(until_close(b"data: x\n\n"))
    sock.recv(1)


def start(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fasterapi", "events", url],
        env={**os.environ, "NO_PROXY": "*"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_ctrl_c_ends_it_cleanly() -> None:
    with serving(hold) as (_, url), start(url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"data: x\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (130, b"")


def test_a_reader_that_has_seen_enough_ends_it_cleanly() -> None:
    def flood(sock: socket.socket) -> None:
        sock.sendall(until_close(b"data: x\n\n" * 100_000))

    with serving(flood) as (_, url), start(url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"data: x\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.wait(10) == 141
        assert process.stderr.read() == b""


def test_no_password_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert events("http://user:secret@127.0.0.1:9/", "--no-reconnect") == 1
    assert events("http://user:secret@127.0.0.1:9/a b") == 2
    err = capsys.readouterr().err
    assert "http://127.0.0.1:9/" in err
    assert "secret" not in err
