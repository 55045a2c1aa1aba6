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
    keeper.opened()
    now[0] = 60.0
    assert keeper.ended(ConnectionClosed(1006)) == 1.0
    assert keeper.failed(ConnectionRefusedError("nobody there")) == 1.0
    assert keeper.ended(ConnectionClosed(1001, "moving")) == 1.0
    assert keeper.ended(ConnectionClosed(4001, "over")) is None
    assert [record.getMessage() for record in caplog.records] == [
        "WebSocket ws://a/: connection closed: 1006; connecting again in 1.0 s",
        "WebSocket ws://a/: nobody there; connecting again in 1.0 s",
        "WebSocket ws://a/: connection closed: 1001 moving; connecting again in 1.0 s",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert caplog.records[0].__dict__["seconds"] == 1.0


def test_an_error_that_stays_is_raised_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper("ws://a/", Reconnect(), Limits(), lambda: 0.0)
    with pytest.raises(ConnectionRefusedError):
        keeper.failed(ConnectionRefusedError())
    assert not caplog.records
