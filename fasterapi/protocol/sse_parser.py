"""The bytes of an event stream to events (WHATWG HTML, "Interpreting an event stream").

Bytes are decoded, cut into lines, and each line is a field, a comment, or the empty one that
dispatches. Work is linear in the bytes however they are cut, and what an unfinished line or event
may hold is bounded. ``sse`` is the way back. This file must not know connections.
"""

from __future__ import annotations

import codecs
from io import StringIO

from ..errors import EventStreamError
from ..limits import DEFAULT_LIMITS, Limits
from .sse import ServerSentEvent
from .sse_blocks import read_blocks

__all__ = ["EventStreamParser"]

_LONG = 256
"""Characters of a read from which on it is worth looking for a run of events in it."""


class EventStreamParser:
    """Reads an event stream as an ``EventSource`` does.

    Args:
        limits: ``max_event_size`` bounds a line, and the data of an event, in characters.

    Attributes:
        last_event_id: What to send as ``Last-Event-ID`` when reconnecting; ``""``: send none.
        retry: The reconnection time in milliseconds that the stream asked for, if it did.
    """

    __slots__ = (
        "_data", "_decoder", "_event", "_failed", "_id", "_limit", "_line", "_line_size",
        "_retry", "_size", "_skip_lf", "_started", "_within", "last_event_id", "retry",
    )  # fmt: skip

    def __init__(self, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limit = limits.max_event_size
        self.last_event_id = ""
        self.retry: int | None = None
        self._failed: EventStreamError | None = None
        self._started = False
        self._skip_lf = False
        self._begin()

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes of the stream.

        Args:
            data: Any number of bytes; invalid UTF-8 becomes U+FFFD.

        Returns:
            The events that they complete.

        Raises:
            EventStreamError: If a line or an event's data is over ``Limits.max_event_size``;
                after the events before it, so perhaps at the next call. The stream can't be
                read on.
        """
        if self._failed is not None:
            raise self._failed
        text = self._decoder.decode(data)
        if not self._started and text:
            self._started = True
            text = text.removeprefix("\ufeff")
        # A CR ended its line at once; the LF that may follow it belongs to the same end.
        if self._skip_lf and text:
            self._skip_lf = False
            text = text.removeprefix("\n")
        if not text:
            return []
        self._skip_lf = text[-1] == "\r"
        events: list[ServerSentEvent] = []
        try:
            self._take(text, events)
        except EventStreamError as error:
            self._failed = error
            if not events:
                raise
        return events

    def eof(self) -> None:
        """Take the stream's end: an unfinished event is dropped, and so is its ID.

        The parser is ready for the next connection; ``last_event_id`` and ``retry`` stay.
        """
        self._begin()

    def _begin(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._failed = None
        self._started = self._skip_lf = False
        self._within = False  # whether the last whole line was not the empty one of an event
        self._line = StringIO()  # an unfinished line
        self._line_size = 0
        self._id = self.last_event_id
        self._data: list[str] = []
        self._size = -1  # of the data: no LF comes behind the last line
        self._event = ""
        self._retry: int | None = None

    def _take(self, text: str, events: list[ServerSentEvent]) -> None:
        """Take a read: by lines, but for the run of whole events that most of a long one is."""
        if len(text) >= _LONG:
            end = "\r\n" if "\r" in text else "\n"
            blank = end + end
            # Before the first empty line there may be the rest of an event that has begun.
            begun = self._within or self._line_size
            start = text.find(blank) + len(blank) if begun else 0
            stop = text.rfind(blank) + len(blank)
            # What has no more characters than a limit has no line that does.
            if start < stop <= start + self._limit:
                self._take_lines(text[:start], events)
                blocks = read_blocks(text, start, stop, self._id, end)
                if blocks:
                    events += blocks
                    self._id = self.last_event_id = blocks[-1].id
                    start = stop  # and ``_within`` is as the lines before have left it: false
                text = text[start:]
        self._take_lines(text, events)

    def _take_lines(self, text: str, events: list[ServerSentEvent]) -> None:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        rest = lines.pop()
        if lines and self._line_size:
            self._line.write(lines[0])
            lines[0] = self._line.getvalue()
            self._line = StringIO()
            self._line_size = 0
        data, limit = self._data, self._limit
        for line in lines:
            if len(line) > limit:
                raise self._too_big("line")
            if line[:6] == "data: ":
                data.append(line[6:])
                self._size += len(line) - 5
                if self._size > limit:
                    raise self._too_big("event")
            elif line:
                self._take_field(*line.partition(":"))
            else:
                self._dispatch(events)
        if lines:
            self._within = lines[-1] != ""
        if rest:
            self._line.write(rest)
            self._line_size += len(rest)
            if self._line_size > limit:
                raise self._too_big("line")

    def _take_field(self, name: str, _: str, value: str) -> None:
        if value[:1] == " ":
            value = value[1:]
        if name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > self._limit:
                raise self._too_big("event")
        elif name == "retry" and value.isascii() and value.isdigit():
            self._take_retry(value.lstrip("0") or "0")

    def _take_retry(self, digits: str) -> None:
        # More milliseconds than fit into 64 bits are as good as none, and take long to be read.
        if len(digits) < 20:
            self.retry = self._retry = int(digits)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        last = self.last_event_id = self._id
        data = self._data
        if data:
            text = data[0] if len(data) == 1 else "\n".join(data)
            event = (text, self._event or "message", last, self._retry)
            events.append(tuple.__new__(ServerSentEvent, event))
            data.clear()
            self._size = -1
        self._event = ""
        self._retry = None

    def _too_big(self, what: str) -> EventStreamError:
        return EventStreamError(
            f"{what} over {self._limit} characters; raise Limits.max_event_size to accept it"
        )
