from fasterapi import App, SSEConnection

app = App()


@app.sse("/status", origins="*")  # of any page, without cookies
async def status(sse: SSEConnection) -> None:
    await sse.send("up")


@app.sse("/inbox", origins=["https://mail.example"], credentials=True, headers={"X-Version": "2"})
async def inbox(sse: SSEConnection) -> None:
    await sse.send(f"for {sse.request.cookies.get('user', 'nobody')}")
