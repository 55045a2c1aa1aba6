"""A message that goes to many connections, framed and compressed once where that is possible.

What a server sends is not masked, so a message without extensions is the same bytes for everybody;
with them it is the same for all whose extensions say that they would encode it alike
(``Extension.shares``). Whose is not encodes it itself. A connection's state is not known here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from .codes import Opcode
from .extensions import Extension
from .frames import Frame, build_header

__all__ = ["PreparedMessage"]

Buffer = bytes | bytearray | memoryview


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

    __slots__ = ("_frames", "compress", "opcode", "payload")

    def __init__(self, message: str | Buffer, *, compress: bool | None = None) -> None:
        if isinstance(message, str):
            self.opcode, self.payload = Opcode.TEXT, message.encode()
        else:
            self.opcode, self.payload = Opcode.BINARY, bytes(memoryview(message))
        self.compress = compress
        self._frames: dict[Hashable, bytes] = {}

    def frame(self, extensions: Sequence[Extension]) -> bytes | None:
        """Give the whole frame for a server's connection with these extensions.

        Returns:
            The same bytes for all that share them; ``None`` if this connection shares with nobody.
        """
        size, compress = len(self.payload), self.compress
        shares = [extension.shares(size, compress) for extension in extensions]
        if None in shares:
            return None
        key = tuple(shares)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = self._encode(extensions)
        return frame

    def _encode(self, extensions: Sequence[Extension]) -> bytes:
        frame = Frame(self.opcode, self.payload)
        for extension in extensions:
            frame = extension.encode(frame, compress=self.compress)
        return build_header(frame.first_byte, len(frame.payload)) + frame.payload
