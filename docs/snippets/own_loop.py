import asyncio

from fasterapi import App, serve

app = App()


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


async def main(stop: asyncio.Event) -> None:
    async with serve(app, host="127.0.0.1", port=0, grace=10) as server:
        print(f"listening on {server.url}")
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(asyncio.Event()))
