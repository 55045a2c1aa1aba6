"""One WebSocket after its handshake, either role: bytes to events, messages to bytes.

RFC 6455, sections 5 to 7. ``receive_data`` takes a read and answers with all of its events; the
sending methods queue bytes that ``data_to_send`` hands out. Nothing is read or written here and no
clock is looked at: time comes in as ``now``, in seconds of any steady clock, and goes out as
``next_deadline``. A deadline that a method without ``now`` begins (``close``) is armed by the next
call that has one.

Strict closing: when the peer's Close or a fault of the peer is met, our own Close is *owed*. It is
the last thing that ``data_to_send`` hands out, so answers to earlier messages go first:

    for event in connection.receive_data(data, now):
        ...                                   # answer, with connection.send_text(...)
    transport.write(connection.data_to_send())

Whoever answers later (in a task or a thread) calls ``data_to_send(hold_close=True)`` until its
reader has reached the ``Closed`` event.

The class is made in steps, a file each: what waits to be written (``outgoing``), what is sent
(``sending``), how long it lives and how it ends (``lifetime``), what is received (``receiving``).
They share one object and its slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..limits import DEFAULT_LIMITS, Limits
from .extensions import Extension
from .keepalive import Keepalive
from .outgoing import Role
from .receiving import Receiving

__all__ = ["Role", "WebSocketConnection"]


class WebSocketConnection(Receiving):
    """A WebSocket as a state machine over bytes.

    Args:
        role: Our end.
        limits: What the peer may cost; see ``Limits``.
        extensions: Those negotiated, in the order in which they encode.
        subprotocol: The one negotiated, for the record.
        keepalive: When to ping; ``None``: never.
        masking_key: Makes the four-byte masking keys of a client; ``secrets`` by default.

    Attributes:
        role, limits, extensions, subprotocol: As given.
        state: Where the connection stands.
        failed: Whether we ended it for a fault of the peer's.
        queued: Bytes that wait for ``data_to_send``, pongs and an owed Close left out.
        piecewise: Whether a long message is encoded piece by piece (``Extension.piece_size``), and
            sent in fragments, but for what ``send_prepared`` shares. Set it if you call
            ``data_to_send`` until ``has_data_to_send`` says no, and do other things in between.
        behind: Whether such a message is not yet encoded to its end.
        stepwise: Whether a read in which extensions decode more than ``Limits.receive_high_water``
            is taken in steps, so that what one read may inflate to does not wait all at once: a
            step ends with the message that goes over it. Each compressed message, each fragment and
            each control frame counts for ``FRAME_OVERHEAD`` bytes more, so that a read of thousands
            of them takes its time in turns, too. Set it if you call ``receive_data(b"")`` while
            there is something ``unread``, and read nothing else meanwhile.
        unread: Whether such a read is not yet taken to its end.

    Raises:
        LocalProtocolError: If two extensions claim the same RSV bit, or one that is ``direct``
            doesn't claim exactly one.
    """

    __slots__ = ()

    def __init__(
        self,
        role: Role,
        *,
        limits: Limits = DEFAULT_LIMITS,
        extensions: Sequence[Extension] = (),
        subprotocol: str | None = None,
        keepalive: Keepalive | None = None,
        masking_key: Callable[[], bytes] | None = None,
    ) -> None:
        super().__init__(role, limits, extensions, subprotocol, masking_key)
        self._begin(keepalive)
        self._expect()
