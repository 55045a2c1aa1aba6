"""An event stream that is resumed: what a client missed, as far as it is kept, and what is new.

``/left`` tells what there still is of those that listened.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fasterapi import App, SSEConnection, SyncSSEConnection

__all__ = ["KEPT", "LAST", "add_resuming"]

KEPT = 20
"""Events that are kept for who comes back."""
LAST = 10_000
"""The last event's number."""

subscribers: set[Any] = set()


def missed(last_event_id: str) -> range:
    """Tell which events to send again."""
    return range(max(int(last_event_id or LAST), LAST - KEPT) + 1, LAST + 1)


async def resumed(sse: SSEConnection) -> None:
    """Send what was missed, and listen."""
    subscribers.add(sse)
    try:
        for number in missed(sse.last_event_id):
            await sse.send("x" * 1000, id=str(number))
        await asyncio.sleep(60)
    finally:
        subscribers.discard(sse)


def resumed_in_thread(sse: SyncSSEConnection) -> None:
    """Send what was missed, and listen."""
    subscribers.add(sse)
    try:
        for number in missed(sse.last_event_id):
            sse.send("x" * 1000, id=str(number))
        sse.wait_closed(60)
    finally:
        subscribers.discard(sse)


def count_tasks() -> int:
    """Count the tasks of the loop, if there is one."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


async def tell_left() -> dict[str, int]:
    """Tell how many listen, and how many tasks there are."""
    return {"subscribers": len(subscribers), "tasks": count_tasks()}


def add_resuming(app: App) -> None:
    """Add the routes."""
    app.sse("/resumed")(resumed)
    app.sse("/def/resumed")(resumed_in_thread)
    app.get("/left")(tell_left)
