import clock
import echo
from leaving import app, watching

from fasterapi.testing import TestClient


def test_a_silent_connection_is_pinged() -> None:
    with TestClient(echo.app) as c, c.websocket("/echo") as ws:
        c.clock.advance(20)
        ws.receive_ping()  # it is answered by itself
        c.clock.advance(3600)
        assert ws.close_code is None


def test_a_peer_that_has_vanished_is_given_up() -> None:
    with TestClient(echo.app) as c, c.websocket("/echo") as ws:
        ws.mute()
        c.clock.advance(40)
        assert ws.wait_closed() == 1011


def test_an_hour_of_events() -> None:
    with TestClient(clock.app) as c, c.events("/clock") as stream:
        c.clock.advance(3599)
        for _ in range(3600):
            stream.receive()


def test_leaving_ends_the_handler() -> None:
    with TestClient(app) as c:
        with c.events("/watch/ada") as stream:
            stream.receive()
            assert watching == {"ada"}
        assert not watching
