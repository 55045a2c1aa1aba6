"""A page of ``pages/`` becomes one string: style sheet, script, icon and Python sources inlined.

The files in ``pages/`` name what they need in the usual way (``<link href="demo.css">``), so each
of them also opens by itself in a browser or an editor. Inlined, a page is a single response, and
an example needs a single route for it.
"""

from __future__ import annotations

import ast
import base64
import html
import re
from pathlib import Path

EXAMPLES = Path(__file__).parent
PAGES = EXAMPLES / "pages"

STYLE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">')
SCRIPT = re.compile(r'<script src="([\w.]+)"></script>')
IMAGE = re.compile(r'(href|src)="(\w+\.svg)"')
SOURCE = re.compile(r"<!-- source: ([\w.]+) (\w+) -->")


def load(name: str) -> str:
    """Read the page ``name`` of ``pages/``, with everything it refers to put in its place.

    A comment such as ``<!-- source: chat.py chat -->`` is replaced by the code of that function.

    Raises:
        OSError: If the page, or a file that it names, cannot be read.
        LookupError: If an example has no such function.
    """
    page = (PAGES / name).read_text("utf-8")
    page = STYLE.sub(lambda link: f"<style>\n{_read(link[1])}</style>", page)
    page = SCRIPT.sub(lambda link: f"<script>\n{_read(link[1])}</script>", page)
    page = IMAGE.sub(lambda link: f'{link[1]}="{_data_url(link[2])}"', page)
    return SOURCE.sub(lambda mark: html.escape(source(mark[1], mark[2])), page)


def source(example: str, function: str) -> str:
    """Give the code of a top-level function of an example, with its decorators.

    Raises:
        LookupError: If the example has no such function.
    """
    text = (EXAMPLES / example).read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    raise LookupError(f"{example} has no function {function!r}")


def _read(name: str) -> str:
    return (PAGES / name).read_text("utf-8")


def _data_url(name: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode((PAGES / name).read_bytes()).decode()
