"""Brings the pages up to date with the code: ``python docs/update.py``.

    a comment above a code block     the file, or the parts of it, that the comment names
    docs/limits.md                   the docstring and the defaults of ``Limits``

``<!-- code: docs/snippets/echo.py -->`` stands for the whole file, and names behind the path for
definitions and assignments at its top level; ``import`` among them for the imports that those need.
A test fails when a page is stale. What the code does is tested elsewhere.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from fasterapi.limits import Limits

ROOT = Path(__file__).parents[1]
LIMITS = ROOT / "docs" / "limits.md"

BLOCK = re.compile(
    r"<!-- code: (?P<path>\S+)(?P<names>[^>]*) -->\n```python\n(?P<code>.*?)```\n", re.DOTALL
)
IMPORT = "import"


def pages() -> list[Path]:
    """Give the pages that may hold code from files."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def refresh(page: str) -> str:
    """Give the text of a page with every code block that names a file as that file is now.

    Raises:
        LookupError: If a file has no such part.
        OSError: If there is no such file.
    """

    def block(found: re.Match[str]) -> str:
        source = (ROOT / found["path"]).read_text(encoding="utf-8")
        names = found["names"].split()
        code = extract(source, names) if names else source
        return f"<!-- code: {found['path']}{found['names']} -->\n```python\n{code}```\n"

    return BLOCK.sub(block, page)


def extract(source: str, names: Sequence[str]) -> str:
    """Give the parts of a source that define ``names``, in the order of the names.

    Raises:
        LookupError: If one of them is not defined at the top level.
    """
    lines = source.splitlines()
    tree = ast.parse(source)
    nodes = [_definition(tree, name) for name in names if name != IMPORT]
    text = ""
    for node in nodes:
        text += "\n\n" if text and _is_block(node) else ""
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
        text += "".join(f"{line}\n" for line in lines[first - 1 : node.end_lineno])
    if IMPORT in names:
        gap = "\n\n" if _is_block(nodes[0]) else "\n"
        text = "".join(f"{line}\n" for line in _imports(lines, tree, nodes)) + gap + text
    return text


def _is_block(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _definition(tree: ast.Module, name: str) -> ast.stmt:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = name in {ast.unparse(target) for target in targets}
        else:
            found = getattr(node, "name", None) == name
        if found:
            return node
    raise LookupError(f"nothing at the top level is called {name!r}")


def _imports(lines: Sequence[str], tree: ast.Module, nodes: Sequence[ast.stmt]) -> Iterator[str]:
    """Give the imports, and of them the names, that some nodes use; the groups stay apart."""
    used = {name.id for node in nodes for name in ast.walk(node) if isinstance(name, ast.Name)}
    end = 0
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        node.names = [
            alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in used
        ]
        if node.names:
            if end and "" in lines[end : node.lineno - 1]:
                yield ""
            yield ast.unparse(node)
            end = node.end_lineno or 0


# ---------------------------------------------------------------------------------- docs/limits.md

_HEAD = """\
# Limits

What one peer may cost, and what happens when it costs more. Over some limits a peer has to wait;
over the others it loses its request or its connection, with the status or the close code named
here, and the log gets one line that names the limit. Nobody else notices.

`fasterapi.Limits` is a frozen dataclass. An `App` has one, and a route may have its own:

<!-- code: docs/snippets/options.py app images -->
```python
```

Of a WebSocket's route every limit counts that has to do with messages, pings, closing and writing.
Of an event stream's route those of writing, `sse_keepalive` and `sse_start_delay` count, and of all
but WebSockets `max_body_size`, where it is below the app's. The others are those of the app: they
count before a route is known, or for all of its connections together.

The table is made by `python docs/update.py` from the docstring and the defaults of `Limits`.

"""
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
_DEFAULT = re.compile(r"(?P<number>\d[\d,.]*)(?: (?P<unit>KiB|MiB|s))?(?:[,:] (?P<why>.*))?")
_UNITS = {
    "KiB": (1024, "bytes"),
    "MiB": (1024**2, "bytes"),
    "s": (1, "seconds"),
    None: (1, "count"),
}


def render_limits() -> str:
    """Give ``docs/limits.md``.

    Raises:
        ValueError: If the docstring names another default than the one that counts.
    """
    head = ["limit", "default", "unit", "what it is", "over it"]
    rows = [head, ["---"] * len(head), *_rows()]
    return refresh(_HEAD) + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows() -> Iterator[list[str]]:
    entries = dict(_ENTRY.findall(inspect.getdoc(Limits) or ""))
    for field in fields(Limits):
        text = " ".join(entries[field.name].replace("``", "`").split())
        meaning, over = [], ""
        for sentence in re.split(r"(?<=\.) ", text):
            if default := _DEFAULT.fullmatch(sentence.removesuffix(".")):
                number, unit = _default(field.name, field.default, default)
                why = f" *Default: {default['why']}.*" if default["why"] else ""
            elif over_it := re.match(r"Over it:? |Then ", sentence):
                over = sentence[over_it.end() :].removesuffix(".")
            else:
                meaning.append(sentence)
        unit = "characters" if "in characters" in text else unit
        yield [f"`{field.name}`", number, unit, " ".join(meaning) + why, over]


def _default(name: str, value: object, said: re.Match[str]) -> tuple[str, str]:
    factor, unit = _UNITS[said["unit"]]
    if float(said["number"].replace(",", "")) * factor != value:
        raise ValueError(f"the docstring of Limits.{name} says {said[0]!r}; its default is {value}")
    return f"{said['number']} {said['unit'] or ''}".strip(), unit


def main() -> None:
    """Write whatever has changed."""
    LIMITS.write_text(render_limits(), encoding="utf-8")
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (fresh := refresh(text)) != text:
            page.write_text(fresh, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: brought up to date")


if __name__ == "__main__":
    main()
