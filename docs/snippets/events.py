from fasterapi import App, SSEConnection

app = App()


@app.sse("/fields")
async def fields(sse: SSEConnection) -> None:
    await sse.send("a str goes as it is\nwith its lines")
    await sse.send({"anything": "else goes as JSON"})
    await sse.send("for addEventListener('news', ...)", event="news")
    await sse.send("the browser remembers the id", id="17")
    await sse.send(retry=5000)  # reconnect after 5 seconds; no event
    await sse.send(comment="ignored by every client")


@app.sse("/countdown/{start:int}")
async def countdown(sse: SSEConnection, start: int) -> None:
    for number in range(start, 0, -1):
        await sse.send(str(number))
    await sse.send(event="end", data="")  # the page closes its EventSource when it sees this
