"""An ASGI server of a few lines, which keeps what it is sent: one scope, and its events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["CONNECT", "LEAVE", "REQUEST", "Server", "scope"]

CONNECT = {"type": "websocket.connect"}
REQUEST = {"type": "http.request"}
LEAVE = {"type": "http.disconnect"}

HEADERS = [(b"Host", b"localhost")]


def scope(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": HEADERS, "http_version": "1.1", "root_path": "", "method": "GET",
        "client": ("192.0.2.1", 4711), "scheme": "http", "extensions": {}, **more,
    }  # fmt: skip


class Server:
    """One scope's events."""

    def __init__(self, app: Any, asked: dict[str, Any], *events: dict[str, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.refuses: Callable[[dict[str, Any]], BaseException | None] = lambda event: None
        self.takes = asyncio.Event()
        self.takes.set()
        self.always: dict[str, Any] | None = None  # what receive() gives at once, without end
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        for event in events:
            self._incoming.put_nowait(event)
        self.task = asyncio.ensure_future(app(asked, self._receive, self._send))

    async def _receive(self) -> Any:
        if self.always is not None and self._incoming.empty():
            return self.always
        event = await self._incoming.get()
        if isinstance(event, BaseException):
            raise event
        return event

    async def _send(self, event: Any) -> None:
        await self.takes.wait()
        if error := self.refuses(event):
            raise error
        self.sent.append(event)

    @property
    def status(self) -> int:
        """Of the answer to an HTTP request."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the answer."""
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        """Of the answer, as far as it has come."""
        return b"".join(event.get("body", b"") for event in self.sent)

    def give(self, event: dict[str, Any] | BaseException) -> None:
        """Let ``receive`` give an event, or raise."""
        self._incoming.put_nowait(event)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0)

    async def end(self) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            await self.task
        return self.sent
