"""Opcodes and close codes, against RFC 6455's numbers and other libraries' tables."""

from __future__ import annotations

import websockets.frames
import wsproto.frame_protocol

from fasterapi.protocol import CloseCode, Opcode, is_sendable


def test_opcodes_are_those_of_the_rfc() -> None:
    assert {opcode.name: opcode.value for opcode in Opcode} == {
        "CONTINUATION": 0, "TEXT": 1, "BINARY": 2, "CLOSE": 8, "PING": 9, "PONG": 10,
    }  # fmt: skip
    assert sorted(Opcode) == sorted(websockets.frames.Opcode)


def test_close_codes_are_the_registered_ones() -> None:
    assert set(CloseCode) == set(range(1000, 1016)) - {1004}
    assert set(CloseCode) == set(websockets.frames.CloseCode)


def test_the_codes_that_may_stand_on_the_wire() -> None:
    allowed = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
    assert {code for code in range(0x10000) if is_sendable(code)} == allowed


def test_only_the_codes_that_stand_for_no_close_frame_are_never_sent() -> None:
    local = {CloseCode(code) for code in wsproto.frame_protocol.LOCAL_ONLY_CLOSE_REASONS}
    assert {code for code in CloseCode if not is_sendable(code)} == local
