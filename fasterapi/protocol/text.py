"""Text that a peer has made, as it may be shown to people: in a log, on a terminal."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Write control characters and other invisible ones as ``\x1b`` or ``\u200b``.

    So no peer begins a line of its own, moves a cursor or renames a window. Tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == "\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )
