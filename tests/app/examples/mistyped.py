"""What a type checker has to find: each line that says so is a mistake."""

from fasterapi import App, Server, SSEResponse, connect, events, serve, sync

app = App(origins=5)  # mistake: arg-type


@app.get("/")
async def index() -> str:
    return "index"


coroutine = index(1)  # mistake: call-arg
app.websocket(7)  # mistake: arg-type
app.websocket("/", ping_interval="20")  # mistake: arg-type
app.websocket("/")("no function")  # mistake: type-var
app.sse("/", methods=1)  # mistake: arg-type
app.route("/", ["GET"])  # mistake: call-arg
app.run(port="80")  # mistake: arg-type
app.run(hots="0.0.0.0")  # mistake: call-arg
app.run(grace="5")  # mistake: arg-type
Server(app, prot=80)  # mistake: call-arg
serve(app, http2="yes")  # mistake: arg-type
sync.serve(app, prot=80)  # mistake: call-arg
connect("ws://a/", open_timeout="5")  # mistake: arg-type
events("http://a/", idle=5)  # mistake: call-arg
sync.events("http://a/", last_event_id=5)  # mistake: arg-type
SSEResponse([], keep_alive=5)  # mistake: call-arg
app.include("/chat")  # mistake: arg-type
app.nothing("/")  # mistake: attr-defined
