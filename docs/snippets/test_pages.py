from collections.abc import Iterator

import pytest
from answers import app

from fasterapi.testing import TestClient


@pytest.fixture
def c() -> Iterator[TestClient]:
    with TestClient(app) as client:  # runs the app's lifespan, too
        yield client


def test_a_stream_that_answers_a_post(c: TestClient) -> None:
    with c.events("/answer", method="POST", json={"question": "Why?"}) as stream:
        assert [event.data for event in stream][:2] == ['{"word":"You"}', '{"word":"asked:"}']


def test_a_request_that_makes_no_sense(c: TestClient) -> None:
    reply = c.post("/answer", json=[])
    assert reply.status == 422
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.text.startswith("send JSON such as")
