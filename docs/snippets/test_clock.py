from clock import app

from fasterapi.testing import TestClient


def test_clock() -> None:
    with TestClient(app) as c, c.events("/clock") as stream:
        first = stream.receive()
        c.clock.advance(1)  # wakes the handler's asyncio.sleep(1)
        second = stream.receive()
        assert '"time"' in first.data
        assert '"time"' in second.data
