"""What ``fasterapi connect`` shows, and when, beside a line that is being typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fasterapi.cli import screen as module
from fasterapi.cli.screen import Screen, hexadecimal

from .sync.pairs import elsewhere

Hook = Callable[[], None]


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> list[Hook | None]:
    """Give what the line editor was told to call."""
    told: list[Hook | None] = []
    monkeypatch.setattr(module, "_line_editor_hook", lambda: told.append)
    monkeypatch.setattr(module, "_typed", lambda: "half a li")
    return told


def test_what_comes_while_a_prompt_is_written_waits_for_it(
    hooks: list[Hook | None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOMENT", 10)
    screen = Screen(interactive=True)
    with screen.line(), elsewhere(screen.message, "came"):
        (written,) = hooks
        assert written is not None
        written()
    assert capsys.readouterr().out == "\r\x1b[K< came\n> half a li"
    assert hooks[1:] == [None]


def test_a_line_editor_that_never_tells_is_not_waited_for(
    hooks: list[Hook | None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOMENT", 0)
    screen = Screen(interactive=True)
    with screen.line():
        screen.note("said")
    assert capsys.readouterr().out == "* said\n"


@pytest.mark.parametrize("hooked", [True, False])
def test_a_line_that_is_typed_is_written_again(
    hooked: bool,
    hooks: list[Hook | None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not hooked:
        monkeypatch.setattr(module, "_line_editor_hook", lambda: None)
    screen = Screen(interactive=True)
    with screen.line():
        if hooks and hooks[0] is not None:
            hooks[0]()
        screen.message(b"\x00\xff")
    screen.note("behind it")
    assert capsys.readouterr().out == "\r\x1b[K< 0x00ff\n> half a li* behind it\n"


def test_in_a_pipe_only_messages_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(interactive=False)
    screen.message("a\tb\x1b")
    screen.note("said")
    assert capsys.readouterr() == ("a\\tb\\x1b\n", "fasterapi: said\n")
    assert not screen.broken


def test_bytes_for_people() -> None:
    assert hexadecimal(b"\x00\xff") == "0x00ff"
