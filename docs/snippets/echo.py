from fasterapi import App, WebSocket

app = App()

PAGE = """<!doctype html>
<title>Echo</title>
<form><input name="text" autofocus autocomplete="off"> <button>Send</button></form>
<ol></ol>
<script>
  const ws = new WebSocket(location.origin.replace(/^http/, "ws") + "/echo");
  const form = document.querySelector("form");
  form.onsubmit = () => { ws.send(form.text.value); form.reset(); return false; };
  ws.onmessage = ({ data }) => {
    document.querySelector("ol").append(
      Object.assign(document.createElement("li"), { textContent: data }));
  };
</script>
"""


@app.get("/")
async def page() -> str:
    return PAGE


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for message in ws:  # str or bytes
        await ws.send(message)


if __name__ == "__main__":
    app.run()
