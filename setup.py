"""Builds the C kernels where that can be done; everything else stands in pyproject.toml.

They are an addition: without a compiler, without cffi or after a failed build fasterapi is
installed all the same, and runs in pure Python. ``FASTERAPI_IMPL=c`` makes such a build fail
instead, and ``FASTERAPI_IMPL=python`` builds without them.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

WISH = os.environ.get("FASTERAPI_IMPL", "")


def give_up(reason: object) -> None:
    """Go on without the kernels, unless they were asked for."""
    if WISH == "c":
        raise SystemExit(f"FASTERAPI_IMPL=c, but the C kernels can't be built: {reason}")
    print(f"fasterapi: without C kernels, in pure Python: {reason}", file=sys.stderr)


class BuildKernels(build_ext):
    """Survives a build that fails, for want of a compiler or otherwise."""

    def run(self) -> None:
        """Build; setuptools calls this."""
        try:
            super().run()
        except (BaseError, CCompilerError, OSError) as error:
            give_up(error)


def kernels() -> dict[str, Any]:
    """Give what setup has to be told to build them: nothing where they can't be."""
    if WISH == "python":
        return {}
    if sys.implementation.name != "cpython":
        give_up(f"{sys.implementation.name} makes Python fast by itself")
        return {}
    try:
        import cffi  # noqa: F401
    except ImportError as error:
        give_up(error)
        return {}
    # One wheel for all versions. The free-threaded ones have no such interface.
    limited = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp311"}
    return {
        "cffi_modules": ["fasterapi/_speedups/build.py:ffibuilder"],
        "cmdclass": {"build_ext": BuildKernels},
        "options": {"bdist_wheel": limited},
    }


setup(**kernels())
