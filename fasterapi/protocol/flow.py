"""Flow control as data: how much waits to be received, and whether what waits to be sent moves.

Both count bytes against the watermarks of ``Limits``. Whoever owns the transport asks, and then
pauses, resumes or aborts it; nothing here does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sized
from typing import Generic, TypeVar

from ..limits import MESSAGE_OVERHEAD, Limits

__all__ = ["ReceiveQueue", "WriteProgress", "assumed_progress"]

Item = TypeVar("Item", bound=Sized)


class ReceiveQueue(Generic[Item]):
    """What arrived and has not been asked for, text, bytes or parts of either.

    Each item counts its payload and ``MESSAGE_OVERHEAD``. ``full`` becomes true over the high-water
    mark and false again below half of it, so that a transport is not paused for each message.

    Args:
        high_water: In bytes; see ``Limits.receive_high_water``.

    Attributes:
        full: Whether reading should pause.
        items: What waits, the oldest first.
        size: Bytes that wait.
    """

    __slots__ = ("full", "high_water", "items", "size")

    def __init__(self, high_water: int) -> None:
        # Most connections never have a message wait, and a deque is as large as all the rest.
        self.items: deque[Item] | tuple[()] = ()
        self.high_water = high_water
        self.full = False
        self.size = 0

    def extend(self, items: Collection[Item]) -> None:
        """Append items; the ``len`` of each is what it carries."""
        if isinstance(self.items, tuple):
            self.items = deque()
        self.items.extend(items)
        self.size += sum(map(len, items)) + MESSAGE_OVERHEAD * len(items)
        if self.size > self.high_water:
            self.full = True

    def get(self) -> Item | None:
        """Take the oldest item; ``None`` if there is none."""
        items = self.items
        if not items:
            return None
        item = items.popleft()
        self.size -= len(item) + MESSAGE_OVERHEAD
        if self.full and self.size <= self.high_water // 2:
            self.full = False
        return item

    def peek(self) -> Item:
        """Look at the oldest item.

        Raises:
            IndexError: If there is none.
        """
        if isinstance(self.items, tuple):
            raise IndexError("nothing waits")
        return self.items[0]

    def clear(self) -> None:
        """Drop everything."""
        self.items = ()
        self.size = 0
        self.full = False

    def __len__(self) -> int:
        return len(self.items)


class WriteProgress:
    """Whether the peer takes what waits to be sent.

    Args:
        limits: ``write_high_water``, ``max_write_buffer`` and ``write_timeout`` count.
    """

    __slots__ = ("_buffered", "_limits", "_moved", "_since")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffered = 0
        self._moved = 0
        self._since: float | None = None

    def update(self, buffered: int, now: float, moved: int = 0) -> None:
        """Note how many bytes wait at the time ``now``; fewer than before is progress.

        Args:
            buffered: Bytes that wait.
            now: The time, in seconds.
            moved: How many have been taken so far, of whoever counts them: more than before is
                progress too, even if as many wait again.
        """
        if not buffered:
            self._since = None
        elif self._since is None or buffered < self._buffered or moved != self._moved:
            self._since = now
        self._buffered, self._moved = buffered, moved

    def deadline(self) -> float | None:
        """Tell when to look again: the write timeout from the last progress, in seconds."""
        return None if self._since is None else self._since + self._limits.write_timeout

    def stalled(self, now: float) -> bool:
        """Tell whether the peer has taken nothing for ``Limits.write_timeout``."""
        deadline = self.deadline()
        return deadline is not None and now >= deadline

    def over_cap(self, buffered: int) -> bool:
        """Tell whether so many waiting bytes are over ``Limits.max_write_buffer``."""
        return buffered > self._limits.max_write_buffer


def assumed_progress(size: int, seconds: float, limits: Limits) -> int:
    """Tell how much of one write to take for done, where nobody tells until all of it is.

    A peer is trusted to take ``write_high_water`` in ``write_timeout``. So one that takes nothing
    is given up after as many write timeouts as there are high-water marks in the write, and one
    that reads slowly, but not slower than that, never is.

    Args:
        size: Bytes of the write.
        seconds: Since it began.
        limits: ``write_high_water`` and ``write_timeout`` count.

    Returns:
        Bytes, none of the last high-water mark's among them.
    """
    mark = limits.write_high_water
    return min(int(seconds / limits.write_timeout * mark), max(size - 1, 0) // mark * mark)
