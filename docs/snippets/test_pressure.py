from sending import app

from fasterapi.testing import TestClient


def test_a_client_that_reads_slowly() -> None:
    with TestClient(app) as c, c.websocket("/lines/20000") as ws:
        ws.receive()
        ws.pause()
        c.settle()
        assert ws.unsent < 100_000  # the handler waits in send
        ws.resume()
        assert sum(1 for _ in ws) == 19_999


def test_a_client_that_reads_no_more() -> None:
    with TestClient(app) as c, c.websocket("/lines/20000") as ws:
        ws.receive()
        ws.pause()
        c.clock.advance(30)  # Limits.write_timeout
        assert ws.wait_closed() == 1006
