"""Never an exception, never over a limit, the same events and answers however the bytes arrive.

Input is what a peer sends on a WebSocket; its first byte chooses our role.
"""

from __future__ import annotations

from typing import NamedTuple

from fasterapi.limits import Limits
from fasterapi.protocol import Event, Role, State, WebSocketConnection

from .command import corpus, run

__all__ = ["CORPUS", "check"]

CORPUS = corpus("frames")
LIMITS = Limits(max_message_size=300, max_fragments=8, max_queued_pongs=4)


class _Outcome(NamedTuple):
    events: list[Event]
    sent: bytes
    state: State


def _receive(role: Role, reads: list[bytes]) -> _Outcome:
    connection = WebSocketConnection(role, limits=LIMITS, masking_key=lambda: b"mask")
    events = [event for read in reads for event in connection.receive_data(read)]
    events += connection.receive_eof()
    return _Outcome(events, connection.data_to_send(), connection.state)


def check(data: bytes) -> None:
    """Hold an input to the invariant.

    Raises:
        AssertionError: If it does not hold.
    """
    role = Role.CLIENT if data[:1] >= b"\x80" else Role.SERVER
    data = data[1:]
    whole = _receive(role, [data])
    for event in whole.events:
        if isinstance(event, (str, bytes)):
            size = len(event if isinstance(event, bytes) else event.encode())
            assert size <= LIMITS.max_message_size, size
    for step in (1, 3):
        reads = [data[at : at + step] for at in range(0, len(data), step)]
        assert _receive(role, reads) == whole


if __name__ == "__main__":
    run(check, CORPUS)
