"""No error, ever; no more than limits allow; and the same events however the bytes arrive.

Input is what a client of HTTP/2 sends behind its preface and its first settings.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fasterapi.http.h2 import HTTP2Connection
from fasterapi.http.h2_events import RequestReceived, StreamData, StreamEvent
from fasterapi.http.h2_frames import PREFACE
from fasterapi.limits import Limits

from .command import corpus, run

__all__ = ["CORPUS", "check"]

CORPUS = corpus("http2")
LIMITS = Limits(max_body_size=100, max_h2_streams=4, max_h2_resets=5, max_h2_control_frames=20)
BEGIN = PREFACE + bytes.fromhex("000000040000000000")


class _Outcome(NamedTuple):
    events: list[tuple[str, int, bytes]]
    fault: str
    over: bool


def _receive(reads: list[bytes]) -> _Outcome:
    connection = HTTP2Connection(limits=LIMITS)
    events: list[tuple[str, int, bytes]] = []
    for read in [BEGIN, *reads]:
        for event in connection.receive_data(read):
            events.append((type(event).__name__, event.stream.number, _bytes_of(event)))
            assert len(event.stream.request.body) <= LIMITS.max_body_size
        assert len(connection.streams) <= LIMITS.max_h2_streams
    fault = re.sub("0x[0-9a-f]+", "", connection.fault)  # hpack's names an address in memory
    return _Outcome(events, fault, connection.should_close)


def _bytes_of(event: StreamEvent) -> bytes:
    if isinstance(event, RequestReceived):
        return event.request.target.encode("latin-1") + b" " + event.request.body
    return event.data if isinstance(event, StreamData) else b""


def check(data: bytes) -> None:
    """Hold an input to the invariant.

    Raises:
        AssertionError: If it does not hold.
    """
    whole = _receive([data])
    for step in (1, 7):
        assert _receive([data[at : at + step] for at in range(0, len(data), step)]) == whole


if __name__ == "__main__":
    run(check, CORPUS)
