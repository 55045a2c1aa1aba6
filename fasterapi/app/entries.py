"""What a client's blocks have open: one client may be entered again while it is entered already."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Entries"]

T = TypeVar("T")


class Entries(Generic[T]):
    """What was opened at the beginning of each block, until its end.

    Blocks of one task or thread lie in one another; those of several go their own ways.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        # Nobody but an owner changes its own stack, so that threads need no lock.
        self._open: dict[Hashable, list[T]] = {}

    def push(self, owner: Hashable, item: T) -> T:
        """Keep what a block has opened, and give it back.

        Args:
            owner: The task or thread that the block is of.
            item: What it has opened.
        """
        self._open.setdefault(owner, []).append(item)
        return item

    def pop(self, owner: Hashable) -> T:
        """Take what the innermost block of ``owner`` has opened.

        A block that is left by another task than has entered it, as those of fixtures are by some
        test runners, is the one that was entered last.
        """
        if owner not in self._open:
            owner = next(reversed(self._open))
        stack = self._open[owner]
        item = stack.pop()
        if not stack:
            del self._open[owner]
        return item
