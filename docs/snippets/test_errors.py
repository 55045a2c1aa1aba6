import asyncio

import pytest

from fasterapi import App, WebSocket
from fasterapi.testing import LeftBehind, TestClient

app = App()


@app.websocket("/divide")
async def divide(ws: WebSocket) -> None:
    numbers = await ws.receive_json()
    await ws.send_json(numbers[0] / numbers[1])


@app.get("/start")
async def start() -> None:
    app.state.task = asyncio.create_task(asyncio.sleep(3600), name="forgotten")


def test_an_error_of_the_handler() -> None:
    with TestClient(app) as c, c.websocket("/divide") as ws:
        ws.send_json([1, 0])
        with pytest.raises(ZeroDivisionError):  # with the handler's own traceback
            ws.receive_json()
        assert ws.close_code == 1011


def test_what_the_client_sees_of_it() -> None:
    with TestClient(app, raise_server_exceptions=False) as c, c.websocket("/divide") as ws:
        ws.send_json([1, 0])
        assert ws.wait_closed() == 1011


def test_what_an_app_leaves_behind() -> None:
    with pytest.raises(LeftBehind, match="the task 'forgotten'"), TestClient(app) as c:
        c.get("/start")
