"""Header fields: ordered pairs with look-up by name, and the list syntax that handshakes use.

Sources: RFC 9110, sections 5.1 to 5.6 (names, values, tokens, lists). Names compare without regard
to case; values are text whose code points stand for bytes (latin-1), as in every HTTP library.
This module must not know what any header means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Self, SupportsIndex, overload

from ..errors import InvalidArgument

__all__ = [
    "HeaderPairs", "Headers", "has_token", "is_token", "parse_list", "parse_tokens",
    "validate_field",
]  # fmt: skip

HeaderPairs = Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]] | Mapping[str, str]
"""What is accepted where headers are given: pairs of str or of bytes, or a mapping."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")


def is_token(text: str) -> bool:
    """Tell whether ``text`` is a token (RFC 9110, section 5.6.2)."""
    return _TOKEN.match(text) is not None


def validate_field(name: str, value: str) -> None:
    """Refuse a header field that would not arrive as it was meant (RFC 9110, section 5.5).

    Raises:
        InvalidArgument: If the name is no token, or the value has a control character (CR, LF
            and NUL would split the head) or one beyond latin-1.
    """
    if not is_token(name):
        raise InvalidArgument(f"not a header name: {name!r}")
    if _FORBIDDEN_IN_VALUE.search(value):
        raise InvalidArgument(f"header {name} has a forbidden character: {value[:80]!r}")


def parse_list(value: str) -> list[str]:
    """Split a comma-separated list, dropping empty members (RFC 9110, section 5.6.1).

    Quoted strings are not looked into: use it for lists of tokens only.
    """
    return [member for part in value.split(",") if (member := part.strip(" \t"))]


def parse_tokens(values: Iterable[str]) -> list[str]:
    """Give the members of a list that may be spread over several fields, in lower case."""
    return [token for value in values for token in parse_list(value.lower())]


def has_token(value: str, token: str) -> bool:
    """Tell whether a list has the member ``token``, which is in lower case."""
    lower = value.lower()
    return lower == token or token in parse_list(lower)


class Headers(tuple[tuple[str, str], ...]):
    """Header fields in order, each as ``(name, value)``, with look-up by name.

    It is a tuple of pairs: iterate it, compare it, pass it to ``dict``. A ``str`` index looks a
    field up, without regard to case.

    Args:
        pairs: Pairs of ``str``, pairs of ``bytes`` (read as latin-1), or a mapping.
    """

    __slots__ = ()

    def __new__(cls, pairs: HeaderPairs = ()) -> Self:
        """Build from pairs of str or bytes, or from a mapping."""
        items = pairs.items() if isinstance(pairs, Mapping) else pairs
        return super().__new__(cls, ((_text(name), _text(value)) for name, value in items))

    @classmethod
    def of_text(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Build from pairs that are known to be of ``str``, and keep them as they are."""
        return super().__new__(cls, pairs)

    def merged(self) -> dict[str, str]:
        """Give what ``get`` does, by name in lower case: for whoever looks more than a few up."""
        values = dict(self)
        if len(values) == len(self) and "".join(values).islower():
            return values
        groups: dict[str, list[str]] = {}
        for name, value in self:
            groups.setdefault(name.lower(), []).append(value)
        return {name: ", ".join(group) for name, group in groups.items()}

    def get_all(self, name: str) -> list[str]:
        """Give every value of ``name``, in order."""
        wanted = name.lower()
        return [value for field, value in self if field.lower() == wanted]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Give the values of ``name``, joined by ``", "`` (RFC 9110, section 5.3)."""
        values = self.get_all(name)
        return ", ".join(values) if values else default

    def tokens(self, name: str) -> list[str]:
        """Give the members of the list in ``name``, in lower case."""
        return parse_tokens(self.get_all(name))

    @overload
    def __getitem__(self, key: str) -> str: ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[tuple[str, str], ...]: ...
    def __getitem__(
        self, key: str | SupportsIndex | slice
    ) -> str | tuple[str, str] | tuple[tuple[str, str], ...]:
        """Look a field up by name (``KeyError`` if there is none), or pairs by position."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return bool(self.get_all(item))
        return super().__contains__(item)

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


def _text(value: str | bytes) -> str:
    # Not ``bytes(value)``: that makes NULs of a number.
    return value if isinstance(value, str) else str(value, "latin-1")
