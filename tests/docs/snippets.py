"""The programs that the pages show, loaded from their files and driven in memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fasterapi.testing import TestClient

ROOT = Path(__file__).parents[2]
SNIPPETS = ROOT / "docs" / "snippets"


def load(path: Path) -> ModuleType:
    """Run a file as a module, anew each time, so that no test meets another one's state."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Site(NamedTuple):
    """A snippet at work: its module, and a client of its app."""

    module: ModuleType
    c: TestClient


@contextmanager
def running(name: str) -> Iterator[Site]:
    """Run the app of ``docs/snippets/<name>.py`` while the block does."""
    module = load(SNIPPETS / f"{name}.py")
    with TestClient(module.app) as client:
        yield Site(module, client)
