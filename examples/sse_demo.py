"""Four event streams and the page that shows them, each with a different style of handler.

    /events/counter         a plain function that sends
    /events/clock           an async generator
    /events/stocks          a plain generator
    /events/notifications   a coroutine that sends

A plain function or generator runs in a thread of its own and may block; the other two run in the
event loop. Run it with ``python examples/sse_demo.py`` and open http://127.0.0.1:8000.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

from fasterapi import App, SSEConnection, SyncSSEConnection
from fasterapi.examples.page import load

app = App()
PAGE: str = load("sse.html")

Event = dict[str, Any]  # the data of an event, sent as JSON


@app.get("/")
async def page() -> str:
    """Serve the page."""
    return PAGE


@app.sse("/events/counter")
def counter(sse: SyncSSEConnection) -> None:
    """Count seconds; after a lost connection, go on where the browser says it was."""
    for value in count(number(sse.last_event_id) + 1):
        sse.send({"count": value}, event="count", id=str(value))
        time.sleep(1)


@app.sse("/events/clock")
async def clock(sse: SSEConnection) -> AsyncIterator[Event]:
    """Tell the time, on each full second."""
    while True:
        yield {"time": datetime.now(UTC).isoformat()}
        await asyncio.sleep(1.002 - time.time() % 1)  # a timer may be a millisecond early


@app.sse("/events/stocks")
def stocks(sse: SyncSSEConnection) -> Iterator[Event]:
    """Quote made-up shares: a random walk from an opening price of 100."""
    prices = dict.fromkeys(["ASH", "BAY", "ELM", "FIR", "OAK", "YEW"], 100.0)
    for symbol in prices:
        yield {"symbol": symbol, "price": 100.0, "change": 0.0}
    while True:
        time.sleep(random.uniform(0.1, 0.5))
        symbol = random.choice(list(prices))
        price = prices[symbol] = round(prices[symbol] * random.gauss(1, 0.004), 2)
        yield {"symbol": symbol, "price": price, "change": round(price - 100, 2)}


NEWS = [
    ("info", "Build finished", "All 301 cases passed in 41 seconds."),
    ("info", "New follower", "Ada follows your repository."),
    ("info", "Backup complete", "2.4 GB copied to the second site."),
    ("success", "Deployed", "Version 2.7.1 is live in three regions."),
    ("success", "Payment received", "Invoice 1042 has been settled."),
    ("warning", "Disk almost full", "Volume db-2 has 8 % left."),
    ("warning", "Certificate expires", "api.example has 14 days left."),
    ("error", "Job failed", "nightly-report ended with exit code 1."),
]


class Feed:
    """News that happens at irregular times, whether or not anybody listens; the last 20 are kept.

    An item's id is its time in milliseconds, so ids go on rising when the server starts anew, and
    a Last-Event-ID from before the restart still says what its browser has missed.
    """

    def __init__(self) -> None:
        self.items: deque[Event] = deque(maxlen=20)
        self.next_time = time.time()

    def since(self, last_id: int) -> list[Event]:
        """Give what has happened after ``last_id``, oldest first."""
        while self.next_time <= time.time():
            level, title, text = random.choice(NEWS)
            ident = round(self.next_time * 1000)
            self.items.append({"id": ident, "level": level, "title": title, "text": text})
            self.next_time += random.uniform(1, 6)
        return [item for item in self.items if item["id"] > last_id]


feed = Feed()


@app.sse("/events/notifications")
async def notifications(sse: SSEConnection) -> None:
    """Send what the browser has missed since its last event, then what happens."""
    seen = number(sse.last_event_id)
    while True:
        for item in feed.since(seen):
            seen = item["id"]
            await sse.send(item, event="notification", id=str(seen))
        await asyncio.sleep(max(0.0, feed.next_time - time.time()))


def number(last_event_id: str) -> int:
    """Read a Last-Event-ID as a number: 0 if there is none, or none of ours."""
    try:
        return int(last_event_id)
    except ValueError:
        return 0


if __name__ == "__main__":
    app.run()
