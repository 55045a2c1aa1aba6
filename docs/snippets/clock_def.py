import time
from datetime import UTC, datetime

from fasterapi import App, SyncSSEConnection

app = App()


@app.sse("/clock")
def clock(sse: SyncSSEConnection) -> None:
    while True:
        sse.send({"time": datetime.now(UTC).isoformat(timespec="seconds")})
        time.sleep(1)
