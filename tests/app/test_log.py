"""The log: its lines, their levels, and the facts that each record carries."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fasterapi.app.log import (
    access,
    log_access,
    log_crash,
    log_end,
    log_fault,
    log_retry,
    server,
)
from fasterapi.errors import ConnectionClosed
from fasterapi.protocol import Request

REQUEST = Request("POST", "/a?b=%0A", http_version="1.0", client="192.0.2.1:5000")
FACTS = {
    "client": "192.0.2.1:5000",
    "method": "POST",
    "target": "/a?b=%0A",
    "http_version": "1.0",
}


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "fasterapi")


def only(caplog: pytest.LogCaptureFixture) -> tuple[str, int, str, dict[str, Any]]:
    """Give the one record: logger, level, text, facts."""
    (record,) = caplog.records
    plain = vars(logging.makeLogRecord({}))
    formatted = {"message", "asctime"}  # which any handler's formatter adds
    facts = {n: value for n, value in vars(record).items() if n not in {*plain, *formatted}}
    return record.name, record.levelno, record.getMessage(), facts


def test_names_of_the_loggers() -> None:
    assert (access.name, server.name) == ("fasterapi.access", "fasterapi.server")


def test_a_request(caplog: pytest.LogCaptureFixture) -> None:
    log_access(REQUEST, 201)
    text = '192.0.2.1:5000 "POST /a?b=%0A HTTP/1.0" 201'
    assert only(caplog) == ("fasterapi.access", logging.INFO, text, {**FACTS, "status": 201})


def test_the_end_of_what_lasts(caplog: pytest.LogCaptureFixture) -> None:
    log_end(REQUEST, "WebSocket", "1001 going away", 1.26)
    text = '192.0.2.1:5000 "WebSocket /a?b=%0A" 1001 going away after 1.3 s'
    facts = {**FACTS, "detail": "1001 going away", "seconds": 1.26}
    assert only(caplog) == ("fasterapi.access", logging.INFO, text, facts)


def test_a_fault_of_a_peer_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError
    except ValueError:
        log_fault("192.0.2.1:5000", "over Limits.max_headers")
    text = "192.0.2.1:5000: over Limits.max_headers"
    facts = {"client": "192.0.2.1:5000", "fault": "over Limits.max_headers"}
    assert only(caplog) == ("fasterapi.server", logging.INFO, text, facts)
    assert caplog.records[0].exc_info is None


def test_a_crash_has_its_own_traceback(caplog: pytest.LogCaptureFixture) -> None:
    error = KeyError("x")
    log_crash(REQUEST, "Room.enter", error)  # outside of any except clause
    text = '192.0.2.1:5000 "POST /a?b=%0A": Room.enter raised KeyError'
    assert only(caplog) == ("fasterapi.server", logging.ERROR, text, FACTS)
    assert caplog.records[0].exc_info == (KeyError, error, None)
    assert "KeyError: 'x'" in caplog.text


def test_a_peer_without_an_address_is_a_dash(caplog: pytest.LogCaptureFixture) -> None:
    request = Request("GET", "/")
    log_access(request, 200)
    log_end(request, "SSE", "ended", 0)
    log_fault("", "fault")
    log_crash(request, "f", ValueError())
    assert [record.getMessage()[:2] for record in caplog.records] == ["- ", "- ", "-:", "- "]


def test_a_server_writes_no_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    closed = ConnectionClosed(1012, "bye\n2026-01-01 ERROR forged\x1b]0;t\x07")
    with caplog.at_level("INFO", "fasterapi.client"):
        log_retry("ws://a/", closed, 1.0, failed=False)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert record.__dict__["reason"].isprintable()
