"""``fasterapi connect``: in a pipe, with ``--exec``, and on a terminal that is a real one."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from fasterapi import App, WebSocket
from fasterapi.cli import main

from .serving import client_app, in_a_thread


def app() -> App:
    made = client_app([])

    @made.websocket("/odd")
    async def odd(ws: WebSocket) -> None:
        ws.pong(b"\x00")
        await ws.send("\x1b[2J\tbell\x07\nü\u202e")
        await ws.send(b"\x00\xff")
        await ws.ping("there?")

    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with in_a_thread(app()) as server:
        yield server.url


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_lines_go_out_and_messages_come_as_lines(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, "hello\n/close\n\nlast")
    assert main(["connect", url, "--count", "4"]) == 0
    assert capsys.readouterr() == ("hello\n/close\n\nlast\n", "fasterapi: closed: 1000\n")


def test_it_waits_for_silence_at_the_end(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, "hello\n")
    assert main(["connect", url, "--wait", "0.2"]) == 0
    assert capsys.readouterr().out == "hello\n"


def test_exec_takes_the_place_of_what_is_piped(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connect", url, "--exec", "a", "--exec", "b", "--count", "2"]) == 0
    assert capsys.readouterr().out == "a\nb\n"


def test_what_comes_is_shown_and_never_obeyed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", f"{url}/odd", "--exec", ""]) == 0
    out, err = capsys.readouterr()
    assert out == "\\x1b[2J\\tbell\\x07\\nü\\u202e\n0x00ff\n"
    assert "fasterapi: pong from the server, unasked: 0x00\n" in err
    assert "fasterapi: ping from the server: there?\n" in err


def test_a_close_with_another_code_is_a_failure(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connect", f"{url}/close", "--exec", "x"]) == 1
    assert capsys.readouterr() == ("last words\n", "fasterapi: closed: 4001 enough\n")


def test_what_the_server_is_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-H", "X-Y: z", "--subprotocol", "x", "--subprotocol", "chat", "--no-compression"]
    assert main(["connect", f"{url}/request", *options, "--count", "1", "--exec", ""]) == 0
    out = capsys.readouterr().out
    assert '["x-y","z"]' in out.replace(" ", "")
    assert '"x, chat"' in out
    assert "extensions" not in out


def test_an_origin_that_may_not_connect(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", url, "--origin", "https://evil.test", "--exec", "x"]) == 1
    assert "403" in capsys.readouterr().err


def test_pings_tell_the_latency(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", url, "--exec", "x", "--ping", "0.01", "--wait", "0.3"]) == 0
    assert "fasterapi: pong after " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["http://localhost/"], 2, "begins with ws:// or wss://"),
        (["ws://localhost/", "--proxy", "ftp://x"], 2, "not a proxy"),
        (["ws://localhost/", "--subprotocol", "a b"], 2, "not a subprotocol"),
        (["ws://user:secret@127.0.0.1:9/", "--exec", "x"], 1, "refused"),
        (["ws://user:secret@127.0.0.1/a b"], 2, "percent-encode"),
    ],
)
def test_mistakes_take_a_line(
    arguments: list[str], status: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connect", *arguments]) == status
    err = capsys.readouterr().err
    assert complaint in err
    assert "secret" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "url"), [("connect", "ws://localhost/"), ("events", "http://localhost/")]
)
def test_a_proxy_of_the_environment_that_is_none(
    command: str, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "ftp://user:secret@x")
    assert main([command, url]) == 1
    err = capsys.readouterr().err
    assert "the environment variable HTTP_PROXY: not a proxy" in err
    assert ("secret" in err, err.count("\n")) == (False, 1)


def test_what_is_piped_and_no_text(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8"))
    assert main(["connect", url]) == 1
    err = capsys.readouterr().err
    assert "what is to be sent is no text: 'utf-8' codec can't decode" in err
    assert err.count("\n") == 1


def test_certificates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    with in_a_thread(app(), ssl_context=context) as server:
        by_number = server.url.replace("ws://", "wss://")
        by_name = by_number.replace("127.0.0.1", "localhost")
        say = ["--exec", "x", "--count", "1"]
        assert main(["connect", by_name, *say]) == 1
        err = capsys.readouterr().err
        assert "CERTIFICATE_VERIFY_FAILED" in err
        assert err.endswith("; --cafile names a certificate to trust, --insecure trusts any\n")
        assert main(["connect", by_name, *say, "--cafile", str(tmp_path / "ca.pem")]) == 0
        assert main(["connect", by_number, *say, "--insecure"]) == 0
        assert capsys.readouterr().out == "x\nx\n"


# -------------------------------------------------------------------------------- a terminal


class Terminal:
    """The command on a pseudo-terminal, and whoever sits at it."""

    def __init__(self, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        self.fd = ours
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fasterapi", "connect", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until something is shown; what comes before it is done with."""
        end = time.monotonic() + 20
        while text not in self.seen:
            assert select.select([self.fd], [], [], max(0.0, end - time.monotonic()))[0], self.seen
            try:
                self.seen += os.read(self.fd, 4096).decode()
            except OSError:  # the other end is closed
                assert text in self.seen, self.seen
        self.seen = self.seen.partition(text)[2]

    def end(self) -> int:
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            os.close(self.fd)


def test_on_a_terminal(url: str) -> None:
    terminal = Terminal(url.replace("://", "://user:secret@"))
    terminal.wait_for(f"* connected to {url}; Ctrl+D closes")
    terminal.wait_for("> ")
    terminal.type("hello\n")
    terminal.wait_for("< hello")
    terminal.type("/hex 00ff\n")
    terminal.wait_for("< 0x00ff")
    terminal.type("//slash\n")
    terminal.wait_for("< /slash")
    terminal.type("/ping\n")
    terminal.wait_for("* pong after ")
    terminal.type("/hex xy\n/nonsense\n")
    terminal.wait_for("* /hex takes pairs of hexadecimal digits")
    terminal.wait_for("* no command /nonsense")
    terminal.type("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\n")  # the history, back to the first line
    terminal.wait_for("< hello")
    terminal.type("/close 4321 why not\n")
    terminal.wait_for("* closed: 4321 why not")
    assert terminal.end() == 1


def test_a_prompt_is_written_once(url: str) -> None:
    # From a bug: a message that came while the next prompt was being written brought another one.
    terminal = Terminal(url)
    terminal.wait_for("> ")
    for number in range(10):
        terminal.type(f"message {number}\n")
        terminal.wait_for(f"< message {number}\r\n")
    terminal.type("/close\n")
    end = time.monotonic() + 20
    while "* closed" not in terminal.seen and time.monotonic() < end:
        terminal.seen += os.read(terminal.fd, 4096).decode()
    assert "> > " not in terminal.seen
    assert terminal.end() == 0


def test_the_end_of_the_input_closes(url: str) -> None:
    terminal = Terminal(url, "--subprotocol", "chat")
    terminal.wait_for("> ")
    terminal.type("\x04")
    terminal.wait_for("* closed: 1000")
    assert terminal.end() == 0


def test_the_server_s_close_interrupts_who_types(url: str) -> None:
    terminal = Terminal(f"{url}/close")
    terminal.wait_for("< last words")
    terminal.wait_for("* closed: 4001 enough")
    assert terminal.end() == 1


def test_ctrl_c(url: str) -> None:
    terminal = Terminal(url)
    terminal.wait_for("> ")
    for _ in range(100):
        # readline misses a signal that comes in the moment before it waits; people press again.
        terminal.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            terminal.process.wait(0.2)
            break
    # One that comes while it ends already kills it, which a shell calls 130 as well.
    assert terminal.end() in (130, -signal.SIGINT)
