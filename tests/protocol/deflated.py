"""Compressed messages, made by zlib alone, and both ends of a connection that takes them."""

from __future__ import annotations

import zlib
from typing import Any

from hypothesis import strategies as st

from fasterapi.limits import Limits
from fasterapi.protocol import Role, WebSocketConnection
from fasterapi.protocol.deflate import Compression, PerMessageDeflate

from .wire import frame

TAIL = b"\x00\x00\xff\xff"
Pair = tuple[WebSocketConnection, WebSocketConnection]


def agree(
    server: Compression | None = None, client: Compression | None = None, offer: int = 0
) -> tuple[Any, Any]:
    """Negotiate, and give the extension of the server and of the client."""
    factory = PerMessageDeflate(client or Compression())
    agreed = PerMessageDeflate(server or Compression()).respond(factory.offers()[offer])
    assert agreed is not None
    params, extension = agreed
    return extension, factory.accept(params)


def connect(
    server: Compression | None = None, client: Compression | None = None, **limits: Any
) -> Pair:
    """Give both ends of a WebSocket."""
    ours, theirs = agree(server, client)
    return (
        WebSocketConnection(Role.SERVER, extensions=[ours], limits=Limits(**limits)),
        WebSocketConnection(Role.CLIENT, extensions=[theirs], limits=Limits(**limits)),
    )


def server(**limits: Any) -> WebSocketConnection:
    return connect(**limits)[0]


def deflate(data: bytes, *, final: bool = False) -> bytes:
    """Compress a message with zlib alone."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    if final:
        return deflater.compress(data) + deflater.flush(zlib.Z_FINISH) + b"\x00"
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def wire(first: int, payload: bytes) -> bytes:
    return frame(first & 0x0F, payload, fin=bool(first & 0x80), rsv=first & 0x70)


settings_of_both = st.builds(
    Compression,
    window_bits=st.integers(9, 15),
    memory_level=st.integers(1, 9),
    level=st.sampled_from([-1, 1, 6, 9]),
    context_takeover=st.booleans(),
    minimum_size=st.sampled_from([0, 64]),
)
some_bytes = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda word, count: word * count, st.binary(min_size=1, max_size=9),
              st.integers(0, 9000)),
)  # fmt: skip
