"""What arrived to what a handler asks for: whole messages, or the parts of one as they come.

Readers of parts leave when they like, and a whole message may be asked for, given up, and asked for
in parts: what is handed out still begins where a message begins. Here is no waiting.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import LocalProtocolError
from ..protocol.events import Fragment
from ..protocol.flow import ReceiveQueue

__all__ = ["EMPTY", "Inbox", "PartReader"]

Message = str | bytes


class PartReader:
    """Whoever takes one message in parts.

    Attributes:
        midway: Whether it has had a part, and not the last.
    """

    __slots__ = ("midway",)

    def __init__(self) -> None:
        self.midway = False


class Inbox(ReceiveQueue[Message | Fragment]):
    """Messages and parts of messages that wait for the handler.

    Args:
        high_water: In bytes; see ``Limits.receive_high_water``.

    Attributes:
        plain: Whether there are whole messages only, nobody takes parts, and reading goes on: then
            the oldest may just be taken, and its size counted off.
        reader: Who takes the next message in parts; ``None`` if nobody does.
    """

    __slots__ = ("_mixed", "_parts", "_skipping", "plain", "reader")

    def __init__(self, high_water: int) -> None:
        super().__init__(high_water)
        self.reader: PartReader | None = None
        self._parts: list[Message] | None = None  # of a whole message that is asked for
        self._skipping = False  # the rest of a message whose reader has left
        self._mixed = False  # there may be parts among what waits
        self.plain = False

    def extend(self, items: Collection[Message | Fragment]) -> None:
        """Append items."""
        self._mixed = Fragment in map(type, items) or (self._mixed and bool(self.items))
        super().extend(items)
        self.plain = not (self._mixed or self.full or self.reader)

    def next_message(self) -> Message | None:
        """Take the next whole message; ``None`` if there is none yet."""
        while (part := self.get()) is not None:
            if not isinstance(part, Fragment):
                return part
            if self._skipping:
                self._skipping = not part.fin
                continue
            self._parts = self._parts or []
            self._parts.append(part.data)
            if part.fin:
                return self._join()
        return None

    def next_part(self, reader: PartReader) -> Message | Fragment | None:
        """Take the next message, or the next part of it; ``None`` if there is none yet.

        Raises:
            LocalProtocolError: If the reader has left, or another has taken its place.
        """
        if reader is not self.reader:
            raise LocalProtocolError("this stream was left when something else was received")
        part = self._take_part()
        if part is not None:
            reader.midway = isinstance(part, Fragment) and not part.fin
        return part

    def begin(self) -> PartReader:
        """Have a reader take the next message in parts; one that is there already leaves."""
        self.end(self.reader)
        self.reader = reader = PartReader()
        self.plain = False
        return reader

    def end(self, reader: PartReader | None) -> bool:
        """Have a reader leave: the rest of its message is dropped.

        Returns:
            Whether it was still the one that reads.
        """
        if reader is None or reader is not self.reader:
            return False
        self._skipping = self._skipping or reader.midway
        self.reader = None
        return True

    def clear(self) -> None:
        """Drop everything."""
        super().clear()
        self._parts = None

    def _take_part(self) -> Message | Fragment | None:
        if self._parts:  # a whole message was asked for, but not waited for until its end
            return Fragment(self._join(), fin=False)
        while (part := self.get()) is not None:
            if not self._skipping or not isinstance(part, Fragment):
                return part
            self._skipping = not part.fin
        return None

    def _join(self) -> Message:
        parts, self._parts = self._parts or [], None
        if isinstance(parts[0], str):
            return "".join(part for part in parts if isinstance(part, str))
        return b"".join(part for part in parts if isinstance(part, bytes))


EMPTY = Inbox(0)
"""What every session has in place of its own until something waits: nothing is put into it."""
