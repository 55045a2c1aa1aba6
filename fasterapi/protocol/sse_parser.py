"""The bytes of an event stream to events (WHATWG HTML, "Interpreting an event stream").

Bytes are decoded, cut into lines, and each line is a field, a comment, or the empty one that
dispatches. Work is linear in the bytes however they are cut, and what an unfinished line or event
may hold is bounded. ``sse`` is the way back. This file must not know connections.
"""

from __future__ import annotations

import codecs
import re
from io import StringIO

from ..errors import EventStreamError
from ..limits import DEFAULT_LIMITS, Limits
from .sse import ServerSentEvent

__all__ = ["EventStreamParser"]

_LINE_END = re.compile("\r\n|\r|\n")


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
        "_retry", "_size", "_skip_lf", "_started", "last_event_id", "retry",
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
        if "\r" in text:
            text = _LINE_END.sub("\n", text)
        *lines, rest = text.split("\n")
        events: list[ServerSentEvent] = []
        try:
            self._take_lines(lines, rest, events)
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
        self._line = StringIO()  # an unfinished line
        self._line_size = 0
        self._id = self.last_event_id
        self._clear()

    def _clear(self) -> None:
        self._data: list[str] = []
        self._size = -1  # no LF comes behind the last line
        self._event = ""
        self._retry: int | None = None

    def _take_lines(self, lines: list[str], rest: str, events: list[ServerSentEvent]) -> None:
        if lines and self._line_size:
            self._line.write(lines[0])
            lines[0] = self._line.getvalue()
            self._line = StringIO()
            self._line_size = 0
        for line in lines:
            if line:
                self._take_field(line)
            else:
                self._dispatch(events)
        if rest:
            self._line.write(rest)
            self._line_size += len(rest)
            self._check(self._line_size, "line")

    def _take_field(self, line: str) -> None:
        self._check(len(line), "line")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value) + 1
            self._check(self._size, "event")
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._take_retry(value.lstrip("0") or "0")

    def _take_retry(self, digits: str) -> None:
        # More milliseconds than fit into 64 bits are as good as none, and take long to be read.
        if len(digits) < 20:
            self.retry = self._retry = int(digits)

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        self.last_event_id = self._id
        if self._data:
            data = "\n".join(self._data)
            event = self._event or "message"
            events.append(ServerSentEvent(data, event, self._id, self._retry))
        if self._data or self._event or self._retry is not None:
            self._clear()

    def _check(self, size: int, what: str) -> None:
        if size > self._limit:
            raise EventStreamError(
                f"{what} over {self._limit} characters; raise Limits.max_event_size to accept it"
            )
