import asyncio
from collections import deque
from itertools import count

from fasterapi import App, Request, SSEConnection

app = App()


class History:
    def __init__(self) -> None:
        self.items: deque[tuple[int, str]] = deque(maxlen=1000)
        self.numbers = count(1)
        self.grown = asyncio.Event()

    def append(self, text: str) -> None:
        self.items.append((next(self.numbers), text))
        self.grown.set()
        self.grown = asyncio.Event()


history = History()


@app.post("/messages")
async def post(request: Request) -> None:
    history.append(request.text())


@app.sse("/messages")
async def messages(sse: SSEConnection) -> None:
    try:
        seen = int(sse.last_event_id)
    except ValueError:  # a first connection, or no number of ours
        seen = 0
    while True:
        grown = history.grown  # before looking, so that nothing is missed in between
        for number, text in [item for item in history.items if item[0] > seen]:
            await sse.send(text, id=str(number))
            seen = number
        await grown.wait()


if __name__ == "__main__":
    app.run()
