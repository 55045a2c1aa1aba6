"""What all commands share: how they read their arguments, and how they refuse."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["Refusal", "formatted"]


class Refusal(Exception):
    """Ends the command with a line on stderr and an exit status."""

    def __init__(self, message: str, *, status: int = 2) -> None:
        super().__init__(message)
        self.status = status


def formatted(make: Any, *args: str, **options: Any) -> argparse.ArgumentParser:
    """Make a parser that keeps the lines of its epilog and takes no abbreviated options."""
    parser: argparse.ArgumentParser = make(
        *args,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **options,
    )
    return parser
