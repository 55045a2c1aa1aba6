"""permessage-deflate: messages compressed with DEFLATE (RFC 7692).

What is negotiated are two windows and whether each side may refer back to earlier messages; here is
how, and what may be chosen. What is agreed on is at work in ``deflating``.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass

from ..errors import HandshakeError
from .deflating import Deflate, DeflaterPool
from .extensions import Extension, ExtensionFactory, Params

__all__ = ["Compression", "PerMessageDeflate", "check_compression", "extension_factories"]

_MAX_BITS = 15
_MIN_BITS = 9
"""The smallest window that zlib compresses with; it reads any."""
_ALLOWED: dict[str, tuple[Container[int], str]] = {
    "window_bits": (range(_MIN_BITS, _MAX_BITS + 1), f"from {_MIN_BITS} to {_MAX_BITS}"),
    "memory_level": (range(1, 10), "from 1 to 9"),
    "level": ((-1, *range(1, 10)), "from 1 to 9, or -1"),
    "minimum_size": (range(sys.maxsize), "0 or more"),
}
"""What the numbers of ``Compression`` may be, and that in words."""
_VALUES = {str(bits): bits for bits in range(8, _MAX_BITS + 1)}
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_WINDOWS = ("server_max_window_bits", "client_max_window_bits")


@dataclass(frozen=True, slots=True)
class Compression:
    """How messages are compressed, and how much memory that may take.

    Attributes:
        window_bits: Size of the window, as a power of two: 9 to 15. It is asked of the peer, too.
        memory_level: zlib's memory for its tables, 1 to 9.
        level: zlib's effort, 1 to 9, or -1 for its own choice.
        context_takeover: Whether a message may refer back to the ones before it: smaller, but each
            connection keeps its windows.
        minimum_size: Bytes under which a message stays as it is, unless its sender says otherwise.

    Raises:
        TypeError: If a number is not an ``int``.
        ValueError: If it is out of its range.
    """

    window_bits: int = 12
    memory_level: int = 5
    level: int = 6
    context_takeover: bool = True
    minimum_size: int = 64

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, (allowed, words) in _ALLOWED.items():
            value = getattr(self, name)
            if not isinstance(value, int):
                raise TypeError(f"{name} has to be an int, not {value!r}")
            if value not in allowed:
                raise ValueError(f"{name} has to be {words}, not {value!r}")


@dataclass(slots=True)
class _Parameters:
    """What an offer or a response says; ``None`` for what it does not mention."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    client_names_no_bits: bool = False


def _parse(params: Params) -> _Parameters | None:
    """Read parameters (section 7.1); ``None`` if one is unknown, repeated or out of range."""
    found = _Parameters()
    if len({name for name, _ in params}) < len(params):
        return None
    for name, value in params:
        if name in _FLAGS and value is None:
            setattr(found, name, True)
        elif name in _WINDOWS and value in _VALUES:
            setattr(found, name, _VALUES[value])
        elif name == "client_max_window_bits" and value is None:
            found.client_names_no_bits = True
        else:
            return None
    return found


class PerMessageDeflate:
    """The extension before and during the handshake, in both roles; an ``ExtensionFactory``.

    Compressors that keep no context are shared by all connections that it agreed on.

    Args:
        compression: How to compress.
    """

    name = "permessage-deflate"

    def __init__(self, compression: Compression = Compression()) -> None:  # frozen
        self.compression = compression
        self._pool = DeflaterPool(compression.level, compression.memory_level)

    def offers(self) -> Sequence[Params]:
        """Offer to keep both windows small, and then without a demand on the server's."""
        wish = self.compression
        flags: Params = ()
        if not wish.context_takeover:
            flags = tuple((name, None) for name in _FLAGS)
        plain: Params = (*flags, ("client_max_window_bits", None))
        if wish.window_bits == _MAX_BITS:
            return [plain]
        return [(*plain, ("server_max_window_bits", str(wish.window_bits))), plain]

    def respond(self, params: Params) -> tuple[Params, Extension] | None:
        """Answer an offer as a server (section 7.1); decline what can't be, or makes no sense."""
        offer = _parse(params)
        if offer is None:
            return None
        wish = self.compression
        ours = min(wish.window_bits, offer.server_max_window_bits or _MAX_BITS)
        if ours < _MIN_BITS:
            return None
        theirs = _MAX_BITS
        answer: list[tuple[str, str | None]] = []
        if offer.server_no_context_takeover or not wish.context_takeover:
            answer.append(("server_no_context_takeover", None))
        if offer.client_no_context_takeover or not wish.context_takeover:
            answer.append(("client_no_context_takeover", None))
        if ours < _MAX_BITS or offer.server_max_window_bits is not None:
            answer.append(("server_max_window_bits", str(ours)))
        if offer.client_names_no_bits or offer.client_max_window_bits is not None:
            # Only who says that it can is told to (section 7.1.2.2).
            theirs = min(wish.window_bits, offer.client_max_window_bits or _MAX_BITS)
            answer.append(("client_max_window_bits", str(theirs)))
        names = {name for name, _ in answer}
        return tuple(answer), Deflate(
            self._pool,
            minimum_size=wish.minimum_size,
            send_bits=ours,
            receive_bits=theirs,
            send_context="server_no_context_takeover" not in names,
            receive_context="client_no_context_takeover" not in names,
        )

    def accept(self, params: Params) -> Extension:
        """Take a server's response as a client.

        Raises:
            HandshakeError: If it is none to an offer of ours.
        """
        answer = _parse(params)
        if answer is None or answer.client_names_no_bits:
            raise HandshakeError(101, "the server's answer to permessage-deflate makes no sense")
        wish = self.compression
        if not (wish.context_takeover or answer.server_no_context_takeover):
            # Who takes that offer says so (section 7.1.1.1); any other answer is to none of ours.
            raise HandshakeError(
                101, "the server takes permessage-deflate without server_no_context_takeover"
            )
        bits: int | None = min(wish.window_bits, answer.client_max_window_bits or _MAX_BITS)
        if bits is not None and bits < _MIN_BITS:
            bits = None  # zlib can't, so nothing that we send is compressed
        return Deflate(
            self._pool,
            minimum_size=wish.minimum_size,
            send_bits=bits,
            receive_bits=answer.server_max_window_bits or _MAX_BITS,
            send_context=wish.context_takeover and not answer.client_no_context_takeover,
            receive_context=not answer.server_no_context_takeover,
        )


def check_compression(compression: Compression | bool | None) -> Compression | None:
    """Make of what was given as ``compression`` how to compress; ``None``: not at all.

    Raises:
        TypeError: If it is no ``Compression``, and neither ``True``, ``False`` nor ``None``.
    """
    if compression is None or isinstance(compression, Compression):
        return compression
    if isinstance(compression, bool):
        return Compression() if compression else None
    raise TypeError(
        f"compression has to be a Compression, True, False or None, not {compression!r}"
    )


def extension_factories(
    compression: Compression | bool | None, others: Sequence[ExtensionFactory]
) -> tuple[ExtensionFactory, ...]:
    """Give the factories of a handshake: the others in their order, and compression behind them.

    Raises:
        TypeError: If ``compression`` is something else than ``check_compression`` takes.
        ValueError: If two extensions have the same name.
    """
    factories = tuple(others)
    if (compression := check_compression(compression)) is not None:
        factories = (*factories, PerMessageDeflate(compression))
    names = [factory.name for factory in factories]
    if len(set(names)) < len(names):
        raise ValueError(f"two extensions of the same name: {', '.join(names)}")
    return factories
