import re

from fasterapi import App, HTTPError, WebSocket

app = App(origins=["https://shop.example", re.compile(r"https://\w+\.shop\.example")])

users = {"token-of-ada": "Ada"}


@app.websocket("/account")
async def account(ws: WebSocket) -> None:
    user = users.get(ws.request.cookies.get("session", ""))
    if user is None:
        raise HTTPError(401, "log in first")
    await ws.send_text(f"Hello, {user}")


@app.websocket("/beta")
async def beta(ws: WebSocket) -> None:
    if "invited" not in ws.request.query:
        await ws.reject(403, headers=[("X-Reason", "beta")], body="by invitation only\n")
        return
    await ws.accept(headers=[("X-Version", "2-beta")])
    await ws.send_text("welcome")


@app.websocket("/shout", subprotocols=["loud.v2", "loud.v1"])
async def shout(ws: WebSocket) -> None:
    async for text in ws:
        await ws.send_text(text.upper() + ("!" if ws.subprotocol == "loud.v2" else ""))


@app.websocket("/prices", origins=None)  # of all pages, wherever they come from
async def prices(ws: WebSocket) -> None:
    await ws.send_json({"apples": 3})
