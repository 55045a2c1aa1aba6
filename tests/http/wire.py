"""Drive a connection in memory: requests in, canned answers out, whatever the splits.

``serve`` plays an adapter that answers at once. ``every_way`` feeds one stream of bytes whole,
byte by byte and in other cuts, and insists that the connection makes the same of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

import h11
from hypothesis import strategies as st

from fasterapi.http import HTTP1Connection
from fasterapi.limits import DEFAULT_LIMITS, Limits
from fasterapi.protocol.http import Request, Response

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SMALL = Limits(max_head_size=512, max_header_line=128, max_headers=8, max_body_size=256)


class Outcome(NamedTuple):
    """What came of a stream of bytes."""

    requests: list[tuple[object, ...]]
    sent: bytes
    fault: str
    closes: bool

    @property
    def status(self) -> str:
        """The status that a fault was answered with."""
        return self.fault[:3]


def fields(request: Request) -> tuple[object, ...]:
    """Everything that a request says, in a form that compares."""
    return (
        request.method,
        request.target,
        request.http_version,
        tuple(request.headers),
        request.body,
    )


def answer(connection: HTTP1Connection, request: Request) -> None:
    """Answer at once, naming the target."""
    connection.respond(Response(200, body=f"{request.method} {request.target}"))


def serve(
    pieces: Iterable[bytes],
    limits: Limits = DEFAULT_LIMITS,
    reply: Callable[[HTTP1Connection, Request], None] = answer,
) -> Outcome:
    """Feed ``pieces`` and answer each request as it comes."""
    connection = HTTP1Connection(limits=limits)
    requests = []
    for piece in pieces:
        request = connection.receive_data(piece)
        while request is not None:
            requests.append(fields(request))
            reply(connection, request)
            request = connection.next_request()
    sent = connection.data_to_send()
    return Outcome(requests, sent, connection.fault, connection.should_close)


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """Cut ``data`` at the given offsets."""
    edges = [0, *sorted(offset % (len(data) + 1) for offset in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


CUTS = st.lists(st.integers(0, 1 << 20), max_size=8)


def every_way(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Serve ``data`` whole, byte by byte, and in pairs and triples: always the same outcome."""
    whole = serve([data], limits)
    for size in (1, 2, 3):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert serve(pieces, limits) == whole
    return whole


def read_responses(sent: bytes, methods: Iterable[bytes]) -> list[tuple[h11.Response, bytes]]:
    """Read what we sent with h11 as the client that asked with ``methods``."""
    client = h11.Connection(h11.CLIENT)
    responses = []
    for method in methods:
        client.send(h11.Request(method=method, target="/", headers=[("Host", "localhost")]))
        client.send(h11.EndOfMessage())
        if sent:
            client.receive_data(sent)
            sent = b""
        responses.append(_read_response(client))
        if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
            break
        client.start_next_cycle()
    return responses


def _read_response(client: h11.Connection) -> tuple[h11.Response, bytes]:
    event = client.next_event()
    while isinstance(event, h11.InformationalResponse):
        event = client.next_event()
    assert isinstance(event, h11.Response)
    body = b""
    while not isinstance(piece := client.next_event(), h11.EndOfMessage):
        if piece is h11.NEED_DATA:
            client.receive_data(b"")
            continue
        assert isinstance(piece, h11.Data)
        body += bytes(piece.data)
    return event, body
