import pytest
from joining import app

from fasterapi.testing import Refused, TestClient


def test_who_is_let_in() -> None:
    with TestClient(app) as c:
        with c.websocket("/account", headers={"Cookie": "session=token-of-ada"}) as ws:
            assert ws.receive_text() == "Hello, Ada"
        with pytest.raises(Refused) as refused:
            c.websocket("/account")
        assert refused.value.response.status == 401
        assert refused.value.response.text == "log in first\n"


def test_what_is_agreed_on() -> None:
    with TestClient(app) as c, c.websocket("/shout", subprotocols=["quiet", "loud.v1"]) as ws:
        assert ws.subprotocol == "loud.v1"
        assert ws.response.headers["sec-websocket-protocol"] == "loud.v1"


def test_a_page_of_somebody_else() -> None:
    with TestClient(app) as c, pytest.raises(Refused, match="403"):
        c.websocket("/beta?invited=1", origin="https://evil.example")
