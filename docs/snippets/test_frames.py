import pytest
from echo import app

from fasterapi.testing import Opcode, TestClient


def test_a_message_in_three_frames() -> None:
    with TestClient(app) as c, c.websocket("/echo") as ws:
        ws.send_fragment("one ", fin=False)
        ws.ping(b"in between")
        ws.send_fragment("two ", fin=False)
        ws.send_fragment("three", fin=True)
        assert ws.receive_pong() == b"in between"
        assert ws.receive_text() == "one two three"
        assert [frame.opcode for frame in ws.received_frames] == [Opcode.PONG, Opcode.TEXT]


def test_bytes_one_by_one() -> None:
    with TestClient(app) as c, c.websocket("/echo") as ws:
        ws.send_raw(*(bytes([byte]) for byte in b"\x81\x82\0\0\0\0hi"))  # a read each
        assert ws.receive_text() == "hi"
        assert ws.received_bytes == b"\x81\x02hi"


@pytest.mark.parametrize(
    ("opcode", "payload", "code"),
    [(Opcode.TEXT, b"\xff", 1007), (Opcode.CONTINUATION, b"", 1002), (11, b"", 1002)],
)
def test_what_breaks_the_rules(opcode: int, payload: bytes, code: int) -> None:
    with TestClient(app) as c, c.websocket("/echo") as ws:
        ws.send_frame(opcode, payload)
        assert ws.wait_closed() == code


def test_compression() -> None:
    text = "over and over again, " * 50
    with TestClient(app) as c, c.websocket("/echo", compression=True) as ws:
        ws.send_text(text)
        assert ws.receive_text() == text
        (frame,) = ws.received_frames
        assert frame.rsv == 0x40
        assert len(frame.payload) < 60
