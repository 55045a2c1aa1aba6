from echo import app

from fasterapi.testing import TestClient


def test_echo() -> None:
    with TestClient(app) as c, c.websocket("/echo") as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "hello"
