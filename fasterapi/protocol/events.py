"""What a connection reports beside messages: small frozen objects, made for ``match``.

A complete message is no event object: it is the ``str`` or the ``bytes`` itself.

    match event:
        case str() | bytes(): ...
        case Ping(payload): ...
        case Closed(code, reason): ...
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Closed", "Event", "Fragment", "Ping", "Pong"]


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer sent a Ping; its Pong is queued already (RFC 6455, section 5.5.2).

    Attributes:
        payload: 0 to 125 bytes.
    """

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer sent a Pong (RFC 6455, section 5.5.3).

    Attributes:
        payload: 0 to 125 bytes.
        latency: Seconds since the ping that it answers; ``None`` if it answers none of ours.
        answers: Payloads of the pings that it answers: its own, and any earlier one left open.
    """

    payload: bytes
    latency: float | None = field(default=None, compare=False)
    answers: tuple[bytes, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a message, in streaming mode: at most ``limits.STREAM_PIECE`` bytes of it.

    Parts are cut at the ends of frames and at multiples of that size, never by how the bytes
    happened to arrive; text is cut between characters.

    Attributes:
        data: ``str`` for text, ``bytes`` for binary; may be empty.
        fin: Whether the message ends here.
    """

    data: str | bytes
    fin: bool

    def __len__(self) -> int:
        """Give the length of its data."""
        return len(self.data)

    def __bool__(self) -> bool:
        """An empty part is a part: it may be the last one."""
        return True


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over: no message follows. Reported exactly once.

    Attributes:
        code: The peer's close code; 1005 if its Close had none; 1006 if the connection ended
            without a Close; the code that we failed it with, if the peer broke the protocol.
        reason: The peer's reason, or what it did wrong.
        remote: Whether the peer's own Close said so.
    """

    code: int
    reason: str = ""
    remote: bool = field(default=False, compare=False)


Event = str | bytes | Ping | Pong | Fragment | Closed
