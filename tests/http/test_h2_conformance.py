"""Section by section: what RFC 9113 asks of a server, by frames that no library would send."""

from __future__ import annotations

import pytest

from fasterapi.http.h2 import HTTP2Connection
from fasterapi.http.h2_events import RequestReceived
from fasterapi.http.h2_stream import HTTP2Stream
from fasterapi.protocol.http import Response

from .h2_cases import BEGIN, CASES, DONE, GOAWAY, RESET, Case, block, code, raw
from .h2_link import answer
from .h2_peer import frames


class Server:
    """A connection that answers requests to ``DONE`` at once, and others with a stream.

    Args:
        size: Bytes that it gets at a time.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.connection = HTTP2Connection()
        self.streams: list[HTTP2Stream] = []

    def take(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Receive; give the frames that are sent."""
        for at in range(0, len(data), self.size):
            for event in self.connection.receive_data(data[at : at + self.size]):
                if isinstance(event, RequestReceived):
                    self._serve(event.stream)
        out = b""
        while data := self.connection.data_to_send():
            out += data
            self.connection.progressed()
        return frames(out)

    def _serve(self, stream: HTTP2Stream) -> None:
        if stream.request.path == DONE:
            answer(stream, Response(200, body=b"ok"))
        elif not stream.lost:
            stream.start_stream(Response(200))
            self.streams.append(stream)


@pytest.mark.parametrize("size", [1, 1 << 20], ids=["bytewise", "whole"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_error_is_the_one_that_the_standard_asks_for(case: Case, size: int) -> None:
    server = Server(size)
    server.take(BEGIN + raw(4, 1))
    server.take(case.served)
    sent = server.take(case.data)
    ends = [int.from_bytes(payload[4:8], "big") for kind, _, payload in sent if kind == GOAWAY]
    resets = [(stream, payload) for kind, stream, payload in sent if kind == RESET]
    assert ends == ([] if case.goaway is None else [case.goaway])
    assert server.connection.should_close is (case.goaway is not None)
    if case.goaway is None:
        assert resets == ([] if case.reset is None else [(1, code(case.reset))])
        assert (0, 99, b"ok") in server.take(raw(1, 5, 99, block(DONE)))
