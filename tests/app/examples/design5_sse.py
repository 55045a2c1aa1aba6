import time

from fasterapi import App, SSEConnection

app = App()


@app.sse("/events")
def event_stream(sse: SSEConnection):  # a plain function: runs in a thread, send() blocks
    for i in range(100):
        sse.send({"count": i}, event="count", id=str(i))
        time.sleep(1)


if __name__ == "__main__":
    app.run()
