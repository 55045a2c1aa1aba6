"""The pages against what they are made of: code, limits, links; and ``docs/update.py`` itself."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from fasterapi import Limits

from .snippets import ROOT, SNIPPETS, load

update = load(ROOT / "docs" / "update.py")
PAGES: list[Path] = [*update.pages(), *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@each_page
def test_the_code_is_the_files(page: Path) -> None:
    assert text(page) == update.refresh(text(page)), "stale; run: python docs/update.py"


@each_page
def test_no_code_is_of_a_page_alone(page: Path) -> None:
    assert "```python\n" not in update.BLOCK.sub("", text(page))


def test_the_limits_are_those_of_the_docstring() -> None:
    assert text(update.LIMITS) == update.render_limits(), "stale; run: python docs/update.py"


def test_every_limit_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text(update.LIMITS), re.MULTILINE)
    assert [name for name, _ in rows] == [field.name for field in fields(Limits)]
    assert all(cell.strip() for _, row in rows for cell in row.split("|"))


def test_a_docstring_with_another_default_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.__doc__ is not None
    monkeypatch.setattr(Limits, "__doc__", Limits.__doc__.replace("10,000.", "20,000."))
    with pytest.raises(ValueError, match=r"max_connections says '20,000'; its default is 10000"):
        update.render_limits()


def test_every_snippet_stands_on_a_page() -> None:
    named = {match["path"] for page in PAGES for match in update.BLOCK.finditer(text(page))}
    files = {str(path.relative_to(ROOT)) for path in SNIPPETS.glob("*.py")}
    assert files <= named


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", text(page))):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


SOURCE = """\
import asyncio
import json

from fasterapi import App, WebSocket

app = App()
LIMIT: int = 3


@app.websocket("/")
async def echo(ws: WebSocket) -> None:
    await asyncio.sleep(LIMIT)  # why


class Room:
    pass
"""


def test_parts_come_in_the_order_of_their_names() -> None:
    assert update.extract(SOURCE, ["LIMIT", "app"]) == "LIMIT: int = 3\napp = App()\n"


def test_a_definition_comes_with_its_decorators() -> None:
    assert update.extract(SOURCE, ["app", "echo", "Room"]) == (
        "app = App()\n\n\n"
        '@app.websocket("/")\nasync def echo(ws: WebSocket) -> None:\n'
        "    await asyncio.sleep(LIMIT)  # why\n\n\n"
        "class Room:\n    pass\n"
    )


def test_a_blank_line_divides_imports_and_assignments() -> None:
    code = update.extract(SOURCE, ["import", "app", "echo"])
    assert "\n\nfrom fasterapi import App, WebSocket\n\napp = App()\n\n\n@app" in code


def test_imports_come_as_far_as_they_are_used() -> None:
    code = update.extract(SOURCE, ["import", "echo"])
    assert code.startswith("import asyncio\n\nfrom fasterapi import WebSocket\n\n\n@app")


def test_a_part_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="nothing at the top level is called 'missing'"):
        update.extract(SOURCE, ["missing"])


def test_a_stale_block_is_replaced() -> None:
    page = "a\n<!-- code: docs/snippets/echo_def.py echo -->\n```python\nold\n```\nb\n"
    fresh = update.refresh(page)
    assert "for message in ws:" in fresh
    assert fresh.startswith("a\n<!-- code: docs/snippets/echo_def.py echo -->\n```python\n@app")
    assert fresh.endswith("        ws.send(message)\n```\nb\n")
    assert update.refresh(fresh) == fresh
