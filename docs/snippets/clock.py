import asyncio
from datetime import UTC, datetime

from fasterapi import App, SSEConnection

app = App()

PAGE = """<!doctype html>
<title>Clock</title>
<h1>connecting</h1>
<script>
  const events = new EventSource("/clock");
  events.onmessage = ({ data }) => {
    document.querySelector("h1").textContent = JSON.parse(data).time;
  };
</script>
"""


@app.get("/")
async def page() -> str:
    return PAGE


@app.sse("/clock")
async def clock(sse: SSEConnection) -> None:
    while True:
        await sse.send({"time": datetime.now(UTC).isoformat(timespec="seconds")})
        await asyncio.sleep(1)


if __name__ == "__main__":
    app.run()
