"""Never an exception, never over the limit, the same events however the bytes arrive or are taken.

Input is what a client sends on a WebSocket that agreed on permessage-deflate; its first byte
chooses the window and whether a context is kept.
"""

from __future__ import annotations

from fasterapi.limits import Limits
from fasterapi.protocol import Compression, PerMessageDeflate, Role, WebSocketConnection

from .command import corpus, run

__all__ = ["CORPUS", "check"]

CORPUS = corpus("inflate")
LIMITS = Limits(max_message_size=4096, max_fragments=16, receive_high_water=16)


def _receive(choice: int, reads: list[bytes], *, stepwise: bool = False) -> list[object]:
    factory = PerMessageDeflate(
        Compression(window_bits=9 + choice % 7, context_takeover=choice < 128)
    )
    agreed = factory.respond((("client_max_window_bits", None),))
    assert agreed is not None
    connection = WebSocketConnection(Role.SERVER, limits=LIMITS, extensions=[agreed[1]])
    connection.stepwise = stepwise
    events: list[object] = []
    for read in reads:
        events += connection.receive_data(read)
        while connection.unread:
            events += connection.receive_data(b"")
    return events


def check(data: bytes) -> None:
    """Hold an input to the invariant.

    Raises:
        AssertionError: If it does not hold.
    """
    choice, data = data[0] if data else 0, data[1:]
    whole = _receive(choice, [data])
    for event in whole:
        if isinstance(event, (str, bytes)):
            size = len(event if isinstance(event, bytes) else event.encode())
            assert size <= LIMITS.max_message_size, size
    assert _receive(choice, [data[at : at + 1] for at in range(len(data))]) == whole
    assert _receive(choice, [data], stepwise=True) == whole


if __name__ == "__main__":
    run(check, CORPUS)
