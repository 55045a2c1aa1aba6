"""Events to the bytes of an event stream (WHATWG HTML, "Server-sent events").

A formatter has to be exact about lines: CR, LF and CRLF end one, and nothing else does, so a
newline that slips into a field is another field. Data and comments are split into lines; a type or
an ID with a newline can't be sent and raises. ``sse_parser`` is the way back. This file must not
know connections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..errors import InvalidArgument

__all__ = ["KEEPALIVE", "ServerSentEvent", "format_event", "to_json"]

KEEPALIVE: Final = b":\n\n"
"""A comment, for when there is nothing to say: clients ignore it, proxies see a live stream."""

_LINE_END = re.compile("\r\n|\r|\n")


class ServerSentEvent(NamedTuple):
    """One event, as a client dispatches it.

    A tuple, because nothing else that can't be changed is made as quickly.

    Attributes:
        data: The data, its lines joined by LF.
        event: The type.
        id: The last event ID at the time; ``""`` if there is none.
        retry: The reconnection time in milliseconds that came with it, if one did.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """Parse the data as JSON.

        Raises:
            ValueError: If it is none.
        """
        return json.loads(self.data)


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_json(value: Any) -> str:
    """Write a value as compact JSON.

    Raises:
        TypeError: If it holds what JSON has no form for.
        ValueError: If it holds a float that JSON has no form for, or itself.
    """
    return _encoder.encode(value)


def format_event(
    data: Any = None,
    *,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
    dumps: Callable[[Any], str] = to_json,
) -> bytes:
    r"""Format one event.

    Args:
        data: A ``str`` goes as it is, each of its lines in a ``data`` field, and comes out the same
            but for CR and CRLF, which become LF. Anything else goes as JSON. ``None``: no data, and
            so nothing that a client dispatches; ``""`` is dispatched.
        event: The type. ``None``: a client takes ``message``.
        id: The event's ID; ``""`` makes a client forget the last one.
        retry: The reconnection time in milliseconds, 0 or more.
        comment: Text that clients ignore; it may have several lines.
        dumps: Makes the JSON, as ``str``.

    Returns:
        The fields and the empty line that ends them, in UTF-8: ``b"id: 7\ndata: hello\n\n"``.

    Raises:
        InvalidArgument: If there is no field at all, ``event`` or ``id`` has a CR or LF, ``id``
            has a NUL, ``retry`` is no integer or negative, or a text is not valid Unicode.
        TypeError: If ``event``, ``id`` or ``comment`` is no ``str``, or data can't be JSON.
        ValueError: If data can't be JSON; see ``to_json``.
    """
    # Whatever is printable holds no control character, and is the quickest to be told.
    if (
        event.__class__ is id.__class__ is data.__class__ is str
        and retry is None
        and comment is None
        and event.isprintable()
        and id.isprintable()
        and "\n" not in data
        and "\r" not in data
    ):
        # The commonest event, in one step; what follows would make the same of it.
        return _encode(f"event: {event}\nid: {id}\ndata: {data}\n\n")
    text = ""
    if comment is not None:
        text = _lines(":", comment)
    if event is not None:
        if type(event) is not str or not event.isprintable():
            event = _one_line(event, "event type with a line break", "\r\n")
        text = f"{text}event: {event}\n"
    if id is not None:
        if type(id) is not str or not id.isprintable():
            id = _one_line(id, "event ID with a line break or NUL", "\r\n\0")
        text = f"{text}id: {id}\n"
    if retry is not None:
        text += _retry(retry)
    if data is not None:
        if type(data) is not str:
            data = _text(data, dumps)
        if "\n" in data or "\r" in data:
            text += _lines("data:", data)
        else:
            text = f"{text}data: {data}\n"
    if not text:
        raise InvalidArgument("an event needs at least one of data, event, id, retry, comment")
    return _encode(f"{text}\n")


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"event that is not valid Unicode: {error}") from None


def _one_line(value: object, fault: str, forbidden: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"an event's type and ID have to be str, not {type(value).__name__}")
    value = str.__str__(value)
    if any(character in value for character in forbidden):
        raise InvalidArgument(f"{fault}: {value!r}")
    return value


def _text(data: Any, dumps: Callable[[Any], str]) -> str:
    if isinstance(data, ServerSentEvent):
        # It is a tuple, and JSON would make a list of it.
        raise TypeError("an event is not the data of one; pass its fields, or use send_item")
    # The text of a str that is of a class of its own, an enumeration for one, is not what such a
    # class makes of it when it is formatted.
    text = data if isinstance(data, str) else dumps(data)
    if not isinstance(text, str):
        raise TypeError(f"dumps has to give str, not {type(text).__name__}")
    return str.__str__(text)


def _lines(prefix: str, text: str) -> str:
    """Put each line of a text into a field; the part behind a last line end is a line too."""
    return "".join(f"{prefix} {line}\n" for line in _LINE_END.split(text))


def _retry(retry: object) -> str:
    if isinstance(retry, bool) or not isinstance(retry, int) or retry < 0:
        raise InvalidArgument(f"retry has to be 0 or more milliseconds, not {retry!r}")
    return f"retry: {int(retry)}\n"
