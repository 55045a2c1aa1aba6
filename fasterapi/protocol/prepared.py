"""A message that goes to many connections, framed and compressed once where that is possible.

What a server sends is not masked, so a message without extensions is the same bytes for everybody;
with them it is the same for all whose extensions say that they would encode it alike
(``Extension.shares``). Whose is not encodes it itself. A connection's state is not known here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from .codes import Opcode
from .extensions import Extension, passes_by
from .frames import Buffer, Frame, build_header

__all__ = ["PreparedMessage"]

_Key = tuple[Hashable, ...]
"""What extensions say that they share, in the order in which they encode."""


class PreparedMessage:
    """A message for ``WebSocketConnection.send_prepared``.

    Args:
        message: ``str`` goes as text, bytes as binary.
        compress: As in ``WebSocketConnection.send_text``.

    Attributes:
        opcode: ``TEXT`` or ``BINARY``.
        payload: Its bytes.
        compress: As given.

    Raises:
        TypeError: If it is neither text nor bytes.
        UnicodeEncodeError: If text holds a lone surrogate.
    """

    __slots__ = ("_encoded", "_frames", "compress", "opcode", "payload")

    def __init__(self, message: str | Buffer, *, compress: bool | None = None) -> None:
        if isinstance(message, str):
            self.opcode, self.payload = Opcode.TEXT, message.encode()
        else:
            self.opcode, self.payload = Opcode.BINARY, bytes(memoryview(message))
        self.compress = compress
        self._encoded: dict[_Key, Frame] = {}
        self._frames: dict[_Key, bytes] = {}

    def frame(self, extensions: Sequence[Extension]) -> bytes | None:
        """Give the whole frame for a server's connection with these extensions.

        Returns:
            The same bytes for all that share them; ``None`` if this connection shares with nobody.
        """
        size, compress = len(self.payload), self.compress
        frame = Frame(self.opcode, self.payload)
        key: _Key = ()
        for extension in extensions:
            if passes_by(extension, size, compress):
                continue
            # It shares by what it is given, which isn't what was given to the one before.
            shared = extension.shares(len(frame.payload), compress)
            if shared is None:
                return None
            key = *key, shared
            encoded = self._encoded.get(key)
            if encoded is None:
                encoded = self._encoded[key] = extension.encode(frame, compress=compress)
            frame = encoded
        written = self._frames.get(key)
        if written is None:
            written = build_header(frame.first_byte, len(frame.payload)) + frame.payload
            self._frames[key] = written
        return written
