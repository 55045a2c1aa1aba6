"""What a peer has written, made fit to be shown."""

from __future__ import annotations

import pytest

from fasterapi.protocol.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("naïve ☃", "naïve ☃"),
        ("a\tb\x1b", "a\tb\\x1b"),
        ("bye\nERROR forged", "bye\\nERROR forged"),
        ("\x1b]0;t\x07\x9b31m", "\\x1b]0;t\\x07\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_what_is_invisible_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
