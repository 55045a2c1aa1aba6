"""Chooses the implementation of the kernels, once, at import.

``FASTERAPI_IMPL=python`` or ``FASTERAPI_IMPL=c`` forces one. A backend that was asked for and is
missing raises; without a wish the best that is installed runs. This is the one place of the package
that reads the environment, and nothing here knows what the kernels are used for.
"""

from __future__ import annotations

import os
from importlib import import_module, util
from typing import TYPE_CHECKING

__all__ = ["Utf8Validator", "implementation", "mask", "scan"]

_MODULES = {"c": "native", "python": "pure"}


def _choose(wish: str) -> str:
    """Give the name of the module to use.

    Raises:
        ImportError: If the wish names no backend, or one that is not installed.
    """
    if wish and wish not in _MODULES:
        raise ImportError(f"FASTERAPI_IMPL is {wish!r}; it has to be 'python' or 'c', or unset")
    for backend in [wish] if wish else list(_MODULES):
        if util.find_spec(f"{__name__}.{_MODULES[backend]}"):
            return _MODULES[backend]
    raise ImportError(
        f"FASTERAPI_IMPL={wish} asks for a backend that this installation does not have; "
        "unset it, or set FASTERAPI_IMPL=python"
    )


_kernels = import_module(f"{__name__}.{_choose(os.environ.get('FASTERAPI_IMPL', ''))}")

implementation: str = _kernels.NAME
if TYPE_CHECKING:
    from .pure import Utf8Validator, mask, scan
else:
    mask, scan, Utf8Validator = _kernels.mask, _kernels.scan, _kernels.Utf8Validator
