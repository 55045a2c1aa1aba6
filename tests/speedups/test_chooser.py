"""The chooser: one backend at import, as asked for, and no silent second choice."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import fasterapi
from fasterapi import _speedups

from .conftest import BACKENDS


def _is_installed(backend: str) -> bool:
    try:
        import_module(f"fasterapi._speedups.{BACKENDS[backend]}")
    except ImportError:
        return False
    return True


INSTALLED = set(filter(_is_installed, BACKENDS))


def install(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let only these modules load."""

    def load(name: str) -> ModuleType:
        if name.rpartition(".")[2] not in modules:
            raise ImportError(f"no {name} here")
        return ModuleType(name)

    monkeypatch.setattr(_speedups, "import_module", load)


@pytest.mark.parametrize(
    ("installed", "wish", "module"),
    [
        (["pure", "native"], "", "native"),
        (["pure"], "", "pure"),
        (["pure", "native"], "python", "pure"),
        (["pure", "native"], "c", "native"),
    ],
)
def test_the_wish_decides_and_then_the_best_that_is_there(
    monkeypatch: pytest.MonkeyPatch, installed: list[str], wish: str, module: str
) -> None:
    install(monkeypatch, *installed)
    assert _speedups._load(wish).__name__ == f"fasterapi._speedups.{module}"


def test_a_backend_that_is_missing_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "pure")
    expected = r"FASTERAPI_IMPL=c asks for .* \(no fasterapi._speedups.native here\).*IMPL=python"
    with pytest.raises(ImportError, match=expected):
        _speedups._load("c")


@pytest.mark.parametrize("wish", ["C", "cython", "pure", " "])
def test_a_wish_that_names_no_backend_raises(wish: str) -> None:
    with pytest.raises(ImportError, match="it has to be 'python' or 'c', or unset"):
        _speedups._load(wish)


def test_without_cffi_the_kernels_in_python_run() -> None:
    # Without site-packages, and so without cffi: only what stands in the source tree.
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import fasterapi; print(fasterapi.__impl__)"
    )
    root = str(Path(fasterapi.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-W", "error", "-I", "-S", "-c", program, root],
        env={**os.environ, "FASTERAPI_IMPL": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "python", "")


@pytest.mark.parametrize("wish", ["python", "c", "nonsense"])
def test_the_environment_is_the_wish(wish: str) -> None:
    environment = {**os.environ, "FASTERAPI_IMPL": wish}
    program = "from fasterapi import __impl__; print(__impl__)"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if wish in INSTALLED:
        assert (result.returncode, result.stdout.strip(), result.stderr) == (0, wish, "")
    else:
        assert result.returncode == 1
        assert "ImportError: FASTERAPI_IMPL" in result.stderr


def test_a_backend_says_its_name(kernels: ModuleType) -> None:
    assert kernels.__name__ == f"fasterapi._speedups.{BACKENDS[kernels.NAME]}"


def test_the_package_says_which_backend_runs() -> None:
    assert _speedups.implementation == fasterapi.__impl__
    assert fasterapi.__impl__ in INSTALLED


def test_the_kernels_all_come_from_one_backend() -> None:
    name = {"python": "pure", "c": "native"}[_speedups.implementation]
    kernels = __import__(f"fasterapi._speedups.{name}", fromlist=["NAME"])
    assert _speedups.implementation == kernels.NAME
    for kernel in ("Utf8Validator", "mask", "scan"):
        assert getattr(_speedups, kernel) is getattr(kernels, kernel)
