"""What the log is told of a client that keeps its WebSocket."""

from __future__ import annotations

import pytest

from fasterapi import ConnectionClosed, Limits, Reconnect
from fasterapi.app.keeping import Keeper


def test_each_further_attempt_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fasterapi.client")
    now = [0.0]
    policy = Reconnect(
        delay=1.0, jitter=0.0, retries=lambda error, passing: getattr(error, "code", 0) != 4001
    )
    keeper = Keeper("ws://a/", policy, Limits(), lambda: now[0])
    assert keeper.delay == 0.0
    with keeper:
        keeper.opened()
        now[0] = 60.0
        keeper.ended(ConnectionClosed(1006))
    assert keeper.delay == 1.0
    with keeper:
        raise ConnectionRefusedError("nobody there")
    assert keeper.delay == 1.0
    with keeper:
        keeper.opened()
        now[0] = 120.0
        keeper.ended(ConnectionClosed(1001, "moving"))
    assert keeper.delay == 1.0
    with keeper:
        keeper.opened()
        keeper.ended(ConnectionClosed(4001, "over"))
    assert keeper.delay is None
    assert [record.getMessage() for record in caplog.records] == [
        "WebSocket ws://a/: connection closed: 1006; connecting again in 1.0 s",
        "WebSocket ws://a/: nobody there; connecting again in 1.0 s",
        "WebSocket ws://a/: connection closed: 1001 moving; connecting again in 1.0 s",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert caplog.records[0].__dict__["seconds"] == 1.0


def test_an_error_that_stays_is_raised_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper("ws://a/", Reconnect(), Limits(), lambda: 0.0)
    error = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError) as raised, keeper:
        raise error
    assert raised.value is error
    assert error.__context__ is None
    assert not caplog.records


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_what_is_no_failure_of_an_attempt_is_not_judged(error: type[BaseException]) -> None:
    keeper = Keeper("ws://a/", Reconnect(first=True), Limits(), lambda: 0.0)
    with pytest.raises(error), keeper:
        raise error


def test_what_fails_behind_an_open_connection_is_not_judged() -> None:
    keeper = Keeper("ws://a/", Reconnect(first=True), Limits(), lambda: 0.0)
    with pytest.raises(ConnectionRefusedError), keeper:
        keeper.opened()
        raise ConnectionRefusedError("of something else")


def test_the_last_of_too_many_ends_is_raised() -> None:
    keeper = Keeper("ws://a/", Reconnect(attempts=1), Limits(), lambda: 0.0)
    with keeper:
        keeper.opened()
        keeper.ended(ConnectionClosed(1006))
    with pytest.raises(ConnectionClosed), keeper:
        keeper.opened()
        keeper.ended(ConnectionClosed(1006))
