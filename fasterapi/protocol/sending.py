"""The sending half of a connection: messages to frames, which wait in ``outgoing``.

RFC 6455, sections 5 and 6.1. What is not here is what arrives, and the time.
"""

from __future__ import annotations

from ..errors import InvalidArgument, LocalProtocolError
from .backlog import Waiting
from .codes import Opcode
from .extensions import passes_by
from .frames import FIN, MAX_CONTROL, SHORT_HEADERS, Buffer, build_close
from .keepalive import PingBook
from .outgoing import Outgoing
from .prepared import PreparedMessage
from .state import OPEN, Trigger, next_state

__all__ = ["FINAL_BINARY", "FINAL_TEXT", "Sending"]

FINAL_TEXT = FIN | int(Opcode.TEXT)
FINAL_BINARY = FIN | int(Opcode.BINARY)
_SHORT_TEXT = SHORT_HEADERS[FINAL_TEXT]


class Sending(Outgoing):
    """What ``WebSocketConnection`` sends."""

    __slots__ = ()

    def send_text(self, text: str, *, compress: bool | None = None) -> None:
        """Queue a text message.

        Args:
            text: The message.
            compress: Whether to, where an extension offers it; ``None`` leaves it to the extension.

        Raises:
            LocalProtocolError: If the connection is closing or closed, a fragmented message is
                unfinished, or the text holds a lone surrogate.
            TypeError: If it is no ``str``.
        """
        try:
            payload = text.encode()
        except (AttributeError, UnicodeEncodeError):
            payload = _encode(text)  # which says what is wrong
        length = len(payload)
        if length < self._plain_below and not compress:
            # The same as below, in fewer steps: most messages are short, and a server's.
            self._out.append(_SHORT_TEXT[length] + payload)
            self.queued += length + 2
        else:
            self._send_message(FINAL_TEXT, payload, compress)

    def send_binary(self, data: Buffer, *, compress: bool | None = None) -> None:
        """Queue a binary message; arguments and errors as in ``send_text``."""
        self._send_message(FINAL_BINARY, _copy(data), compress)

    def send_fragment(self, data: str | Buffer, *, fin: bool, compress: bool | None = None) -> None:
        """Queue one frame of a fragmented message (RFC 6455, section 5.4).

        Args:
            data: ``str`` in each fragment of a text message, bytes in each of a binary one.
            fin: Whether the message ends with this fragment.
            compress: As in ``send_text``, of the first fragment; the others follow it.

        Raises:
            LocalProtocolError: As ``send_text``, or if text and binary are mixed.
            TypeError: If ``data`` is neither text nor bytes.
        """
        kind: type[str | bytes] = str if isinstance(data, str) else bytes
        payload = _encode(data) if isinstance(data, str) else _copy(data)
        if self._sending not in (None, kind):
            raise LocalProtocolError("text and binary fragments in one message")
        opcode = Opcode.TEXT if kind is str else Opcode.BINARY
        if self._sending is not None:
            opcode = Opcode.CONTINUATION
        self._send_frame(Waiting(opcode, payload, fin, compress))
        self._sending = None if fin else kind
        self._plain_below = self._find_plain()

    def send_prepared(self, message: PreparedMessage) -> None:
        """Queue a message that goes to others, too; what can be shared with them is.

        Raises:
            LocalProtocolError: If the connection is closing or closed, or a fragmented message is
                unfinished.
        """
        if self._sending is not None:
            raise LocalProtocolError("a fragmented message is unfinished; send its last fragment")
        frame = None if self.behind or not self._masked else message.frame(self.extensions)
        if frame is None:
            self._send_message(FIN | message.opcode, message.payload, message.compress)
            return
        if self.state is not OPEN:
            self._move(Trigger.SEND)
        self._out.append(frame)
        self.queued += len(frame)

    @property
    def midway(self) -> bool:
        """Whether a fragmented message of ours is unfinished, and no other can be sent."""
        return self._sending is not None

    # ---------------------------------------------------------------------- control frames

    def ping(self, payload: Buffer = b"", *, now: float | None = None) -> None:
        """Queue a Ping; the ``Pong`` event that answers it tells how long that took.

        Args:
            payload: 0 to 125 bytes; make it unlike other pings' that are still open.
            now: The time, in seconds; without it, the latest that the connection was told.

        Raises:
            LocalProtocolError: If the connection is closing or closed, or the payload too long.
        """
        self._send_control(Opcode.PING, payload)
        if self._pings is None:
            self._pings = PingBook()
        self._pings.sent(bytes(payload), self._now if now is None else now)

    def pong(self, payload: Buffer = b"") -> None:
        """Queue an unsolicited Pong; pings are answered without it. Errors as in ``ping``."""
        self._send_control(Opcode.PONG, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Queue a Close, and wait ``Limits.close_timeout`` for the peer's.

        If the peer closed first, its Close is answered with its own code; ours is not used.

        Raises:
            LocalProtocolError: If we have closed already, the code may not be sent, or the reason
                is over 123 bytes of UTF-8.
        """
        payload = build_close(code, reason)
        state = next_state(self.state, Trigger.SEND_CLOSE)
        if self._owed is not None:
            self._send_owed()
            return
        self._queue_close(payload)
        self.state = state
        self._plain_below = self._find_plain()
        self._unarmed = True

    # ------------------------------------------------------------------------------ frames

    def _send_message(self, first: int, payload: bytes, compress: bool | None) -> None:
        if self._sending is not None:
            raise LocalProtocolError("a fragmented message is unfinished; send its last fragment")
        extension = self._alone
        if self.extensions and (
            extension is None
            or self.behind
            or (self.piecewise and 0 < extension.piece_size < len(payload))
        ):
            opcode = Opcode.TEXT if first == FINAL_TEXT else Opcode.BINARY
            self._send_frame(Waiting(opcode, payload, True, compress))
            return
        if self.state is not OPEN:
            self._move(Trigger.SEND)
        if extension is not None and not passes_by(extension, len(payload), compress):
            encoded = extension.encode_message(payload, compress)
            if encoded is not None:
                first |= extension.rsv
                payload = encoded
        if self._masked and (length := len(payload)) <= MAX_CONTROL:
            self._out.append(SHORT_HEADERS[first][length] + payload)
            self.queued += length + 2
        else:
            self._queue(first, payload)

    def _send_frame(self, frame: Waiting) -> None:
        """Queue a data frame through the extensions, now or piece by piece."""
        if self.state is not OPEN:
            self._move(Trigger.SEND)
        if self.behind or (self.piecewise and self._is_long(frame)):
            self._put_off(frame)
        else:
            self._encode(*frame)

    def _send_control(self, opcode: Opcode, payload: Buffer) -> None:
        payload = _copy(payload)
        if len(payload) > MAX_CONTROL:
            raise InvalidArgument(f"{opcode.name} of {len(payload)} bytes; at most 125 fit")
        self._move(Trigger.SEND)
        self._queue(FIN | opcode, payload)


def _encode(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"text has to be a str, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"text that is not valid Unicode: {error}") from None


def _copy(data: Buffer) -> bytes:
    """Make bytes that nobody changes later; ``memoryview`` refuses what is no buffer."""
    return data if type(data) is bytes else bytes(memoryview(data))
