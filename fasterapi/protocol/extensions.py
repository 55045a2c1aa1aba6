"""Extensions: how one is negotiated, and how it sees and changes frames (RFC 6455, section 9).

An ``ExtensionFactory`` speaks in the handshake; what it agrees on is an ``Extension``, which
belongs to one connection. Offers and responses are the ``Sec-WebSocket-Extensions`` header's
elements, parsed here. This file must not know any particular extension.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import HandshakeError, LocalProtocolError
from .frames import Frame
from .headers import is_token

__all__ = [
    "Extension", "ExtensionFactory", "ExtensionOffer", "format_extensions", "negotiate",
    "parse_extensions",
]  # fmt: skip

Params = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class ExtensionOffer:
    """One element of ``Sec-WebSocket-Extensions``.

    Attributes:
        name: The extension's token.
        params: Parameters in order, as name and value; ``None`` for a parameter without one.
            Names may repeat: whether that is wrong is the extension's business.
    """

    name: str
    params: Params = ()


class Extension:
    """An extension at work on one connection; derive from it.

    Attributes:
        rsv: The RSV bits that it claims, as in a frame's first byte: any of 0x40, 0x20, 0x10. Two
            extensions of one connection can't claim the same bit.
        every_frame: Whether ``decode`` sees every data frame, or only the messages whose first
            frame carries a claimed bit. Others keep the fast path, and fail early on bad UTF-8.
        minimum_size: Bytes under which a message that is sent whole passes it by, unless its sender
            wants it compressed: the message's own, whatever other extensions make of them.
        piece_size: Bytes of a long frame that ``encode`` is given at a time, if the connection is
            ``piecewise``: it becomes several frames of one message. 0: frames stay whole.
        direct: Whether it has ``decode_message`` and ``encode_message``, which are for messages in
            one frame: most are, and need less work. It has to claim one bit, then. Beside other
            extensions it is not asked for them.
    """

    # Whoever derives has slots, or not, as it likes.
    __slots__ = ()

    rsv: int = 0
    every_frame: bool = False
    minimum_size: int = 0
    piece_size: int = 0
    direct: bool = False

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        """Change a data frame that arrived.

        Args:
            frame: The frame, as the extension behind this one on the wire left it.
            limit: Bytes that the payload may come to: those that the message may still bring, and
                some to spare if other extensions decode what this one makes. A payload of ``limit
                + 1`` bytes is enough to have it refused as too big, so never make more.

        Returns:
            The frame for the application, with the bits that this extension claims cleared. A bit
            left standing fails the connection.

        Raises:
            RemoteProtocolError: If the payload makes no sense.
        """
        raise NotImplementedError

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        """Change a data frame that is to be sent.

        Args:
            frame: The frame, as the extension before this one left it.
            compress: The caller's wish for this message; ``None`` leaves it to the extension.
        """
        raise NotImplementedError

    def decode_message(self, payload: bytes, limit: int) -> bytes:
        """Change a message that arrived in one frame with the claimed bit; see ``decode``."""
        raise NotImplementedError

    def encode_message(self, payload: bytes, compress: bool | None) -> bytes | None:
        """Change a message that is to be sent in one frame; see ``encode``.

        Returns:
            What goes out with the claimed bit; ``None``: the message goes as it is.
        """
        raise NotImplementedError

    def shares(self, size: int, compress: bool | None) -> Hashable | None:
        """Tell with whom a whole message that is sent is encoded alike.

        Args:
            size: Bytes that it is given: of the message, as the extension before it left it.
            compress: As in ``encode``.

        Returns:
            What it depends on beside the message: what one of two extensions with equal values
            encodes may be sent by the other. ``None``, and so it is unless overridden, if it
            depends on this connection's state, or changes it.
        """
        return None


class ExtensionFactory(Protocol):
    """An extension before and during the handshake, in both roles."""

    name: str

    def offers(self) -> Sequence[Params]:
        """Give the parameters of each offer that a client makes, the preferred one first."""

    def respond(self, params: Params) -> tuple[Params, Extension] | None:
        """Answer one offer as a server: the agreed parameters, or ``None`` to decline it."""

    def accept(self, params: Params) -> Extension:
        """Take a server's response as a client.

        Raises:
            HandshakeError: If the response is not one to what was offered.
        """


_ELEMENT = re.compile(
    r"""[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*"""
    r"""(?:=[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"((?:[^"\\]|\\.)*)")[ \t]*)?([;,]|\Z)"""
)
_EMPTY = re.compile(r"[ \t]*(,|\Z)")


def parse_extensions(values: Iterable[str]) -> list[ExtensionOffer]:
    """Parse ``Sec-WebSocket-Extensions`` fields (section 9.1), in linear time.

    Raises:
        HandshakeError: With status 400, if a field does not follow the grammar.
    """
    return [offer for value in values for offer in _parse_field(value)]


def _parse_field(value: str) -> list[ExtensionOffer]:
    offers: list[ExtensionOffer] = []
    position = 0
    while position < len(value):
        if empty := _EMPTY.match(value, position):
            position = empty.end()
            continue
        name = ""
        params: list[tuple[str, str | None]] = []
        separator = ";"
        while separator == ";":
            element = _ELEMENT.match(value, position)
            if element is None or (not name and (element[2] or element[3] is not None)):
                raise HandshakeError(400, "malformed Sec-WebSocket-Extensions header")
            position = element.end()
            separator = element[4]
            if name:
                params.append((element[1], _value(element)))
            else:
                name = element[1]
        offers.append(ExtensionOffer(name, tuple(params)))
    return offers


def _value(element: re.Match[str]) -> str | None:
    """Give a parameter's value; a quoted one has to quote a token (section 9.1)."""
    if element[3] is None:
        return element[2]
    value = re.sub(r"\\(.)", r"\1", element[3])
    if not is_token(value):
        raise HandshakeError(400, "malformed Sec-WebSocket-Extensions header")
    return value


def format_extensions(offers: Iterable[ExtensionOffer]) -> str:
    """Write the header's value."""
    return ", ".join(
        "; ".join([offer.name, *(k if v is None else f"{k}={v}" for k, v in offer.params)])
        for offer in offers
    )


def negotiate(
    offered: Iterable[ExtensionOffer], factories: Iterable[ExtensionFactory]
) -> tuple[list[ExtensionOffer], list[Extension]]:
    """Choose a server's extensions: for each factory the first offer that it takes.

    An offer that would claim an RSV bit twice is declined.

    Returns:
        What to answer, and the extensions at work, in the order in which they encode.
    """
    responses: list[ExtensionOffer] = []
    extensions: list[Extension] = []
    offered = list(offered)
    for factory in factories:
        for offer in offered:
            agreed = factory.respond(offer.params) if offer.name == factory.name else None
            if agreed and not agreed[1].rsv & claimed_bits(extensions):
                responses.append(ExtensionOffer(factory.name, agreed[0]))
                extensions.append(agreed[1])
                break
    return responses, extensions


def passes_by(extension: Extension, size: int, compress: bool | None) -> bool:
    """Tell whether a whole message of so many bytes goes without an extension's doing."""
    return size < extension.minimum_size and not compress


def claimed_bits(extensions: Iterable[Extension]) -> int:
    """Give the RSV bits that these extensions claim.

    Raises:
        LocalProtocolError: If two of them claim the same one, or one that is ``direct`` doesn't
            claim one.
    """
    bits = 0
    for extension in extensions:
        if extension.direct and extension.rsv not in (0x40, 0x20, 0x10):
            raise LocalProtocolError(
                f"{type(extension).__name__} is direct, and so has to claim one RSV bit (0x40, 0x20"
                f" or 0x10), not {extension.rsv:#04x}"
            )
        if bits & extension.rsv:
            raise LocalProtocolError("two extensions claim the same RSV bit")
        bits |= extension.rsv
    return bits
