import closing
import pytest
from receiving import app

from fasterapi import ConnectionClosed
from fasterapi.testing import TestClient


def test_a_close_of_the_server() -> None:
    with TestClient(closing.app) as c, c.websocket("/guess") as ws:
        for guess in "123":
            ws.send_text(guess)
        with pytest.raises(ConnectionClosed) as closed:
            ws.receive()
        assert (closed.value.code, closed.value.reason) == (4001, "three wrong guesses")


@pytest.mark.parametrize(("code", "reason"), [(1001, "good night"), (4000, "")])
def test_a_close_of_the_client(code: int, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with TestClient(app) as c, c.websocket("/count") as ws:
        ws.send_text("1")
        ws.close(code, reason)
        assert (ws.close_code, ws.close_reason) == (code, reason)
        ws.wait_handler()
    assert capsys.readouterr().out == f"1 messages, then {code} {reason}\n"


def test_a_connection_that_is_lost() -> None:
    with TestClient(closing.app) as c:
        ws = c.websocket("/edit/notes")
        ws.send_json("save")
        ws.receive()
        ws.drop()  # no Close, and no end
        ws.wait_handler()
        assert ws.close_code == 1006
        assert not closing.open_files
