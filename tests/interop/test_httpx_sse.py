"""``httpx-sse`` against our event streams."""

from __future__ import annotations

import json
import socket

import httpx
import pytest
from httpx_sse import connect_sse

KINDS = ["async", "sync"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_events_arrive_with_all_their_fields(address: str, kind: str, method: str) -> None:
    with (
        httpx.Client() as client,
        connect_sse(client, method, f"http://{address}/{kind}/events") as source,
    ):
        assert source.response.headers["cache-control"] == "no-store"
        assert source.response.headers["x-accel-buffering"] == "no"
        *counts, last = source.iter_sse()
    assert [(sse.event, sse.id, sse.retry) for sse in counts] == [
        ("count", str(number), 50) for number in (1, 2, 3)
    ]
    assert [json.loads(sse.data) for sse in counts] == [
        {"n": number, "text": "é\nü"} for number in (1, 2, 3)
    ]
    assert (last.event, last.data) == ("message", "two\nlines")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_resumes_after_the_last_event(address: str, kind: str) -> None:
    with (
        httpx.Client() as client,
        connect_sse(
            client, "GET", f"http://{address}/{kind}/events", headers={"Last-Event-ID": "41"}
        ) as source,
    ):
        assert [sse.id for sse in source.iter_sse()][:3] == ["42", "43", "44"]


@pytest.mark.parametrize("kind", KINDS)
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
    assert body.endswith(b"data: two\ndata: lines\n\n")


@pytest.mark.parametrize("kind", KINDS)
def test_head_has_the_headers_and_no_body(address: str, kind: str) -> None:
    response = httpx.head(f"http://{address}/{kind}/events")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.content == b""
    assert httpx.delete(f"http://{address}/{kind}/events").status_code == 405
