"""The programs of docs/threads.md."""

from __future__ import annotations

import sys

import pytest

from fasterapi.sync import connect, events, serve

from .snippets import SNIPPETS, load


def test_an_app_without_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    app = load(SNIPPETS / "threads.py").app
    with serve(app, port=0) as server:
        with connect(f"ws://127.0.0.1:{server.port}/echo") as ws:
            ws.send("hello")
            assert ws.receive(10) == "hello"
        with events(f"{server.url}/uptime", idle_timeout=10) as stream:
            assert int(next(iter(stream)).data) >= 1


def test_a_server_inside_of_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "threads", load(SNIPPETS / "threads.py"))
    load(SNIPPETS / "threads_inside.py").main()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("listening on http://127.0.0.1:")
    assert second == "hello"


def test_more_threads() -> None:
    assert load(SNIPPETS / "threads_many.py").app.limits.max_threads == 1000
