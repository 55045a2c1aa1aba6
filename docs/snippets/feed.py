import asyncio

from fasterapi import App, Request, SSEConnection

app = App()

queues: set[asyncio.Queue[str]] = set()


@app.post("/news")
async def post(request: Request) -> None:
    for queue in tuple(queues):
        if queue.full():
            queue.get_nowait()  # whoever reads too slowly misses the oldest
        queue.put_nowait(request.text())


@app.sse("/news")
async def news(sse: SSEConnection) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
    queues.add(queue)
    try:
        while True:
            await sse.send(await queue.get())
    finally:
        queues.discard(queue)


if __name__ == "__main__":
    app.run()
