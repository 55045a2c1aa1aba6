"""Opcodes and close codes: the numbers of RFC 6455, and which of them may stand on the wire."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode", "Opcode", "is_sendable"]


class Opcode(IntEnum):
    """What a frame carries (RFC 6455, section 5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """Why a connection closed (RFC 6455, section 7.4.1, and the IANA registry behind it)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


# 1004 is reserved; 1005, 1006 and 1015 stand for what no Close frame said (section 7.4.1).
_NEVER_SENT = {1004, 1005, 1006}


def is_sendable(code: int) -> bool:
    """Tell whether ``code`` may stand in a Close frame (RFC 6455, section 7.4.2)."""
    return (1000 <= code <= 1014 and code not in _NEVER_SENT) or 3000 <= code <= 4999
