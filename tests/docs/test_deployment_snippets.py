"""The programs of docs/deployment.md."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from typing import Any

import httpx
import pytest

from .snippets import SNIPPETS, load, running


def test_the_log_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    configured: dict[str, Any] = {}
    monkeypatch.setattr(logging, "basicConfig", configured.update)
    load(SNIPPETS / "json_log.py").configure_logging()
    (handler,) = configured["handlers"]
    handler.setStream(stream)
    logger = logging.getLogger("fasterapi.access")
    monkeypatch.setattr(logger, "handlers", [handler])
    level = logger.level
    logger.setLevel(configured["level"])  # an attribute set would leave its cache as it was
    try:
        with running("json_log") as site, site.c.websocket("/echo") as ws:
            ws.close(1000, "done")
    finally:
        logger.setLevel(level)

    accepted, ended = map(json.loads, stream.getvalue().splitlines())
    assert re.fullmatch(r"127\.0\.0\.1:\d+", accepted.pop("client"))
    assert accepted == {
        "logger": "fasterapi.access",
        "level": "INFO",
        "message": accepted["message"],
        "method": "GET",
        "target": "/echo",
        "http_version": "1.1",
        "status": 101,
    }
    assert ended["detail"] == "closed 1000 'done'"
    assert ended["seconds"] >= 0


def test_a_traceback_in_the_log() -> None:
    formatter = load(SNIPPETS / "json_log.py").JSONFormatter()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        record = logging.makeLogRecord({"msg": "crash", "exc_info": (type(error), error, None)})
    assert json.loads(formatter.format(record))["traceback"] == "ZeroDivisionError"


def test_a_server_in_a_loop_that_runs_already(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load(SNIPPETS / "own_loop.py").main(stop))
            said = ""
            while not (found := re.search(r"listening on (\S+)", said)):
                await asyncio.sleep(0)
                said += capsys.readouterr().out
            async with httpx.AsyncClient() as client:
                response = await client.get(f"{found[1]}/health")
            assert response.json() == {"ok": True}
            stop.set()

    asyncio.run(scenario())
