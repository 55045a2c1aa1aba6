"""Every limit, in one frozen dataclass: its unit, its default, and why that number.

A limit that a peer runs into costs that peer its connection or its request, with the close code or
the status named here, and one log line that names the limit. Nothing else is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = [
    "DEFAULT_LIMITS", "FRAME_OVERHEAD", "FREE_BURST", "H2_SPAN", "MAX_BURST",
    "MAX_FINAL_BLOCKS", "MAX_FORWARDED_HEAD", "MAX_FORWARDED_HEADERS", "MAX_HEADER_LIST",
    "MAX_INTERIM_RESPONSES", "MAX_OPEN_PINGS", "MAX_REFUSAL", "MAX_REFUSED", "MAX_RETRY_DELAY",
    "MAX_UNREAD_EVENTS", "MESSAGE_OVERHEAD", "MIN_RETRY_DELAY", "REFUSAL_TIMEOUT",
    "SMALL_FRAGMENT", "STEADY_TIME", "STREAM_PIECE", "Limits",
]  # fmt: skip

KIB = 1024
MIB = 1024 * 1024

MESSAGE_OVERHEAD = 128
"""Bytes that a queued message counts for beside its payload: about what its object costs, so that
a flood of empty messages fills the queue too (aiohttp uses the same figure)."""

FRAME_OVERHEAD = 512
"""Bytes that a frame counts for beside what it inflates to, where a read is taken in steps, unless
it is a whole message that is not compressed: a step has 128 of them at most, which take 2 ms where
each has a new inflater made."""

MAX_BURST = 128
"""Messages that ``receive`` hands out one after the other before it lets the event loop serve the
other connections, if the handler itself never waits for anything else; and as many that ``send``
takes, once more than ``FREE_BURST`` bytes are queued."""

FREE_BURST = 4 * KIB
"""Bytes that may be queued in one turn of the event loop before anybody counts the sends."""

MAX_FINAL_BLOCKS = 8
"""Streams of DEFLATE that end in one compressed frame: each costs a new inflater, and may be as
short as two bytes. Who ends its stream does so once a message. Over it: close code 1008."""

MAX_FORWARDED_HEAD = 256 * KIB
"""Bytes of a request head, and of each of its lines, that another server has taken and hands on:
more than any of them takes by default (uvicorn 64 KiB, hypercorn 16 KiB)."""

SMALL_FRAGMENT = 64
"""Bytes: inside of another server, whose limit is on the size of a message alone, a message of that
size may come in fragments as small as these."""

MAX_FORWARDED_HEADERS = 1024
"""Header fields of such a head."""

H2_SPAN = 30.0
"""Seconds over which ``Limits.max_h2_resets`` and ``Limits.max_h2_control_frames`` are counted."""

MAX_HEADER_LIST = 64 * KIB
"""Bytes of the fields of one HTTP/2 request, packed or unpacked, from which on the connection ends
and not the request alone, unless ``Limits.max_head_size`` is larger. As in h2."""

MAX_UNREAD_EVENTS = 64
"""Events of a generator in a WSGI server that may wait for its client; behind them it waits."""

MAX_REFUSED = 1000
"""Connections that the server of threads tells at a time why it refuses them; of more it just hangs
up, for each costs a descriptor until its client has hung up as well."""

MAX_OPEN_PINGS = 64
"""Pings of ours that may wait for a pong; older ones are forgotten."""

MAX_RETRY_DELAY = 86_400.0
"""Seconds that a client waits before it connects again, at most, whatever the server asks for."""

MIN_RETRY_DELAY = 0.1
"""Seconds from which delays grow when attempts fail and the server has asked for none."""

STEADY_TIME = 5.0
"""Seconds that a WebSocket has to be open, so that the next one after it comes without a longer
delay: a server that accepts and then closes at once is not asked again and again."""

STREAM_PIECE = 64 * KIB
"""Bytes of a ``Fragment`` at most, in streaming mode: a frame of any length goes through in pieces
of this size, so that memory stays bounded however long the message is; but for one that an
extension decodes, which it does whole."""

MAX_INTERIM_RESPONSES = 16
"""Responses of the 100s that a client reads before the one that counts."""

MAX_REFUSAL = 4 * KIB
"""Bytes of a refusal's body that a client waits for, to show them in the error."""

REFUSAL_TIMEOUT = 1.0
"""Seconds that it waits for them at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may cost.

    Sizes are in bytes and times in seconds. ``dataclasses.replace`` changes a single one.

    Attributes:
        max_message_size: A whole message, after any inflation. Over it: close code 1009, decided
            at the frame header, before a payload is buffered. 1 MiB, as in websockets.
        max_fragments: Frames of one message, empty ones counted. Over it: close code 1008. 1,024:
            a MiB in 1 KiB pieces; without it, empty fragments cost memory for ever.
        max_queued_pongs: Pongs that wait to be written. Over it: older ones give way, as RFC 6455,
            section 5.5.3 allows. 64.
        receive_high_water: Messages that wait for the handler, each counted with
            ``MESSAGE_OVERHEAD``. Over it reading pauses, and goes on below half; and a read that
            inflates to more is taken in steps of this size and a message at most, each frame
            counted with ``FRAME_OVERHEAD``. 64 KiB, as in asyncio's own streams.
        write_high_water: Bytes that wait to be sent. Over it ``send`` waits. 64 KiB.
        max_write_buffer: Bytes that wait to be sent when a further send is asked for by a caller
            who does not wait. Over it the connection is aborted: the peer is too slow. 1 MiB.
        write_timeout: Time without the peer taking one byte while bytes wait. Then the connection
            is aborted. 30 s.
        answer_timeout: From the peer's Close, or its first fault, to our own Close at the latest:
            the time that a handler has to answer messages that came before. Over it: the Close
            goes out all the same. 1 s.
        close_timeout: From our Close to the end of the connection. Over it: the transport is
            closed. 5 s.
        ping_interval: Silence of the peer. Over it: a ping is sent. ``None``: no pings. 20 s, below
            every common proxy's idle limit.
        ping_timeout: From that ping to any byte at all from the peer. Over it: close code 1011.
            ``None``: wait for ever. 20 s.
        handshake_timeout: From the start of a request (the accept, for the first) to its end,
            absolute: a byte now and then does not extend it. Over it: status 408. 10 s.
        open_timeout: From a client's first look-up of a name to the end of the opening handshake,
            with proxy, TLS and redirects. Over it: ``TimeoutError``. ``None``: no bound. 10 s.
        max_redirects: Redirects that a client follows for one connection. Over it:
            ``RedirectError``. 10, as in websockets.
        keep_alive_timeout: Idle time between two requests on one connection. Over it: the
            connection is closed. 15 s.
        max_head_size: A request line and its headers. Over it: status 431. 16 KiB, as in h11,
            node and nginx.
        max_headers: Header fields of a request. Over it: status 431. 100, as in Apache.
        max_header_line: One line of a head. Over it: status 414 for the request line, 431 for a
            field. 8 KiB, as in Apache.
        max_body_size: A request body. Over it: status 413. 1 MiB, as in nginx.
        sse_keepalive: Silence of an event stream. Over it: a comment is sent. ``None``: none. 15 s,
            the WHATWG's advice.
        sse_start_delay: Time that the handler of an event stream has to send its first event, or to
            answer with an error status instead. Over it: the response begins all the same, so that
            the browser reports the stream open. 0.5 s.
        max_event_size: A line, or the data of an event, that the parser accepts, in characters.
            Over it: ``EventStreamError``. 1 MiB.
        max_reconnect_delay: How far the delay before a client's next attempt grows while one fails
            after the other. Over it: it grows no further. 60 s.
        max_connections: Connections of one server, with each open stream of an HTTP/2 connection
            counted as one more. Over it: status 503. 10,000.
        max_threads: Threads of an app's pool for ``def`` handlers; in the sync server, of its
            connections. Over it: status 503. 200.
        max_h2_streams: Requests, WebSockets and event streams at a time on one HTTP/2 connection.
            Over it: a stream is refused, and the client may try again. 100, as in h2 and nghttp2.
        max_h2_resets: Streams of one HTTP/2 connection that either side resets in 30 s, against
            floods of them: CVE-2023-44487 and, where it is we who are made to reset, CVE-2025-8671.
            Over it: the connection is ended with ``ENHANCE_YOUR_CALM``. 200.
        max_h2_control_frames: Frames of one HTTP/2 connection in 30 s that carry no request:
            pings, settings, priorities, empty data, and window updates beyond ten for each frame of
            data that we send. Over it: the connection is ended with ``ENHANCE_YOUR_CALM``. 1,000.
    """

    max_message_size: int = 1 * MIB
    max_fragments: int = 1024
    max_queued_pongs: int = 64
    receive_high_water: int = 64 * KIB
    write_high_water: int = 64 * KIB
    max_write_buffer: int = 1 * MIB
    write_timeout: float = 30.0
    answer_timeout: float = 1.0
    close_timeout: float = 5.0
    ping_interval: float | None = 20.0
    ping_timeout: float | None = 20.0
    handshake_timeout: float = 10.0
    open_timeout: float | None = 10.0
    max_redirects: int = 10
    keep_alive_timeout: float = 15.0
    max_head_size: int = 16 * KIB
    max_headers: int = 100
    max_header_line: int = 8 * KIB
    max_body_size: int = 1 * MIB
    sse_keepalive: float | None = 15.0
    sse_start_delay: float = 0.5
    max_event_size: int = 1 * MIB
    max_reconnect_delay: float = 60.0
    max_connections: int = 10_000
    max_threads: int = 200
    max_h2_streams: int = 100
    max_h2_resets: int = 200
    max_h2_control_frames: int = 1000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ValueError(f"Limits.{field.name} must be positive, not {value!r}")


DEFAULT_LIMITS = Limits()
