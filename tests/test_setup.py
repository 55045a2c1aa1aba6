"""The build of the C kernels: made where it can be, and gone without where not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

pytest.importorskip("cffi", reason="cffi builds the kernels (pip install cffi)")
pytest.importorskip("setuptools", reason="setuptools builds the kernels (pip install setuptools)")


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build the kernels into a folder, as an installation does."""
    clean = {name: value for name, value in os.environ.items() if name != "FASTERAPI_IMPL"}
    return subprocess.run(
        [
            *(sys.executable, "setup.py", "-q", "build_ext"),
            *("--build-lib", str(folder / "lib"), "--build-temp", str(folder / "temp")),
        ],
        cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def built(folder: Path) -> list[str]:
    """Name the extension modules that a build has left."""
    found = [*folder.rglob("_kernels*.so"), *folder.rglob("_kernels*.pyd")]
    return [path.relative_to(folder / "lib" / "fasterapi" / "_speedups").name for path in found]


def test_a_compiler_builds_them_for_every_version_of_python(tmp_path: Path) -> None:
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if not shutil.which(compiler.split()[0]):
        pytest.skip(f"no C compiler here (Debian: apt-get install gcc); looked for {compiler}")
    result = build(tmp_path)
    assert result.returncode == 0, result.stderr
    (name,) = built(tmp_path)
    if not sysconfig.get_config_var("Py_GIL_DISABLED") and os.name == "posix":
        assert name == "_kernels.abi3.so"


@pytest.mark.parametrize("compiler", ["false", "there-is-no-such-compiler"])
def test_without_a_compiler_that_works_the_rest_is_installed(tmp_path: Path, compiler: str) -> None:
    result = build(tmp_path, CC=compiler)
    assert result.returncode == 0, result.stderr
    assert "fasterapi: without C kernels, in pure Python: " in result.stderr
    assert built(tmp_path) == []


def test_without_cffi_the_rest_is_installed(tmp_path: Path) -> None:
    (tmp_path / "cffi.py").write_text("raise ImportError('no cffi here')\n")
    result = build(tmp_path, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stderr == "fasterapi: without C kernels, in pure Python: no cffi here\n"
    assert built(tmp_path) == []


def test_a_wish_for_c_makes_a_build_fail_that_has_none(tmp_path: Path) -> None:
    result = build(tmp_path, CC="false", FASTERAPI_IMPL="c")
    assert result.returncode == 1
    assert "FASTERAPI_IMPL=c, but the C kernels can't be built: " in result.stderr


def test_a_wish_for_python_builds_nothing(tmp_path: Path) -> None:
    result = build(tmp_path, FASTERAPI_IMPL="python")
    assert (result.returncode, result.stderr) == (0, "")
    assert built(tmp_path) == []


def test_cffi_is_wanted_by_the_build_where_it_is_wanted_by_the_package() -> None:
    needs = CONFIGURATION["build-system"]["requires"], CONFIGURATION["project"]["dependencies"]
    build_time, run_time = ([name for name in names if "cffi" in name] for names in needs)
    assert build_time == run_time
    assert len(run_time) == 1
