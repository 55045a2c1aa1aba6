from echo_def import app

from fasterapi.testing import TestClient


def test_a_handler_in_a_thread() -> None:
    with TestClient(app) as c, c.websocket("/echo") as ws:
        ws.send_text("hello")
        assert ws.receive_text() == "hello"  # waits for the thread, in real time
        c.clock.advance(20)
        ws.receive_ping()
