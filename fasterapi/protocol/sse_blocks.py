"""Whole events of one shape to ``ServerSentEvent``, without a step of Python for each of them.

A stream mostly sends the same fields in the same order, and a read mostly holds many events. Such
a run is taken apart by one regular expression, and put together column by column. ``sse_parser``
reads everything else, and is the specification of this: nothing here may give what it would not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import permutations, repeat

from .sse import ServerSentEvent

__all__ = ["read_blocks"]

_MESSAGE = "message"
_new = tuple.__new__  # without ServerSentEvent's own step of Python

Shape = tuple[str, ...]

# The fields of an event, in any order, of which ``data`` has to be one.
_SHAPES = {
    names
    for count in (1, 2, 3)
    for names in permutations(("id", "event", "data"), count)
    if "data" in names
}
_WORTH = 8192  # characters of a run that soon earn a regular expression of their own
_LONGEST_TYPE = 64  # characters of a type that gets one


def read_blocks(
    text: str, start: int, stop: int, last_id: str, end: str = "\n"
) -> list[ServerSentEvent]:
    r"""Read whole events, if they all are of one known shape.

    Args:
        text: The text of a stream.
        start: Where the first event begins, at the beginning of a line and with no field pending.
        stop: Behind the empty line of the last event.
        last_id: The last event ID so far.
        end: What ends the lines: LF, and there is no CR then, or CRLF.

    Returns:
        The events between ``start`` and ``stop``; none if any of them is of another shape.
    """
    run = text[start:stop]
    lines = run[: run.find(end + end)].split(end, 3)
    fields = [line.partition(":") for line in lines]
    names = tuple([name for name, _, _ in fields])
    if names not in _SHAPES or "\0" in run:
        return []  # a NUL in an ID makes it none
    # Most servers write a space, and not to look for one is quicker.
    gap = " " if all(value[:1] == " " for _, _, value in fields) else " ?"
    if "event" in names and len(run) >= _WORTH:
        line = lines[names.index("event")]
        kind = line[6:].removeprefix(" ")
        if _is_worth_a_pattern(kind) and _ends_with(run, line + end, end):
            others = tuple([name for name in names if name != "event"])
            if parts := _split(run, _pattern(names, gap, end, kind), len(others), end):
                return _events(parts, others, kind or _MESSAGE, last_id)
    parts = _split(run, _pattern(names, gap, end, None), len(names), end)
    return _events(parts, names, _MESSAGE, last_id) if parts else []


def _split(run: str, pattern: re.Pattern[str], groups: int, end: str) -> list[str]:
    """Give what is between events and in them, in turn; nothing if a run is not only events."""
    parts = pattern.split(run)
    if any(parts[:: groups + 1]) or (end != "\n" and "\r" in "".join(parts)):
        return []  # something stands between them, or a lone CR in them
    return parts


@lru_cache(maxsize=256)
def _pattern(names: Shape, gap: str, end: str, kind: str | None) -> re.Pattern[str]:
    """Give what matches a whole event: its lines and the empty one.

    It begins where a line begins, so that no text has it look at a line more than a few times.

    Args:
        names: Of the fields.
        gap: What is between a colon and the value, as a regular expression.
        end: The end of a line.
        kind: The type that all the events have; ``None``: any, and it is one of the groups.
    """
    values = ["(.*)" if name != "event" or kind is None else re.escape(kind) for name in names]
    lines = [f"{name}:{gap}{value}{end}" for name, value in zip(names, values, strict=True)]
    return re.compile("".join(["^", *lines, end]), re.MULTILINE)


def _events(parts: list[str], names: Shape, kind: str, last_id: str) -> list[ServerSentEvent]:
    """Put events together from what is between them and their values, in turn."""

    def column(name: str, default: str) -> Iterable[str]:
        return parts[names.index(name) + 1 :: len(names) + 1] if name in names else repeat(default)

    kinds = column("event", kind)
    if isinstance(kinds, list) and not all(kinds):
        kinds = [value or _MESSAGE for value in kinds]
    rows = zip(column("data", ""), kinds, column("id", last_id), repeat(None), strict=False)
    return list(map(_new, repeat(ServerSentEvent), rows))


def _is_worth_a_pattern(kind: str) -> bool:
    # With a space in front, it could not be told from what is between colon and value.
    return len(kind) <= _LONGEST_TYPE and kind[:1] != " "


def _ends_with(run: str, line: str, end: str) -> bool:
    """Tell whether the last event of a run has a line; then the others mostly have it too."""
    blank = end + end
    return run.find(line, run.rfind(blank, 0, -len(blank))) >= 0
