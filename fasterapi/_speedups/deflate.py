"""Chooses the implementation of DEFLATE, once, at import.

Without a wish ISA-L compresses where the package ``isal`` is installed, which ``fasterapi[fast]``
sees to, and zlib where not. Beside ISA-L zlib-ng inflates where it is installed, which the same
extra sees to. ``FASTERAPI_DEFLATE=zlib``, ``zlib-ng`` or ``isal`` forces one, and one that was
asked for and can't be loaded raises. They differ in speed, in memory and in what they compress to,
and never in what is inflated. What it is used for is not known here.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

__all__ = [
    "FULL_FLUSH", "SYNC_FLUSH", "InflateError", "deflate", "inflate", "new_deflater",
    "new_inflater",
]  # fmt: skip

SYNC_FLUSH = zlib.Z_SYNC_FLUSH
FULL_FLUSH = zlib.Z_FULL_FLUSH

_LEVELS = {level: level for level in range(-1, 10)}


class _Implementation(NamedTuple):
    """What one consists of.

    Attributes:
        module: Made like ``zlib``; it compresses.
        inflates: The name of the one that inflates, if it can be loaded; zlib if not.
        package: What brings it.
        levels: Its levels by zlib's.
    """

    module: str
    inflates: str
    package: str
    levels: Mapping[int, int]


_IMPLEMENTATIONS = {
    "isal": _Implementation(
        "isal.isal_zlib",
        # ISA-L's own makes large tables for each block, which short messages don't repay.
        "zlib-ng",
        "isal",
        {level: 1 + (level > 6) + (level > 8) for level in _LEVELS},
    ),
    "zlib": _Implementation("zlib", "zlib", "", _LEVELS),
    "zlib-ng": _Implementation("zlib_ng.zlib_ng", "zlib-ng", "zlib-ng", _LEVELS),
}


class _Choice(NamedTuple):
    """What runs: the names of what compresses and what inflates, their modules, and the levels."""

    deflate: str
    inflate: str
    deflating: Any
    inflating: Any
    levels: Mapping[int, int]


def _choose(wish: str) -> _Choice:
    """Load the implementation to use.

    Raises:
        ImportError: If the wish names none, or one that can't be loaded here.
    """
    if not wish:
        try:
            return _choose("isal")
        except ImportError:
            return _choose("zlib")
    if wish not in _IMPLEMENTATIONS:
        names = ", ".join(sorted(_IMPLEMENTATIONS))
        raise ImportError(f"FASTERAPI_DEFLATE is {wish!r}; it has to be one of {names}, or unset")
    _, inflates, package, levels = _IMPLEMENTATIONS[wish]
    try:
        deflating = _load(wish)
    except ImportError as reason:
        raise ImportError(
            f"FASTERAPI_DEFLATE={wish} asks for what can't be loaded here ({reason}); "
            f"unset it, or: pip install {package}"
        ) from reason
    try:
        return _Choice(wish, inflates, deflating, _load(inflates), levels)
    except ImportError:
        return _Choice(wish, "zlib", deflating, zlib, levels)


def _load(name: str) -> Any:
    return import_module(_IMPLEMENTATIONS[name].module)


deflate: str
"""The name of the implementation that compresses: ``isal``, ``zlib`` or ``zlib-ng``."""
inflate: str
"""The name of the one that inflates: ``zlib`` or ``zlib-ng``."""
deflate, inflate, _module, _inflating, _levels = _choose(os.environ.get("FASTERAPI_DEFLATE", ""))

InflateError: type[Exception] = _inflating.error
"""Raised by an inflater for what is not DEFLATE."""


def new_deflater(level: int, bits: int, memory_level: int) -> Any:
    """Make a compressor of raw DEFLATE; its methods are those of ``zlib.compressobj``.

    Args:
        level: zlib's, -1 to 9; others take the one of theirs that compares.
        bits: The window's size as a power of two, 9 to 15.
        memory_level: zlib's, 1 to 9; others may not care.
    """
    return _module.compressobj(_levels[level], zlib.DEFLATED, -bits, memory_level)


def new_inflater(bits: int, history: bytes = b"") -> Any:
    """Make an inflater of raw DEFLATE; its methods are those of ``zlib.decompressobj``.

    Args:
        bits: The window's size as a power of two, 8 to 15.
        history: What was inflated before, to be referred to.
    """
    if history:
        return _inflating.decompressobj(-bits, zdict=history)
    return _inflating.decompressobj(-bits)
