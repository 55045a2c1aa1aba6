"""The public API in the eyes of a type checker, and the examples of the first page of the docs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from fasterapi.app import App, Match, Style
from fasterapi.protocol import Request

EXAMPLES = Path(__file__).parent / "examples"
TEST_CLIENT = Path(__file__).parents[1] / "testing" / "examples" / "typed.py"


def check(name: str | Path, cache: Path, *options: str) -> list[str]:
    """Run mypy as a user without configuration would; give its complaints about a file."""
    api = pytest.importorskip("mypy.api")
    path = EXAMPLES / name
    out, err, _ = api.run(
        ["--config-file=", f"--cache-dir={cache}", "--no-error-summary", *options, str(path)]
    )
    assert err == ""
    return [re.sub(rf"^.*{re.escape(path.name)}:", "", line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cache for all runs of one module: most of a run is the package itself."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize("name", ["design5_websocket.py", "design5_sse.py"])
def test_the_first_examples_pass(name: str, cache: Path) -> None:
    # Strictly, but that they leave their return types out.
    options = ("--strict", "--allow-untyped-defs", "--allow-incomplete-defs")
    assert check(name, cache, *options) == []


def test_handlers_keep_their_types(cache: Path) -> None:
    assert check("typed.py", cache, "--strict") == []


@pytest.mark.parametrize(("path", "number"), [(EXAMPLES / "mistyped.py", 19), (TEST_CLIENT, 9)])
def test_mistakes_are_found(cache: Path, path: Path, number: int) -> None:
    source = path.read_text(encoding="utf-8")
    expected = {
        (line_number, found[1])
        for line_number, line in enumerate(source.splitlines(), 1)
        if (found := re.search(r"# mistake: (\S+)", line))
    }
    assert len(expected) == number
    complaints = check(path, cache, "--strict", "--hide-error-context")
    errors = [re.fullmatch(r"(\d+): error: .*\[([\w-]+)\]", line) for line in complaints]
    assert {(int(error[1]), error[2]) for error in errors if error} == expected


@pytest.mark.parametrize(
    ("name", "target", "style", "params"),
    [
        ("design5_websocket", "/ws/lobby", Style.COROUTINE, {"room": "lobby"}),
        ("design5_sse", "/events", Style.FUNCTION, {}),
    ],
)
def test_the_first_examples_are_registered(
    name: str, target: str, style: Style, params: dict[str, str]
) -> None:
    app = importlib.import_module(f"tests.app.examples.{name}").app
    assert isinstance(app, App)
    match = app.dispatch(Request("GET", target))
    assert isinstance(match, Match)
    assert match.route.handler.style is style
    assert match.params == params
