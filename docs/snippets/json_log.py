import json
import logging

from fasterapi import App, WebSocket

app = App()


STANDARD = vars(logging.makeLogRecord({})).keys()


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = {name: value for name, value in vars(record).items() if name not in STANDARD}
        facts |= {"logger": record.name, "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return json.dumps(facts, default=str)


def configure_logging() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


@app.websocket("/echo")
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


if __name__ == "__main__":
    configure_logging()
    app.run()
