"""The layers: what each part of the package may import, as a literal table held against its AST.

A layer imports only what its row names, wherever in a file the import stands: at the top, in a
function, or for the type checker alone. The few that go against the data's order are listed one by
one, with the way in which they are harmless.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"fasterapi": ROOT / "fasterapi", "fasterapi.examples": ROOT / "examples"}

BASE = {"_version", "errors", "limits"}
CORE = BASE | {"_speedups", "protocol"}

# Layer -> the layers that it may import. "" is the package itself, fasterapi/__init__.py.
LAYERS: dict[str, set[str]] = {
    "_version": set(),
    "errors": set(),
    "limits": set(),
    "_speedups": set(),
    "protocol": {"errors", "limits", "_speedups"},
    "http": {"_version", "errors", "limits", "protocol"},
    "app": {"errors", "limits", "protocol"},
    "sync": CORE | {"http", "app"},
    "aio": CORE | {"http", "app", "sync"},
    "contrib": CORE | {"http", "app", "sync", "aio"},
    "testing": CORE | {"http", "app", "sync", "aio"},
    "cli": {"", *CORE, "http", "app", "sync", "aio", "contrib", "examples"},
    "__main__": {"cli"},
    "examples": {"", *CORE, "http", "app", "sync", "aio"},
    "": {"_version", "_speedups"},
}

# (importing module, layer) -> how the import is kept from running when the module is loaded.
DEFERRED: dict[tuple[str, str], str] = {
    # The convenience of app.run(): the one place where an App knows of servers.
    ("fasterapi.app.app", "aio"): "function",
    ("fasterapi.app.app", "sync"): "function",
    # An App is an ASGI application.
    ("fasterapi.app.app", "contrib"): "function",
    # The public names: for the type checker here, loaded by __getattr__ when they are first used.
    ("fasterapi", "errors"): "typing",
    ("fasterapi", "limits"): "typing",
    ("fasterapi", "protocol"): "typing",
    ("fasterapi", "app"): "typing",
    ("fasterapi", "sync"): "typing",
    ("fasterapi", "aio"): "typing",
    ("fasterapi", "contrib"): "typing",
}

# Layer -> the distributions outside the standard library that it may import.
THIRD_PARTY: dict[str, set[str]] = {
    "_speedups": {"cffi", "_cffi_backend"},
    "http": {"h11", "h2", "hpack"},
    "sync": {"python_socks"},
    "aio": {"uvloop", "python_socks"},
    "testing": {"h11"},
    "contrib": {"flask", "starlette", "uvicorn"},
    "examples": {"h11", "trio", "twisted", "zope"},  # what the core is embedded in
}

THREADS = {"threading", "_thread", "concurrent", "queue", "multiprocessing"}
LOOPS = {"asyncio", "selectors", "select"}
SOCKETS = {"socket", "ssl", "socketserver"}
# What would get round this test.
DYNAMIC = {"importlib", "runpy", "pkgutil"}
# What reads or writes, waits, or asks the machine for the time: nothing that a sans-IO layer needs.
OUTSIDE_WORLD = (
    THREADS
    | LOOPS
    | SOCKETS
    | {
        "time",
        "os",
        "io.open",
        "io.FileIO",
        "pathlib",
        "tempfile",
        "shutil",
        "subprocess",
        "signal",
        "sched",
        "mmap",
    }
    | {"logging.handlers", "logging.config", "http.client", "http.server", "urllib.request"}
)
# Layer -> modules of the standard library that it may not import, nor anything inside them.
FORBIDDEN: dict[str, set[str]] = {
    "errors": OUTSIDE_WORLD,
    "limits": OUTSIDE_WORLD,
    "protocol": OUTSIDE_WORLD | DYNAMIC,
    "http": OUTSIDE_WORLD | DYNAMIC,
    "app": SOCKETS | LOOPS | THREADS | DYNAMIC | {"subprocess", "signal"},
    "sync": {"asyncio"} | DYNAMIC,
    "aio": THREADS | DYNAMIC,
    "testing": SOCKETS | DYNAMIC,
    "": OUTSIDE_WORLD,
}
# The one file where a loop and a thread meet.
MAY_USE_THREADS = "fasterapi.aio.bridge"


class Import(NamedTuple):
    """One import: ``name`` is absolute; ``when`` is "load", "function" or "typing"."""

    name: str
    when: str
    line: int


def layer(module: str) -> str:
    """Give the layer of a module of the package: the part after ``fasterapi.``, or ''."""
    return module.removeprefix("fasterapi").lstrip(".").partition(".")[0]


def is_typing_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(node: ast.AST, package: str, when: str = "load") -> Iterator[Import]:
    """Walk a tree and give all its imports; ``package`` is what relative names start from."""
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, when, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = resolve_name("." * node.level + (node.module or ""), package)
        for alias in node.names:
            yield Import(f"{base}.{alias.name}", when, node.lineno)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        when = "function"
    guarded = node.body if isinstance(node, ast.If) and is_typing_guard(node) else []
    for child in ast.iter_child_nodes(node):
        yield from imports(child, package, "typing" if child in guarded else when)


def inside(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def fault(module: str, found: Import) -> str | None:
    """Tell what is wrong with one import of a module, if anything is."""
    here, top = layer(module), found.name.partition(".")[0]
    if top == "fasterapi":
        # What fasterapi gives beside its layers is its own: fasterapi.App is of the package.
        there = layer(found.name) if layer(found.name) in LAYERS else ""
        allowed = there == here or there in LAYERS[here]
        if not allowed and DEFERRED.get((module, there)) != found.when:
            return f"{here or 'fasterapi'} may not import {there or 'fasterapi'}"
    elif top not in sys.stdlib_module_names:
        if top not in THIRD_PARTY.get(here, set()):
            return f"{here or 'fasterapi'} may not use {top}"
    elif inside(found.name, FORBIDDEN.get(here, set())) and module != MAY_USE_THREADS:
        return f"{here or 'fasterapi'} may not use {found.name}"
    return None


def faults(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Give every import of a module's source that the tables above do not allow."""
    if layer(module) not in LAYERS:
        return [f"{module} is of no layer: give it a row in LAYERS"]
    package = module if is_package else module.rpartition(".")[0]
    return [
        f"{module}, line {found.line}: {what}"
        for found in imports(ast.parse(source), package)
        if (what := fault(module, found))
    ]


def modules() -> Iterator[tuple[str, Path]]:
    """Give the name and the file of every module of the package."""
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts))
            yield name.removesuffix(".__init__"), path


@pytest.mark.parametrize(("module", "path"), [pytest.param(*m, id=m[0]) for m in modules()])
def test_every_import_is_in_the_table(module: str, path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert faults(module, source, is_package=path.name == "__init__.py") == []


def test_the_walk_sees_the_whole_package() -> None:
    found = {layer(name) for name, _ in modules()}
    assert {"", "errors", "limits", "_speedups", "protocol", "http", "app", "aio"} <= found


def test_the_layers_have_no_cycle() -> None:
    placed: set[str] = set()
    while rest := LAYERS.keys() - placed:
        free = {name for name in rest if LAYERS[name] <= placed}
        assert free, f"these import each other in a circle: {rest}"
        placed |= free


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("fasterapi.protocol.frames", "import socket", "may not use socket"),
        ("fasterapi.protocol.frames", "import asyncio.streams", "may not use asyncio.streams"),
        ("fasterapi.protocol.frames", "from os import environ", "may not use os.environ"),
        ("fasterapi.protocol.frames", "from time import monotonic", "may not use time.monotonic"),
        ("fasterapi.protocol.frames", "from logging import handlers", "may not use logging.hand"),
        ("fasterapi.protocol.frames", "def f():\n    import select", "line 2: protocol may not"),
        ("fasterapi.protocol.frames", "import h11", "may not use h11"),
        ("fasterapi.protocol.frames", "from ..app import App", "may not import app"),
        ("fasterapi.protocol.frames", "from .. import aio", "may not import aio"),
        ("fasterapi.protocol.frames", "from .. import App", "may not import fasterapi"),
        ("fasterapi.protocol.frames", "import fasterapi.sync.stream", "may not import sync"),
        ("fasterapi.http.h1", "from ..aio.server import Server", "may not import aio"),
        ("fasterapi.app.routing", "import threading", "may not use threading"),
        ("fasterapi.app.routing", "def f():\n    from ..aio import run", "may not import aio"),
        ("fasterapi.app.app", "from ..aio import run", "may not import aio"),
        ("fasterapi.sync.server", "import asyncio", "may not use asyncio"),
        ("fasterapi.sync.server", "from ..aio.http import x", "may not import aio"),
        ("fasterapi.aio.server", "from concurrent.futures import Future", "may not use concurr"),
        ("fasterapi.aio.server", "from ..cli import main", "may not import cli"),
        ("fasterapi", "from .aio import serve", "fasterapi may not import aio"),
        (
            "fasterapi.http.h1",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..aio import Server",
            "line 3: http may not import aio",
        ),
        (
            "fasterapi",
            "if TYPE_CHECKING:\n    pass\nelse:\n    from .aio import serve",
            "line 4: fasterapi may not import aio",
        ),
        ("fasterapi.app.app", "from importlib import import_module", "may not use importlib"),
        ("fasterapi.helpers.x", "", "of no layer"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str, expected: str) -> None:
    found = faults(module, source, is_package=module == "fasterapi")
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fasterapi.protocol.frames", "import struct\nfrom .._speedups import scan"),
        ("fasterapi.http.h1", "import h11\nfrom ..protocol.http import Request"),
        ("fasterapi.app.app", "def run():\n    from ..aio import run"),
        ("fasterapi.aio.bridge", "import threading\nfrom concurrent.futures import Future"),
        ("fasterapi.sync.server", "import socket, threading"),
        ("fasterapi", "if TYPE_CHECKING:\n    from .aio import serve"),
        ("fasterapi.examples.chat", "from fasterapi import App\nfrom fasterapi.examples import x"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str) -> None:
    assert faults(module, source, is_package=module == "fasterapi") == []


@pytest.mark.parametrize("statement", ["import fasterapi.protocol", "import fasterapi"])
def test_importing_the_core_loads_no_input_or_output(statement: str) -> None:
    # Without site-packages, so that nothing but the statement itself can have loaded a module.
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); before = set(sys.modules); {statement}; "
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env={**os.environ, "FASTERAPI_IMPL": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(result.stdout.split())
    assert "fasterapi._speedups.pure" in loaded
    assert not loaded & (SOCKETS | LOOPS | {"threading", "subprocess", "h11", "logging"})
    above = {"http", "app", "sync", "aio"}
    assert not {name for name in loaded if name.startswith("fasterapi.") and layer(name) in above}
