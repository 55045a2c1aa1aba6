"""The package as a whole: public names, version, what the build takes along, the docs index."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

import fasterapi
from fasterapi import protocol

ROOT = Path(__file__).parents[1]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DECISIONS = ROOT / "docs" / "decisions"


@pytest.mark.parametrize("name", fasterapi.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(fasterapi, name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "Buffer", "ClientHandshake", "Closed", "Event", "EventSource", "EventStreamParser",
        "Extension", "Fragment", "Keepalive", "Limits", "Ping", "Pong", "PreparedMessage",
        "Request", "Response", "Role", "SAME_ORIGIN", "ServerHandshake", "ServerSentEvent",
        "State", "WebSocketConnection", "format_event",
    ],
)  # fmt: skip
def test_the_core_is_imported_from_one_place(name: str) -> None:
    assert name in protocol.__all__
    assert getattr(protocol, name) is not None


def test_a_public_name_is_the_one_of_its_home() -> None:
    from fasterapi.app import App
    from fasterapi.errors import ConnectionClosed

    assert fasterapi.App is App
    assert fasterapi.ConnectionClosed is ConnectionClosed


def test_the_type_checker_sees_the_names_that_load() -> None:
    tree = ast.parse(Path(fasterapi.__file__).read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        (node.module, alias.name)
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {(home, name) for name, home in fasterapi._HOME.items()}
    assert set(fasterapi.__all__) == {
        *fasterapi._HOME, "__deflate__", "__impl__", "__inflate__", "__version__",
    }  # fmt: skip
    assert dir(fasterapi) == sorted(fasterapi.__all__)


def test_a_name_that_does_not_exist_says_so() -> None:
    with pytest.raises(AttributeError, match="'fasterapi' has no attribute 'Aap'"):
        _ = fasterapi.Aap


def test_the_backend_and_the_version_are_named() -> None:
    assert fasterapi.__impl__ in {"python", "c"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", fasterapi.__version__)


def test_the_build_takes_every_package() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "fasterapi").rglob("__init__.py")
    }
    assert set(CONFIGURATION["tool"]["setuptools"]["packages"]) == found | {"fasterapi.examples"}


def test_the_build_takes_every_other_file() -> None:
    data = CONFIGURATION["tool"]["setuptools"]["package-data"]
    mapping = CONFIGURATION["tool"]["setuptools"]["package-dir"]
    left_out = CONFIGURATION["tool"]["setuptools"]["exclude-package-data"]
    named = [*data.items(), *left_out.items()]
    taken = {
        path
        for package, patterns in named
        for pattern in patterns
        for path in (ROOT / mapping.get(package, package.replace(".", "/"))).glob(pattern)
    }
    present = {
        path
        for folder in ("fasterapi", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".so"}
    }
    assert present == taken


def test_the_examples_load_under_the_name_that_users_see() -> None:
    assert isinstance(importlib.import_module("fasterapi.examples.demo").app, fasterapi.App)


def test_the_index_of_decisions_is_complete() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    records = {path.name for path in DECISIONS.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([^)]+\.md)\)", index)) == records
