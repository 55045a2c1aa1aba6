"""What a handler is given, and what is left to do at its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fasterapi import App, ConnectionClosed, LocalProtocolError, Request, Response
from fasterapi.app import Match
from fasterapi.app.calls import answer, conclude, refuse, run_in_thread


class Session:
    """Keeps what a generator yields."""

    def __init__(self, most: int = 100) -> None:
        self.items: list[Any] = []
        self.most = most

    def send_item(self, item: Any) -> None:
        if len(self.items) == self.most:
            raise ConnectionClosed
        self.items.append(item)


def matched(function: Any, kind: str = "sse") -> Match:
    app = App()
    getattr(app, kind)("/{name}")(function)
    return Match(app.routes[0], {"name": "value"})


REQUEST = Request("GET", "/value", [("Host", "test")])


def test_a_function_returns() -> None:
    def handler(sse: Session, name: str, request: Request) -> Any:
        return sse, name, request

    session = Session()
    value, error = run_in_thread(matched(handler), session, REQUEST)
    assert (value, error) == ((session, "value", REQUEST), None)


def test_a_generator_is_sent() -> None:
    def handler(name: str) -> Iterator[int]:
        yield from range(3)

    session = Session()
    assert run_in_thread(matched(handler), session, REQUEST) == (None, None)
    assert session.items == [0, 1, 2]


def test_a_generator_that_is_left_is_closed() -> None:
    log: list[str] = []

    def handler(name: str) -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            log.append("closed")

    _, error = run_in_thread(matched(handler), Session(most=2), REQUEST)
    assert isinstance(error, ConnectionClosed)
    assert log == ["closed"]


@pytest.mark.parametrize(
    ("raised", "given"),
    [
        (ValueError("x"), ValueError),
        (BaseException("a test's own"), BaseException),
        (SystemExit(1), RuntimeError),
        (GeneratorExit(), RuntimeError),
    ],
)
def test_what_escapes(raised: BaseException, given: type[BaseException]) -> None:
    def handler(sse: Session) -> None:
        raise raised

    value, error = run_in_thread(matched(handler), Session(), REQUEST)
    assert value is None
    assert type(error) is given
    assert raised in (error, getattr(error, "__cause__", None))


def test_an_answer_that_can_not_be_sent_is_a_crash() -> None:
    steps: list[Any] = []

    def step(value: Any, error: BaseException | None) -> BaseException | None:
        steps.append((value, error))
        if error is None:
            raise LocalProtocolError("not like this")
        return error

    crash = conclude(step, "value", None)
    assert isinstance(crash, LocalProtocolError)
    assert steps == [("value", None), (None, crash)]


def test_nobody_left_to_be_told_is_no_crash() -> None:
    def step(value: Any, error: BaseException | None) -> BaseException | None:
        raise ConnectionClosed

    assert conclude(step, None, None) is None


def test_an_answer_and_what_is_a_crash() -> None:
    class Exchange:
        def respond(self, response: Response) -> None:
            self.status = response.status

    exchange: Any = Exchange()
    assert answer(exchange, {"a": 1}, None, json.dumps) is None
    assert exchange.status == 200
    error = RuntimeError("meant to")
    assert answer(exchange, None, error, json.dumps) is error
    assert exchange.status == 500


def test_a_full_server_says_so_and_names_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fasterapi")
    response = refuse("192.0.2.1:80", "too much", "max_threads", 7)
    assert response.status == 503
    assert response.headers["retry-after"] in set("12345")
    assert response.body == b"too much\n"
    assert "192.0.2.1:80: 503: too much, over Limits.max_threads (7)" in caplog.text
