"""Where ``fasterapi connect`` shows what happens, while somebody types or in a pipe."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..protocol.text import printable
from .client import put

__all__ = ["PROMPT", "Screen", "hexadecimal"]

PROMPT = "> "
_MOMENT = 0.2  # seconds in which a prompt is written


class Screen:
    """Where messages and notes are shown, by several threads.

    Args:
        interactive: Whether somebody types meanwhile.

    Attributes:
        interactive: As given.
        broken: Whether nobody reads stdout any more.
    """

    def __init__(self, interactive: bool) -> None:
        self.interactive = interactive
        self.broken = False
        self._typing = False  # a line, which what is shown must not tear
        self._settled = threading.Event()  # no prompt is just being written
        self._settled.set()
        self._lock = threading.Lock()
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows only ASCII

    @contextmanager
    def line(self) -> Iterator[None]:
        """Take that a line is being typed meanwhile, with editing and a history.

        What comes while its prompt is being written waits for that, as far as the line editor tells
        when it has written it.
        """
        set_hook = _line_editor_hook()
        if set_hook is None:
            self._begin_line()
        else:
            self._settled.clear()
            set_hook(self._begin_line)
        try:
            yield
        finally:
            self._typing = False
            self._settled.set()
            if set_hook is not None:
                set_hook(None)

    def _begin_line(self) -> None:
        self._typing = True
        self._settled.set()

    def message(self, message: str | bytes) -> None:
        """Show a message that came."""
        if isinstance(message, str):
            text = printable(message).replace("\t", "\\t")
        else:
            text = hexadecimal(message)
        with self._lock:
            if self.interactive:
                self._above(f"< {text}")
            elif not put(f"{text}\n"):
                self.broken = True

    def note(self, text: str) -> None:
        """Tell what else has happened."""
        with self._lock:
            if self.interactive:
                self._above(f"* {text}")
            else:
                print(f"fasterapi: {text}", file=sys.stderr, flush=True)

    def _above(self, line: str) -> None:
        """Write a line above the one that is being typed, and that one again."""
        self._settled.wait(_MOMENT)
        if not self._typing:
            put(f"{line}\n")
            return
        put(f"\r\x1b[K{line}\n{PROMPT}{_typed()}")


def _line_editor_hook() -> Callable[[Callable[[], None] | None], None] | None:
    """Have ``input`` edit lines and keep a history; give what tells of each prompt, if that can."""
    try:
        import readline

        return readline.set_pre_input_hook
    except (ImportError, AttributeError):
        return None


def hexadecimal(data: bytes) -> str:
    """Write bytes for people."""
    return f"0x{data.hex()}"


def _typed() -> str:
    """Give what of a line has been typed so far, as far as that is known."""
    module: Any = sys.modules.get("readline")
    get: Callable[[], str] | None = getattr(module, "get_line_buffer", None)
    return get() if get is not None else ""
