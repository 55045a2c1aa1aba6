"""A handshake's head that is known but for its key is not read a second time.

What one client library sends is the same at each connection, apart from ``Sec-WebSocket-Key``. Such
a head is looked up whole, with its key left out, and what was read of it is used again. Only heads
of lines that ``h1_fields`` keeps are remembered, without a query: nothing that names a person.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..limits import Limits
from ..protocol.headers import Headers
from .h1_fields import Field, is_kept
from .h1_request import RequestHead, read_request_head

__all__ = ["read_head"]

_NAME = "sec-websocket-key"
_KEY = re.compile(rb"(\r\nSec-WebSocket-Key: )([0-9A-Za-z+/=]{24})\r\n", re.IGNORECASE)
_KEPT_MOST = 256
"""Heads kept. One more, and all are dropped: nobody can fill memory with them."""
_KEPT_SIZE = 1024
"""Bytes of a head that is kept, at most."""


class _Known(NamedTuple):
    """A head and the fields around its key."""

    head: RequestHead
    before: tuple[Field, ...]
    after: tuple[Field, ...]


_kept: dict[bytes, _Known] = {}


def read_head(head: bytes, limits: Limits) -> RequestHead:
    """Give what ``read_request_head`` does, and raise what it raises."""
    key = _KEY.search(head)
    if key is None:
        return read_request_head(head, limits)
    template = head[: key.start(2)] + head[key.end(2) :]
    known = _kept.get(template)
    if known is None:
        request = read_request_head(head, limits)
        _remember(template, request)
        return request
    like, before, after = known
    fields = (*before, (_NAME, key[2].decode("ascii")), *after)
    return RequestHead(
        like.method, like.target, Headers.of_text(fields), like.http_version, like.length,
        like.keep_alive, like.upgrade, like.upgradable,
    )  # fmt: skip


def _remember(template: bytes, request: RequestHead) -> None:
    """Keep what was read of a head, if it may be: others may be like it."""
    if len(template) > _KEPT_SIZE or "?" in request.target or not request.upgradable:
        return
    names = [name for name, _ in request.headers]
    if names.count(_NAME) != 1 or not all(is_kept(name) or name == _NAME for name in names):
        return
    place = names.index(_NAME)
    if len(_kept) >= _KEPT_MOST:
        _kept.clear()
    before, after = request.headers[:place], request.headers[place + 1 :]
    _kept[template] = _Known(request, before, after)
