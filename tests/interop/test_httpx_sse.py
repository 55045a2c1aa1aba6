"""``httpx-sse`` against our event streams."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse, connect_sse

TWO = ["async", "sync"]
KINDS = [*TWO, "async-generator", "sync-generator"]


def read(source: EventSource) -> list[ServerSentEvent]:
    """Read the events to the end of the stream.

    This client takes the blank line behind a comment for an event without data; the rules say that
    there is none (WHATWG, "Interpreting an event stream").
    """
    return [sse for sse in source.iter_sse() if sse.data]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_events_arrive_with_all_their_fields(address: str, kind: str, method: str) -> None:
    with (
        httpx.Client() as client,
        connect_sse(client, method, f"http://{address}/{kind}/events") as source,
    ):
        assert source.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert source.response.headers["cache-control"] == "no-store"
        assert source.response.headers["x-accel-buffering"] == "no"
        *counts, last = read(source)
    assert [(sse.event, sse.id, sse.retry) for sse in counts] == [
        ("count", str(number), 50) for number in (1, 2, 3)
    ]
    assert [sse.json() for sse in counts] == [{"n": number, "text": "é\nü"} for number in (1, 2, 3)]
    assert (last.event, last.data) == ("message", "two\nlines")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_resumes_after_the_last_event(address: str, kind: str) -> None:
    with (
        httpx.Client() as client,
        connect_sse(
            client, "GET", f"http://{address}/{kind}/events", headers={"Last-Event-ID": "41"}
        ) as source,
    ):
        assert [sse.id for sse in read(source)][:3] == ["42", "43", "44"]


@pytest.mark.parametrize("kind", TWO)
def test_a_stream_answers_the_body_of_a_post(address: str, kind: str) -> None:
    words = ["", "two\nlines", " spaced ", "é…😀", "carriage\rreturn", "id: 1"]
    with (
        httpx.Client() as client,
        connect_sse(client, "POST", f"http://{address}/{kind}/words", json=words) as source,
    ):
        # An event stream has one end of line (WHATWG, "Interpreting an event stream").
        expected = [word.replace("\r", "\n") for word in words]
        assert [sse.data for sse in source.iter_sse()] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_many_streams_of_one_client(address: str, kind: str) -> None:
    async def ids(client: httpx.AsyncClient, start: int) -> list[str]:
        headers = {"Last-Event-ID": str(start)}
        url = f"http://{address}/{kind}/events"
        async with aconnect_sse(client, "GET", url, headers=headers) as source:
            return [sse.id async for sse in source.aiter_sse() if sse.data][:3]

    async def main() -> list[list[str]]:
        async with httpx.AsyncClient() as client:
            return await asyncio.gather(*(ids(client, start) for start in range(20)))

    expected = [[str(start + number) for number in (1, 2, 3)] for start in range(20)]
    assert asyncio.run(main()) == expected


@pytest.mark.parametrize("kind", TWO)
def test_the_handler_ends_when_its_reader_leaves(
    address: str, gate: Callable[[str], threading.Event], kind: str
) -> None:
    name = f"httpx-{kind}"
    with (
        httpx.Client() as client,
        connect_sse(client, "GET", f"http://{address}/{kind}/endless?name={name}") as source,
    ):
        events = source.iter_sse()
        assert next(events).data == "x" * 1000
        assert not gate(name).is_set()
    assert gate(name).wait(10)


@pytest.mark.parametrize("kind", TWO)
def test_http_1_0_gets_a_stream_that_ends_with_the_connection(address: str, kind: str) -> None:
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"GET /{kind}/events HTTP/1.0\r\n\r\n".encode())
        received = b""
        while data := sock.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"event: count\nid: 1\nretry: 50\ndata: ")
    assert body.endswith(b": that was all\ndata: two\ndata: lines\n\n")


@pytest.mark.parametrize("kind", KINDS)
def test_head_has_the_headers_and_no_body(address: str, kind: str) -> None:
    response = httpx.head(f"http://{address}/{kind}/events")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.content == b""
    assert httpx.delete(f"http://{address}/{kind}/events").status_code == 405
