"""Describes the module of the C kernels to cffi. setup.py names this file; nothing imports it.

API mode: cffi writes a wrapper in C around ``kernels.h``, so the compiler checks each declaration.
The wrapper keeps to Python's limited API, and one build serves every version from the oldest on.

cffi would have each call give the GIL up and take it again. A kernel is over in microseconds, while
a thread that got the GIL meanwhile may keep it for milliseconds, so here a call keeps it.
"""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

__all__ = ["ffibuilder"]

_FOLDER = Path(__file__).parent
_HEADER = _FOLDER / "kernels.h"


def _declarations(header: str) -> str:
    """Give a header without the lines for the preprocessor, which cffi does not read."""
    return re.sub(r"^#.*$", "", header, flags=re.MULTILINE)


ffibuilder = FFI()
ffibuilder.cdef(_declarations(_HEADER.read_text(encoding="utf-8")))
_KEEP_THE_GIL = """
#undef Py_BEGIN_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#undef Py_END_ALLOW_THREADS
#define Py_END_ALLOW_THREADS }
"""

ffibuilder.set_source(
    "fasterapi._speedups._kernels",
    f'#include "{_HEADER.name}"\n{_KEEP_THE_GIL}',
    sources=[(_FOLDER / "kernels.c").as_posix()],
    depends=[_HEADER.as_posix()],
    include_dirs=[_FOLDER.as_posix()],
)
