"""The chooser: one backend at import, as asked for, and no silent second choice."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import util

import pytest

import fasterapi
from fasterapi import _speedups

INSTALLED = {"python"} | ({"c"} if util.find_spec("fasterapi._speedups.native") else set())


def install(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let only these modules be found."""
    monkeypatch.setattr(
        _speedups.util, "find_spec", lambda name: name.rpartition(".")[2] in modules or None
    )


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
    assert _speedups._choose(wish) == module


def test_a_backend_that_is_missing_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "pure")
    with pytest.raises(ImportError, match=r"FASTERAPI_IMPL=c asks for .* FASTERAPI_IMPL=python"):
        _speedups._choose("c")


@pytest.mark.parametrize("wish", ["C", "cython", "pure", " "])
def test_a_wish_that_names_no_backend_raises(wish: str) -> None:
    with pytest.raises(ImportError, match="it has to be 'python' or 'c', or unset"):
        _speedups._choose(wish)


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


def test_the_package_says_which_backend_runs() -> None:
    assert _speedups.implementation == fasterapi.__impl__
    assert fasterapi.__impl__ in INSTALLED


def test_the_kernels_all_come_from_one_backend() -> None:
    name = {"python": "pure", "c": "native"}[_speedups.implementation]
    kernels = __import__(f"fasterapi._speedups.{name}", fromlist=["NAME"])
    assert _speedups.implementation == kernels.NAME
    for kernel in ("Utf8Validator", "mask", "scan"):
        assert getattr(_speedups, kernel) is getattr(kernels, kernel)
