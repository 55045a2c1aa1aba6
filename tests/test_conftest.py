"""Skips are failures under FASTERAPI_REQUIRE_ALL, and only there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fasterapi

ROOT = Path(__file__).parents[1]

SOURCES = {
    "test_cases.py": """\
import pytest

@pytest.fixture
def missing():
    pytest.skip("no such fixture")

def test_body():
    pytest.skip("no such body")

def test_fixture(missing):
    pass

@pytest.mark.skipif(True, reason="no such mark")
def test_mark():
    pass

@pytest.mark.xfail
def test_expected():
    assert False
""",
    "test_module.py": "import pytest\npytest.importorskip('no_such_module')\n",
}


def _run(folder: Path, require_all: str) -> subprocess.CompletedProcess[str]:
    for name, source in SOURCES.items():
        (folder / name).write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    options = ["-q", "-rfEs", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--continue-on-collection-errors"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FASTERAPI_REQUIRE_ALL": require_all},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_skip_is_a_failure_when_all_is_required(tmp_path: Path) -> None:
    result = _run(tmp_path, "1")
    assert result.returncode == 1
    assert "1 failed, 1 xfailed, 3 errors" in result.stdout
    for reason in ("fixture", "body", "mark"):
        assert f"no such {reason}" in result.stdout
    assert "no_such_module" in result.stdout
    assert "FASTERAPI_REQUIRE_ALL" in result.stdout


def test_a_skip_is_a_skip_otherwise_and_the_backend_is_named(tmp_path: Path) -> None:
    result = _run(tmp_path, "0")
    assert result.returncode == 0
    assert "4 skipped, 1 xfailed" in result.stdout
    assert "no such body" in result.stdout
    backend = f"{fasterapi.__impl__} backend, deflate {fasterapi.__deflate__}, inflate "
    assert f"{backend}{fasterapi.__inflate__}\n" in result.stdout
