"""The server side of one HTTP/2 connection, sans-IO (RFC 9113, with h2).

Received bytes become requests, each on its stream, and data of those streams; what the streams send
becomes frames, as far as the peer's windows allow. h2 knows the frames and their order. What it
does not bring is around it: how much a peer may cost (``h2_gate``), what a request may say
(``h2_intake``), whose turn it is to send (``h2_output``), and here, when a peer has had its time,
and an end that cuts nobody off.

Rules
    1. A stream that the peer does not read, or that nobody here reads, holds up no other: what it
       has waits in its own buffers, and streams take turns frame by frame.
    2. Credit for the connection's window is given back when data arrives, whatever becomes of its
       stream; credit for a stream's window when its reader has taken the data.
    3. The peer's faults never raise. Those of a request are a matter of its stream; those of a
       frame, and floods, end the connection with GOAWAY.
    4. After our GOAWAY, streams that are open go on; new ones are refused unread, as are too many
       at a time (section 5.1.2), and a client may send those requests again elsewhere. No later
       GOAWAY names a later stream (section 6.8).
    5. Every stream that is reset from here with an error counts, whoever found it: we or h2.

Sockets, clocks, routes and WebSocket handshakes are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import h2.events
from h2.exceptions import ProtocolError
from hpack import HPACKError

from ..limits import DEFAULT_LIMITS, Limits
from .h1_head import RequestFault
from .h2_events import StreamEvent, StreamLost
from .h2_frames import ErrorCode, goaway, window_update
from .h2_gate import ConnectionFault, FrameGate
from .h2_intake import Intake
from .h2_output import Output
from .h2_settings import keep_table_small, make_connection, stream_window
from .h2_stream import HTTP2Stream

__all__ = ["HTTP2Connection"]


class HTTP2Connection:
    """One HTTP/2 connection, as its server sees it.

    Feed it what arrives and deal with the events; write what ``data_to_send`` gives as long as the
    transport takes it, and tell the streams in ``progressed`` about it; close the transport once
    that is written and ``should_close`` is true.

    Args:
        limits: What a peer may cost: those with ``h2`` in their names, those of a request, the
            time-outs, and ``receive_high_water``, which is a stream's window.
        scheme: ``"http"`` or ``"https"``, handed on in each request.
        client: The peer's address, handed on in each request.
        default_headers: Asked at each response for fields to add where it does not set them.
        now: The time of the accept, in seconds of any monotonic clock.

    Attributes:
        streams: The open streams, by number.
        default_headers: As given.
        fault: Why the connection had to end, for the log; empty if it did not.
        should_close: Whether the transport is to be closed once ``data_to_send`` is written.
    """

    __slots__ = (
        "_gate", "_going", "_greeted", "_h2", "_idle_deadline", "_intake", "_last_stream",
        "_limits", "_now", "_output", "_window", "default_headers", "fault", "should_close",
        "streams",
    )  # fmt: skip

    def __init__(
        self,
        *,
        limits: Limits = DEFAULT_LIMITS,
        scheme: str = "http",
        client: str = "",
        default_headers: Callable[[], Iterable[tuple[str, str]]] = tuple,
        now: float = 0.0,
    ) -> None:
        self.default_headers = default_headers
        self.fault = ""
        self.should_close = False
        self.streams: dict[int, HTTP2Stream] = {}
        self._limits = limits
        self._gate = FrameGate(limits)
        self._going = False  # no new streams: GOAWAY was sent, or came
        self._last_stream: int | None = None  # as our GOAWAY told it
        self._greeted = False  # the client's first settings have come
        self._idle_deadline: float | None = now + limits.handshake_timeout
        self._now = now
        self._window = stream_window(limits)
        self._h2 = make_connection(limits)
        self._intake = Intake(self, self._h2, limits, scheme=scheme, client=client)
        self._output = Output(self._h2, self._gate)
        self._output.collect()

    @property
    def wants_data(self) -> bool:
        """Whether reading should go on; false while answers to what was read can't be written."""
        return self._output.unsent <= self._limits.write_high_water

    # ------------------------------------------------------------------------------------- in

    def receive_data(
        self, data: bytes | bytearray | memoryview, now: float = 0.0
    ) -> list[StreamEvent]:
        """Take in what arrived.

        Args:
            data: One read, of any size.
            now: The time.

        Returns:
            What it means to the streams. When ``should_close`` has become true, all streams are
            lost, without an event for each.
        """
        events: list[StreamEvent] = []
        if self.should_close:
            return events
        self._now = now
        try:
            self._take_frames(data, events)
        except ConnectionFault as fault:
            self._fail(fault)
        except ProtocolError as error:
            self._h2.clear_outbound_data_buffer()  # of its GOAWAY: ours knows what was said before
            self._fail(ConnectionFault(_error_code(error), f"a fault of HTTP/2: {error}"))
        if not self.should_close:
            if self._gate.dropped:  # h2 has not heard of it
                self._output.queue(window_update(self._gate.dropped))
                self._gate.dropped = 0
            if self._gate.goaway is not None:
                self._peer_goes(self._gate.goaway)
        return events

    def _take_frames(self, data: bytes | bytearray | memoryview, events: list[StreamEvent]) -> None:
        for piece in self._gate.pass_on(data, self._now):
            for event in self._h2.receive_data(piece):
                events += self._take(event)
            if resets := self._output.collect():
                self._gate.count_resets(resets, self._now)
            if self.should_close:
                break

    def _take(self, event: h2.events.Event) -> list[StreamEvent]:
        if isinstance(event, h2.events.DataReceived):
            return self._intake.take_data(event)
        if isinstance(event, h2.events.RequestReceived):
            if not self._going and len(self.streams) < self._limits.max_h2_streams:
                return self._intake.take_head(event, self._now)
            self._reset(event.stream_id or 0, ErrorCode.REFUSED_STREAM)
        elif isinstance(event, h2.events.StreamEnded):
            return self._intake.take_end(self.streams.get(event.stream_id or 0))
        elif isinstance(event, h2.events.TrailersReceived):
            return self._intake.take_trailers(event)
        elif isinstance(event, h2.events.StreamReset):
            return self._take_reset(event.stream_id or 0, ours=not event.remote_reset)
        elif isinstance(event, h2.events.WindowUpdated):
            self._output.unblock(event.stream_id or 0)
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self._take_settings()
        return []

    def _take_reset(self, number: int, *, ours: bool) -> list[StreamEvent]:
        if ours:
            self._gate.forget(number)
        stream = self.streams.get(number)
        if stream is None:
            return []
        self._forget(stream)
        return [StreamLost(stream, "a fault of HTTP/2" if ours else "")]

    def _take_settings(self) -> None:
        if not self._greeted:
            self._greeted = True
            self._idle_deadline = self._now + self._limits.keep_alive_timeout
        keep_table_small(self._h2)
        self._output.unblock(0)

    def _peer_goes(self, code: int) -> None:
        """The peer has sent GOAWAY: it opens no more streams, and waits for those that are open."""
        self._going = True
        if code != ErrorCode.NO_ERROR:
            self._end(f"the client ended the connection with the error {code:#x}")
        elif not self.streams:
            self._end("")

    # ----------------------------------------------------------------------------------- time

    def next_deadline(self) -> float | None:
        """Give the time at which ``tick`` has something to do."""
        if self.should_close:
            return None
        deadlines = [self._idle_deadline, self._gate.deadline()]
        deadlines += [stream.deadline for stream in self.streams.values()]
        deadlines.append(self._output.next_deadline())
        return min((d for d in deadlines if d is not None), default=None)

    def tick(self, now: float) -> list[StreamEvent]:
        """Do what is due: end what is idle, and what keeps us waiting for too long."""
        events: list[StreamEvent] = []
        if self.should_close:
            return events
        self._now = now
        if _is_due(self._gate.deadline(), now):
            fault = RequestFault.over(
                self._limits, "handshake_timeout", 408, "header block", "seconds"
            )
            self._fail(ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, fault.log))
        elif _is_due(self._idle_deadline, now):
            self._fail(ConnectionFault(ErrorCode.NO_ERROR, ""))
        for stream in [s for s in self.streams.values() if _is_due(s.deadline, now)]:
            if stream.should_close:
                self.reset(stream, ErrorCode.NO_ERROR)
            else:
                events += self._intake.refuse_over(
                    stream, "handshake_timeout", 408, "request", "seconds"
                )
        for stream in self._output.stalled(now):
            self.reset(stream, ErrorCode.CANCEL)
            seconds = self._limits.write_timeout
            text = f"reset: it took no byte for Limits.write_timeout ({seconds:g} s)"
            events.append(StreamLost(stream, text))
        return events

    # ------------------------------------------------------------------------------------ out

    def data_to_send(self, now: float = 0.0) -> bytes:
        """Give frames to write, some 64 KiB at a time; ``b""`` if nothing can be sent now.

        Args:
            now: The time, from which on a stream that can't send has to get credit.
        """
        self._now = now
        data = self._output.take(now)
        if self._going and not self.streams and not self.should_close:
            self._end("")
        return data

    def progressed(self) -> list[HTTP2Stream]:
        """Give the streams that have sent something, or all, since this was last asked."""
        streams = self._output.progressed()
        for stream in streams:
            if stream.ended:
                self.half_ended(stream)
        return streams

    def shut_down(self) -> None:
        """Say goodbye: what is open goes on, nothing new is taken (section 6.8)."""
        if not self._going and not self.should_close:
            self._going = True
            self._say_goodbye(ErrorCode.NO_ERROR)
            for stream in [s for s in self.streams.values() if s.ended and s.should_close]:
                self.reset(stream, ErrorCode.NO_ERROR)
            if not self.streams:
                self._end("")

    # ----------------------------------------------------------------------------- for streams

    def send_head(
        self, stream: HTTP2Stream, fields: list[tuple[bytes, bytes]], *, end: bool
    ) -> None:
        """Queue the head of an answer."""
        if stream.lost:
            return
        self._h2.send_headers(stream.number, fields, end_stream=end)
        self._output.collect()
        if end:
            stream.ended = True
            self._output.note_progress(stream)

    def schedule(self, stream: HTTP2Stream) -> None:
        """Note that a stream has something to send."""
        self._output.schedule(stream)

    def credit(self, stream: HTTP2Stream, size: int) -> None:
        """Give credit back for data of a stream, a half window at a time."""
        stream.unread += size
        if stream.unread >= self._window // 2 and not stream.peer_ended and not stream.is_over:
            self._h2.increment_flow_control_window(stream.unread, stream.number)
            stream.unread = 0
            self._output.collect()

    def add(self, stream: HTTP2Stream) -> None:
        """Take in a stream."""
        self.streams[stream.number] = stream
        self._idle_deadline = None

    def reset(self, stream: HTTP2Stream, code: ErrorCode) -> None:
        """Reset a stream, if it is not over; one of too many ends the connection."""
        if stream.number in self.streams and not self.should_close:
            self._reset(stream.number, code)
        self._forget(stream)

    def half_ended(self, stream: HTTP2Stream) -> None:
        """See to a stream that has sent all; the client may not have (section 8.1).

        Told at once that the rest is not wanted, some (curl 7.88) throw the answer away too. They
        have as much time as on a connection of HTTP/1.1; a server that stops does not wait.
        """
        if stream.is_over:
            self._remove(stream)
        elif stream.should_close and self._going:
            self.reset(stream, ErrorCode.NO_ERROR)
        elif stream.should_close:
            stream.deadline = self._now + self._limits.close_timeout

    # ---------------------------------------------------------------------------------- the end

    def _reset(self, number: int, code: ErrorCode) -> None:
        self._h2.reset_stream(number, code)
        self._gate.forget(number)
        try:
            self._gate.count_resets(self._output.collect(), self._now)
        except ConnectionFault as fault:
            self._fail(fault)

    def _forget(self, stream: HTTP2Stream) -> None:
        stream.lose()
        self._remove(stream)

    def _remove(self, stream: HTTP2Stream) -> None:
        self._output.drop(stream)
        if self.streams.pop(stream.number, None) is not None and not self.streams:
            self._idle_deadline = self._now + self._limits.keep_alive_timeout
            if self._going:
                self._end("")

    def _fail(self, fault: ConnectionFault) -> None:
        """End the connection with GOAWAY."""
        self._say_goodbye(fault.code)
        self._end(str(fault))

    def _say_goodbye(self, code: int) -> None:
        """Send GOAWAY; after its own, h2 would send nothing more on streams that are open."""
        self._output.collect()
        if self._last_stream is None:
            self._last_stream = self._h2.highest_inbound_stream_id
        self._output.queue(goaway(self._last_stream, code))

    def _end(self, fault: str) -> None:
        if self.should_close:
            return  # the first reason is the reason
        self.fault = fault
        self.should_close = True
        self._output.clear()
        for stream in self.streams.values():
            stream.lose()


def _error_code(error: ProtocolError) -> int:
    """Give the code of a fault that h2 has found; it has none of its own for HPACK's (4.3)."""
    if type(error) is ProtocolError and isinstance(error.__cause__, HPACKError):
        return ErrorCode.COMPRESSION_ERROR
    return error.error_code


def _is_due(deadline: float | None, now: float) -> bool:
    return deadline is not None and now >= deadline
