"""What the tests of both halves of the handshake share: an extension that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from fasterapi.errors import HandshakeError
from fasterapi.protocol import Extension
from fasterapi.protocol.extensions import Params

FIELDS = [
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
]
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What answers the key of the RFC's example, ``the sample nonce``."""


class Plain(Extension):
    """An extension that changes nothing; the handshake does not look into it."""


class Factory:
    """Offers and agrees to ``x=1``, and nothing else."""

    params: Params = (("x", "1"),)

    def __init__(self, name: str = "plain", rsv: int = 0) -> None:
        self.name = name
        self.rsv = rsv

    def offers(self) -> Sequence[Params]:
        return [self.params, ()]

    def respond(self, params: Params) -> tuple[Params, Extension] | None:
        return (params, self.extension()) if params == self.params else None

    def accept(self, params: Params) -> Extension:
        if params != self.params:
            raise HandshakeError(101, "not what was offered")
        return self.extension()

    def extension(self) -> Extension:
        extension = Plain()
        extension.rsv = self.rsv
        return extension
