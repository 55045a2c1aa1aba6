"""A chat with rooms: ``/ws/{room}?nickname=Ada``, and its page.

A page sends ``{"text": "Hello"}``, or ``{"typing": true}`` while somebody writes. It receives
``history`` (once, at first), ``message``, ``join``, ``leave`` and ``typing``.
Run it with ``python examples/chat.py`` and open http://127.0.0.1:8000 twice.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from fasterapi import App, ConnectionClosed, WebSocket
from fasterapi.examples.page import load

app = App()
PAGE: str = load("chat.html")


@app.get("/")
async def page() -> str:
    """Serve the page."""
    return PAGE


class Room:
    """The people in one room, and the last 50 messages."""

    def __init__(self) -> None:
        self.people: dict[WebSocket, str] = {}
        self.history: deque[dict[str, Any]] = deque(maxlen=50)

    def join(self, ws: WebSocket, nickname: str) -> None:
        """Let somebody in: they get the history, and everybody hears of them."""
        self.people[ws] = nickname
        ws.send_json({"type": "history", "messages": list(self.history)})
        self.tell("join", nickname)

    def leave(self, ws: WebSocket) -> None:
        """Let somebody out."""
        self.tell("leave", self.people.pop(ws))

    def say(self, nickname: str, text: str) -> None:
        """Send a message to everybody, and keep it for those who come later."""
        message = {"type": "message", "nickname": nickname, "text": text, "time": now()}
        self.history.append(message)
        self.broadcast(message)

    def tell(self, what: str, nickname: str) -> None:
        """Send a notice about somebody, with the names of all who are here."""
        people = sorted(self.people.values())
        self.broadcast({"type": what, "nickname": nickname, "people": people, "time": now()})

    def broadcast(self, message: dict[str, Any]) -> None:
        """Queue a message for everybody; not awaited, so that a slow reader delays nobody."""
        text = json.dumps(message)
        for ws in tuple(self.people):
            with suppress(ConnectionClosed):
                ws.send_text(text)


rooms: defaultdict[str, Room] = defaultdict(Room)


@app.websocket("/ws/{room}")
async def chat(ws: WebSocket, room: str) -> None:
    """Seat one person in a room, for as long as their page stays connected."""
    nickname = ws.request.query.get("nickname", "").strip()[:24] or "Guest"
    await ws.accept()
    here = rooms[room]
    try:
        here.join(ws, nickname)
        while True:
            match await ws.receive_json():
                case {"text": str(text)} if text.strip():
                    here.say(nickname, text.strip()[:1000])
                case {"typing": True}:
                    here.broadcast({"type": "typing", "nickname": nickname})
    finally:
        here.leave(ws)
        if not here.people:
            rooms.pop(room, None)  # a room lives as long as somebody is in it


def now() -> str:
    """Give the time as the pages get it: ISO 8601, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


if __name__ == "__main__":
    app.run()
