import pytest
from rooms import app, rooms

from fasterapi.testing import AsyncTestClient, TestClient


def test_a_room() -> None:
    with TestClient(app) as c:
        with c.websocket("/rooms/tea") as ada, c.websocket("/rooms/tea") as bob:
            ada.send_text("hello")
            assert bob.receive_json(timeout=1) == {"room": "tea", "text": "hello"}
        assert not rooms["tea"]  # the handlers have ended: nothing moves between two calls


@pytest.mark.anyio
async def test_the_same_in_a_loop() -> None:
    async with AsyncTestClient(app) as c:
        async with c.websocket("/rooms/tea") as ada, c.websocket("/rooms/tea") as bob:
            await ada.send_text("hello")
            assert await bob.receive_json(timeout=1) == {"room": "tea", "text": "hello"}
        assert not rooms["tea"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
