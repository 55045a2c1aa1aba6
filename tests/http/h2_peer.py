"""A client of HTTP/2 that nobody here wrote: the h2 library's, with what it has heard of streams.

``Peer`` is sans-IO: tests carry its bytes, in memory or over a socket. Its ``h2`` can be driven
past it, and ``raw`` writes frames that h2 would refuse to send.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")]
EXTENDED = [
    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
    (":authority", "localhost"), (":path", "/ws"), ("sec-websocket-version", "13"),
]  # fmt: skip
CALM = 11  # ENHANCE_YOUR_CALM


def fields(base: list[tuple[str, str]], **changes: str | None) -> list[tuple[str, str]]:
    """Change pseudo-fields, named without their colon; ``None`` leaves one out."""
    names = {f":{name}": value for name, value in changes.items()}
    kept = [(name, names.pop(name, value)) for name, value in base]
    added = [(name, value) for name, value in names.items() if value is not None]
    return [*added, *((name, value) for name, value in kept if value is not None)]


def raw(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Write a frame (RFC 9113, section 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """Cut what a server sent into frames: their kinds, streams and payloads."""
    found = []
    while data:
        size = 9 + int.from_bytes(data[:3], "big")
        found.append((data[3], int.from_bytes(data[5:9], "big"), data[9:size]))
        data = data[size:]
    return found


def code(number: int) -> bytes:
    """Write an error code, or the number of a stream, as frames carry it."""
    return number.to_bytes(4, "big")


@dataclass
class Heard:
    """What came on a stream."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    frames: list[int] = field(default_factory=list)  # sizes of DATA
    ended: bool = False
    reset: int | None = None


class Peer:
    """The client.

    Args:
        credit: Whether credit for data is given back at once.
        window: The window that streams begin with.
        validate: Whether h2 may refuse to send what is wrong.
    """

    def __init__(
        self, *, credit: bool = True, window: int | None = None, validate: bool = True
    ) -> None:
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=validate,
            normalize_outbound_headers=validate,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.credit = credit
        self.heard: dict[int, Heard] = defaultdict(Heard)
        self.goaway: int | None = None
        self.last_stream: int | None = None
        self.settings: dict[Any, int] = {}
        self.pongs = 0
        self._unread = b""
        if window is not None:
            self.h2.local_settings.initial_window_size = window
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()

    def request(
        self, headers: list[tuple[str, str]] = GET, body: bytes | None = None, *, end: bool = True
    ) -> int:
        """Send a request; give its stream."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, headers, end_stream=end and body is None)
        if body is not None:
            self.h2.send_data(number, body, end_stream=end)
        return number

    def connect(self, path: str = "/ws", *others: tuple[str, str]) -> int:
        """Ask for a WebSocket; give its stream."""
        return self.request([*fields(EXTENDED, path=path), *others], end=False)

    def hear(self, data: bytes) -> None:
        """Take what the server sent; but for GOAWAY, behind which h2 would take nothing more."""
        self._unread += data
        while len(self._unread) >= 9:
            size = 9 + int.from_bytes(self._unread[:3], "big")
            if len(self._unread) < size:
                break
            frame, self._unread = self._unread[:size], self._unread[size:]
            if frame[3] == 7:
                self.last_stream = int.from_bytes(frame[9:13], "big")
                self.goaway = int.from_bytes(frame[13:17], "big")
                continue
            for event in self.h2.receive_data(frame):
                self._hear(event)

    def _hear(self, event: h2.events.Event) -> None:
        heard = self.heard[getattr(event, "stream_id", None) or 0]
        if isinstance(event, h2.events.ResponseReceived):
            pairs = dict(event.headers or ())
            heard.status = int(pairs[":status"])
            heard.headers = {str(name): str(value) for name, value in pairs.items()}
        elif isinstance(event, h2.events.DataReceived):
            heard.data += event.data or b""
            heard.frames.append(len(event.data or b""))
            if self.credit and event.flow_controlled_length:
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id or 0
                )
        elif isinstance(event, h2.events.StreamEnded):
            heard.ended = True
        elif isinstance(event, h2.events.StreamReset):
            heard.reset = int(event.error_code or 0)
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings |= {
                code: change.new_value for code, change in event.changed_settings.items()
            }
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1
