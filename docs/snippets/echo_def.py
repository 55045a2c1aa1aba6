from fasterapi import App, SyncWebSocket

app = App()


@app.websocket("/echo")
def echo(ws: SyncWebSocket) -> None:
    for message in ws:
        ws.send(message)
