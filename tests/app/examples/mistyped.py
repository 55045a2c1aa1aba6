"""What a type checker has to find: each line that says so is a mistake."""

from fasterapi import App

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
app.include("/chat")  # mistake: arg-type
app.nothing("/")  # mistake: attr-defined
