"""What an HTTP/2 connection sends: frames in order, and whose turn it is (RFC 9113, section 5.2).

Streams that have something to send take turns, a frame each. One whose window is closed stands
aside until the peer opens it, and tells by when that has to be. What the frames of requests and of
the connection's life mean is not known here.
"""

from __future__ import annotations

from collections import deque

from h2.connection import H2Connection

from .h2_frames import count_resets
from .h2_gate import FrameGate
from .h2_stream import HTTP2Stream

__all__ = ["Output"]

_FRAME = 16_384  # of data at a time, even if the peer would take larger frames
_BATCH = 64 * 1024


class Output:
    """The sending half of a connection.

    Args:
        connection: Makes the frames, and knows the windows.
        gate: Is told of the data that is sent.

    Attributes:
        unsent: Bytes of frames that wait for the transport.
    """

    __slots__ = ("_blocked", "_gate", "_h2", "_out", "_progressed", "_ready", "unsent")

    def __init__(self, connection: H2Connection, gate: FrameGate) -> None:
        self._h2 = connection
        self._gate = gate
        self._out: list[bytes] = []
        self._ready: deque[HTTP2Stream] = deque()
        self._blocked: dict[int, HTTP2Stream] = {}  # by a window
        self._progressed: dict[int, HTTP2Stream] = {}
        self.unsent = 0

    def collect(self) -> int:
        """Take over what h2 has queued, in its place among the rest.

        Returns:
            How many streams it resets with an error.
        """
        frames = self._h2.data_to_send()
        if not frames:
            return 0
        self.queue(frames)
        return count_resets(frames)

    def queue(self, data: bytes) -> None:
        """Queue a frame that is written already."""
        if data:
            self._out.append(data)
            self.unsent += len(data)

    def take(self, now: float) -> bytes:
        """Give frames to write, some 64 KiB at a time; ``b""`` if nothing can be sent now.

        Args:
            now: The time, from which on a stream that can't send has to get credit.
        """
        while self._ready and self.unsent < _BATCH:
            self._send_frame(self._ready.popleft(), now)
        data = b"".join(self._out)
        self._out.clear()
        self.unsent = 0
        return data

    def note_progress(self, stream: HTTP2Stream) -> None:
        """Note that a stream has sent something."""
        self._progressed[stream.number] = stream

    def progressed(self) -> list[HTTP2Stream]:
        """Give the streams that have sent something since this was last asked."""
        streams = list(self._progressed.values())
        self._progressed.clear()
        return streams

    # ---------------------------------------------------------------------------------- turns

    def schedule(self, stream: HTTP2Stream) -> None:
        """Note that a stream has something to send."""
        if not stream.scheduled and stream.number not in self._blocked:
            stream.scheduled = True
            self._ready.append(stream)

    def unblock(self, number: int) -> None:
        """Let streams try again whose windows may have grown; 0 stands for all."""
        for stream in list(self._blocked.values()):
            if number in (0, stream.number):
                del self._blocked[stream.number]
                self.schedule(stream)

    def drop(self, stream: HTTP2Stream) -> None:
        """Forget a stream that is over."""
        self._blocked.pop(stream.number, None)

    def clear(self) -> None:
        """Let no stream send any more."""
        self._ready.clear()
        self._blocked.clear()

    def _send_frame(self, stream: HTTP2Stream, now: float) -> None:
        stream.scheduled = False
        if stream.lost or not stream.has_data_to_send:
            return
        window = self._h2.local_flow_control_window(stream.number)
        if stream.queued and window <= 0:
            self._blocked[stream.number] = stream
            stream.progress.update(stream.queued, now, stream.sent)
            return
        data, last = stream.take(max(0, min(window, _FRAME)))
        if data:
            self._h2.send_data(stream.number, data, end_stream=last)
        else:  # the end alone takes no window, and a window may be below zero (section 6.9.2)
            self._h2.end_stream(stream.number)
        self.queue(self._h2.data_to_send())
        self._gate.count_sent()
        self.note_progress(stream)
        stream.progress.update(0, now, stream.sent)
        stream.ended = last
        if stream.queued:
            self.schedule(stream)

    # ----------------------------------------------------------------------------------- time

    def next_deadline(self) -> float | None:
        """Tell by when a window has to be opened."""
        deadlines = [stream.progress.deadline() for stream in self._blocked.values()]
        return min((d for d in deadlines if d is not None), default=None)

    def stalled(self, now: float) -> list[HTTP2Stream]:
        """Give the streams whose windows have been closed for ``Limits.write_timeout``."""
        return [s for s in self._blocked.values() if s.progress.stalled(now)]
