"""All the examples in one application, under one front page: what ``fasterapi demo`` serves.

``include`` takes over the routes of another ``App``. The first route of a path wins, so the front
page keeps ``/``, and each example's own page gets an address beside it.
"""

from __future__ import annotations

from fasterapi import App
from fasterapi.examples import chat, sse_demo, websocket_demo
from fasterapi.examples.page import load

app = App()
PAGE: str = load("front.html")


@app.get("/")
async def page() -> str:
    """Serve the front page."""
    return PAGE


app.get("/websocket")(websocket_demo.page)
app.get("/sse")(sse_demo.page)
app.get("/chat")(chat.page)
app.include(websocket_demo.app)
app.include(sse_demo.app)
app.include(chat.app, prefix="/chat")

if __name__ == "__main__":
    app.run()
