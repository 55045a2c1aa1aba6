"""The programs that the pages show, loaded from their files and served on a port of their own."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

from fasterapi import Server, serve

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


class Site:
    """A snippet at work: its module, its server, and where clients find it."""

    def __init__(self, module: ModuleType, server: Server) -> None:
        self.module = module
        self.server = server

    def ws(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.server.port}{path}"

    def http(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.port}{path}"


@asynccontextmanager
async def running(name: str) -> AsyncIterator[Site]:
    """Serve ``docs/snippets/<name>.py`` while the block runs."""
    module = load(SNIPPETS / f"{name}.py")
    async with serve(module.app, port=0) as server:
        yield Site(module, server)


async def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for what a handler does; there is nothing to be woken by."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)
