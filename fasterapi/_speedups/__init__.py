"""Chooses the implementation of the kernels, once, at import.

Without a wish the kernels in C run where they can be loaded, and those in Python where not.
``FASTERAPI_IMPL=python`` or ``FASTERAPI_IMPL=c`` forces one, and a backend that was asked for and
can't be loaded raises; ``deflate`` beside it chooses in the same way. These two are the places of
the package that read the environment, and nothing here knows what the kernels are used for.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["Utf8Validator", "implementation", "mask", "mask_into", "scan", "unwrap"]

_MODULES = {"c": "native", "python": "pure"}


def _load(wish: str) -> ModuleType:
    """Load the module to use.

    Raises:
        ImportError: If the wish names no backend, or one that can't be loaded here.
    """
    if not wish:
        try:
            return _load("c")
        except ImportError:
            return _load("python")
    if wish not in _MODULES:
        raise ImportError(f"FASTERAPI_IMPL is {wish!r}; it has to be 'python' or 'c', or unset")
    try:
        return import_module(f"{__name__}.{_MODULES[wish]}")
    except ImportError as reason:
        raise ImportError(
            f"FASTERAPI_IMPL={wish} asks for a backend that can't be loaded here ({reason}); "
            "unset it or set FASTERAPI_IMPL=python, or install fasterapi with a C compiler at hand"
        ) from reason


_kernels = _load(os.environ.get("FASTERAPI_IMPL", ""))

implementation: str = _kernels.NAME
if TYPE_CHECKING:
    from .pure import Utf8Validator, mask, mask_into, scan, unwrap
else:
    mask, scan, unwrap = _kernels.mask, _kernels.scan, _kernels.unwrap
    Utf8Validator, mask_into = _kernels.Utf8Validator, _kernels.mask_into
