"""Whole events of one shape to ``ServerSentEvent``, without a step of Python for each line.

A stream mostly sends the same fields in the same order, and a read mostly holds many events. Such
a run is taken by one regular expression: the shape of its first event is looked up in a table, and
the run is taken only if all of it has that shape. ``sse_parser`` reads everything else, and is the
specification of this: nothing here may give what it would not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from .sse import ServerSentEvent

__all__ = ["read_blocks"]

_MESSAGE = "message"
_new = tuple.__new__  # without ServerSentEvent's own step of Python

Rows = Iterable[Any]

# Names of an event's fields -> its values as the regular expression finds them, and the last ID
# before them, to events. These are the orders that servers use.
_SHAPES: dict[tuple[str, ...], Callable[[Rows, str], list[ServerSentEvent]]] = {
    ("data",): lambda rows, last: [
        _new(ServerSentEvent, (data, _MESSAGE, last, None)) for data in rows
    ],
    ("event", "data"): lambda rows, last: [
        _new(ServerSentEvent, (data, event or _MESSAGE, last, None)) for event, data in rows
    ],
    ("id", "data"): lambda rows, _: [
        _new(ServerSentEvent, (data, _MESSAGE, id, None)) for id, data in rows
    ],
    ("data", "id"): lambda rows, _: [
        _new(ServerSentEvent, (data, _MESSAGE, id, None)) for data, id in rows
    ],
    ("event", "id", "data"): lambda rows, _: [
        _new(ServerSentEvent, (data, event or _MESSAGE, id, None)) for event, id, data in rows
    ],
    ("id", "event", "data"): lambda rows, _: [
        _new(ServerSentEvent, (data, event or _MESSAGE, id, None)) for id, event, data in rows
    ],
    ("event", "data", "id"): lambda rows, _: [
        _new(ServerSentEvent, (data, event or _MESSAGE, id, None)) for event, data, id in rows
    ],
    ("id", "data", "event"): lambda rows, _: [
        _new(ServerSentEvent, (data, event or _MESSAGE, id, None)) for id, data, event in rows
    ],
}
# Names of fields -> a whole event: each line, and the empty one.
_PATTERNS = {
    names: re.compile("".join(["^", *(f"{name}: ?(.*)\n" for name in names), "\n"]), re.MULTILINE)
    for names in _SHAPES
}


def read_blocks(text: str, start: int, end: int, last_id: str) -> list[ServerSentEvent]:
    r"""Read whole events, if they all are of one known shape.

    Args:
        text: Without a CR; lines end at LF.
        start: Where the first event begins, at the beginning of a line and with no field pending.
        end: Behind the empty line of the last event.
        last_id: The last event ID so far.

    Returns:
        The events between ``start`` and ``end``; none if any of them is of another shape.
    """
    first = text[start : text.find("\n\n", start)]
    names = tuple([line.partition(":")[0] for line in first.split("\n", 3)])
    pattern = _PATTERNS.get(names)
    if pattern is None or text.find("\0", start, end) >= 0:
        return []  # a NUL in an ID makes it none
    rows = pattern.findall(text, start, end)
    # Events begin where lines begin, so that what is between two of them would hold an LF.
    if (len(names) + 1) * len(rows) != text.count("\n", start, end):
        return []
    return _SHAPES[names](rows, last_id)
