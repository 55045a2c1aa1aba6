"""The programs of docs/clients.md, against servers that answer as the page says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fasterapi import HandshakeError, ServerSentEvent

from ..event_servers import DONE, chunked, serving, until_close
from .snippets import SNIPPETS, load

STREAM = until_close(b"retry: 0\nid: 1\nevent: tick\ndata: a\n\ndata: b\n\n")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("no_proxy", "*")
    return load(SNIPPETS / "read_events.py")


@pytest.mark.parametrize("name", ["follow", "follow_def"])
def test_following(program: Any, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with serving(STREAM, DONE) as (_, url):
        result = getattr(program, name)(url)
        if result is not None:
            asyncio.run(result)
    assert capsys.readouterr().out == "tick 1 a\nmessage 1 b\n"


def test_the_answer_to_a_post(program: Any) -> None:
    words = b'data: {"word": "no"}\n\ndata: {"word": "reason"}\n\ndata: {"done": true}\n\n'
    with serving(chunked(words)) as (server, url):
        assert asyncio.run(program.answer(url, "Why?")) == "no reason"
    assert server.requests[0].endswith(b'{"question":"Why?"}')


def test_errors(program: Any) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    with serving(until_close(b"data: yes\n\n"), refusal, b"") as (server, url):
        assert asyncio.run(program.ask(url)) == "yes"
        assert asyncio.run(program.ask(url)) == "refused: 403 no"
        assert asyncio.run(program.ask(url)).startswith("failed: the server closed")
    assert b"Authorization: Bearer token\r\n" in server.requests[0]


def test_another_policy(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    policy = program.BEHIND_A_PROXY
    assert (policy.first, policy.attempts) == (True, 20)
    assert policy.is_transient(HandshakeError(503, ""))
    with serving(STREAM, DONE) as (_, url):
        asyncio.run(program.keep_following(url))
    assert capsys.readouterr().out == "a\nb\n"


def test_going_on(program: Any, tmp_path: Path) -> None:
    handled: list[ServerSentEvent] = []
    for _ in range(2):
        with serving(STREAM, DONE) as (server, url):
            program.go_on(url, tmp_path / "last", handled.append)
    assert [event.data for event in handled] == ["a", "b"] * 2
    assert server.last_event_ids() == [b"1", b"1"]
