"""Malformed frames: what each earns, whole, byte by byte and in any cut, in both roles.

The byte strings of a client are given in full, masked with 37 fa 21 3d. Beside some stands what
websockets ("w") and wsproto ("p") make of the same bytes; both are run, so that the table is not
just our own opinion.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
import websockets.protocol
import wsproto.connection
import wsproto.events

from fasterapi.protocol import Closed, Limits, Ping, Role, State, WebSocketConnection

from .wire import (
    BINARY,
    CLOSE,
    CONT,
    KEY,
    PING,
    PONG,
    TEXT,
    Peer,
    closes,
    connect,
    every_way,
    frame,
    payloads,
    run,
    split,
)

M = "37 fa 21 3d "
FOREVER = "82 ff 7f ff ff ff ff ff ff ff " + M


def websockets_verdict(data: bytes) -> int | None:
    """Give the close code with which websockets answers a client's bytes."""
    protocol = websockets.protocol.Protocol(websockets.protocol.SERVER)
    protocol.receive_data(data)
    sent = closes(b"".join(protocol.data_to_send()))
    return int.from_bytes(sent[0][:2], "big") if sent else None


def wsproto_verdict(data: bytes) -> int | None:
    """Give the close code that wsproto comes to for a client's bytes."""
    connection = wsproto.connection.Connection(wsproto.connection.ConnectionType.SERVER)
    connection.receive_data(data)
    codes = [
        int(event.code)
        for event in connection.events()
        if isinstance(event, wsproto.events.CloseConnection)
    ]
    return codes[0] if codes else None


ORACLES: dict[str, Callable[[bytes], int | None]] = {
    "w": websockets_verdict,
    "p": wsproto_verdict,
}

FAULTS: list[tuple[str, str, int, dict[str, int | None]]] = [
    ("unmasked", "81 02 48 69", 1002, {"w": 1002, "p": 1002}),
    ("RSV1", "c1 82 " + M + "7f 93", 1002, {"w": 1002, "p": 1002}),
    ("RSV2", "a1 82 " + M + "7f 93", 1002, {"w": 1002, "p": 1002}),
    ("RSV3", "91 82 " + M + "7f 93", 1002, {"w": 1002, "p": 1002}),
    ("RSV1 on a ping", "c9 80 " + M, 1002, {"w": 1002, "p": 1002}),
    ("reserved opcode 3", "83 80 " + M, 1002, {"w": 1002, "p": 1002}),
    ("reserved opcode 7", "87 80 " + M, 1002, {"w": 1002, "p": 1002}),
    ("reserved opcode 11", "8b 80 " + M, 1002, {"w": 1002, "p": 1002}),
    ("reserved opcode 15", "8f 80 " + M, 1002, {"w": 1002, "p": 1002}),
    ("ping of 126", "89 fe 00 7e " + M + "00 " * 126, 1002, {"w": 1002, "p": 1002}),
    ("close of 126", "88 fe 00 7e " + M + "00 " * 126, 1002, {"w": 1002, "p": 1002}),
    ("fragmented ping", "09 81 " + M + "4f", 1002, {"w": 1002, "p": 1002}),
    ("fragmented close", "08 80 " + M, 1002, {"w": 1002, "p": 1002}),
    ("length 2**63", "82 ff 80 00 00 00 00 00 00 00 " + M, 1002, {"w": 1009, "p": 1002}),
    ("length 2**64-1", "82 ff" + " ff" * 8 + M, 1002, {"w": 1009, "p": 1002}),
    ("length 2**63-1", FOREVER, 1009, {"w": 1009, "p": None}),
    ("1 MiB and a byte", "82 ff 00 00 00 00 00 10 00 01 " + M, 1009, {"w": 1009, "p": None}),
    ("5 in two bytes", "82 fe 00 05 " + M + "5f 9f 4d 51 58", 1002, {"w": None, "p": 1002}),
    ("125 in two bytes", "82 fe 00 7d " + M + "00 " * 125, 1002, {"w": None, "p": 1002}),
    ("5 in eight bytes", "82 ff" + " 00" * 7 + "05 " + M + "00 " * 5, 1002, {"w": None, "p": 1002}),
    ("nothing to continue", "80 81 " + M + "4f", 1002, {"w": 1002, "p": 1002}),
    ("text in a text", "01 81 " + M + "56 81 81 " + M + "55", 1002, {"w": 1002, "p": 1002}),
    ("binary in a text", "01 81 " + M + "56 82 81 " + M + "55", 1002, {"w": 1002, "p": 1002}),
    ("bad UTF-8", "81 85 " + M + "f9 40 cc 9d b7", 1007, {"p": 1007}),
    ("bad UTF-8, not final", "01 87 " + M + "f9 40 c0 80 8e 0e b1", 1007, {"p": 1007}),
    ("cut character", "01 82 " + M + "d5 78 80 80 " + M, 1007, {"p": 1007}),
    ("cut character, final", "81 82 " + M + "d5 78", 1007, {"p": 1007}),
    ("half a close code", "88 81 " + M + "34", 1002, {"w": 1002, "p": 1002}),
    ("close reason ff", "88 83 " + M + "34 12 de", 1007, {"w": 1007, "p": 1007}),
]


@pytest.mark.parametrize(("data", "code"), [row[1:3] for row in FAULTS], ids=[r[0] for r in FAULTS])
def test_a_fault_fails_the_connection_behind_what_came_before(data: str, code: int) -> None:
    before = frame(TEXT, b"before") + frame(PING, b"p")
    behind = frame(TEXT, b"behind")
    result = every_way(connect, before + bytes.fromhex(data) + behind)
    assert result.events[:2] == ["before", Ping(b"p")]
    [closed] = result.events[2:]
    assert isinstance(closed, Closed)
    assert closed.code == code
    assert closed.reason
    assert not closed.remote
    assert result.connection.failed
    assert result.state is State.CLOSED
    assert payloads(result.sent) == [
        (0x80 | PONG, b"p"),
        (0x80 | CLOSE, code.to_bytes(2, "big") + closed.reason.encode()),
    ]


@pytest.mark.parametrize(
    ("data", "oracle", "verdict"),
    [(row[1], oracle, code) for row in FAULTS for oracle, code in row[3].items()],
    ids=[f"{row[0]}-{oracle}" for row in FAULTS for oracle in row[3]],
)
def test_what_others_make_of_it(data: str, oracle: str, verdict: int | None) -> None:
    assert ORACLES[oracle](bytes.fromhex(data)) == verdict


@pytest.mark.parametrize("row", [row for row in FAULTS if row[2] == 1009], ids=lambda row: row[0])
def test_a_length_over_the_limit_fails_with_the_header(row: tuple[str, str, int, object]) -> None:
    header = bytes.fromhex(row[1])
    assert every_way(connect, header[:-1]).events == []
    assert every_way(connect, header).events[0].code == 1009  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        ("81 ff 00 00 00 00 00 01 00 00 " + M, "ce ba e1 bd b9 f4 90"),
        ("01 fe 10 00 " + M, "ed a0"),
        ("81 fe 00 ff " + M, "c0"),
        ("81 9f " + M, "61 e2 82 61"),
        ("01 81 " + M + "56 00 9f " + M, "f0 8f"),
    ],
)
def test_text_fails_at_its_first_impossible_byte(start: str, fault: str) -> None:
    opening, text = bytes.fromhex(start), bytes.fromhex(fault)
    masked = bytes(byte ^ KEY[i % 4] for i, byte in enumerate(text))
    assert every_way(connect, opening + masked[:-1]).events == []
    assert every_way(connect, opening + masked).events == [Closed(1007, "text that is not UTF-8")]


# ------------------------------------------------------------------------------- both roles


def wrong(peer: Peer) -> dict[str, tuple[bytes, int]]:
    """Give faults as the other end would send them."""
    return {
        "wrong masking": (frame(TEXT, b"Hi", key=b"" if peer.key else KEY), 1002),
        "RSV1": (peer.frame(TEXT, b"x", rsv=0x40), 1002),
        "reserved opcode": (peer.frame(3), 1002),
        "fragmented control": (peer.frame(PONG, fin=False), 1002),
        "long control": (peer.frame(PING, bytes(126)), 1002),
        "nothing to continue": (peer.more(b"x"), 1002),
        "message in a message": (peer.text("a", fin=False) + peer.binary(b"b"), 1002),
        "bad UTF-8": (peer.frame(TEXT, b"\xed\xa0\x80"), 1007),
        "half a close code": (peer.frame(CLOSE, b"\x03"), 1002),
        "close code 1005": (peer.close(1005), 1002),
        "close reason": (peer.close(1000, b"\xff"), 1007),
        "too big": (peer.binary(bytes(1001)), 1009),
        "too many": (peer.text("", fin=False) + peer.more(b"") * 10, 1008),
    }


@pytest.mark.parametrize("name", wrong(Peer(Role.SERVER)))
def test_the_same_faults_earn_the_same_in_both_roles(role: Role, peer: Peer, name: str) -> None:
    limits = Limits(max_message_size=1000, max_fragments=10)
    data, code = wrong(peer)[name]
    result = every_way(lambda: connect(role, limits=limits), peer.text("before") + data)
    assert [getattr(event, "code", event) for event in result.events] == ["before", code]
    assert [payload[:2] for payload in closes(result.sent)] == [code.to_bytes(2, "big")]


# ------------------------------------------------------------------------------ close codes


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_close_codes_that_may_not_be_used(code: int) -> None:
    result = every_way(connect, frame(CLOSE, code.to_bytes(2, "big")))
    assert result.events[0].code == 1002  # type: ignore[union-attr]
    assert closes(result.sent)[0][:2] == b"\x03\xea"
    data = frame(CLOSE, code.to_bytes(2, "big"))
    assert (websockets_verdict(data), wsproto_verdict(data)) == (1002, 1002)


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_close_codes_that_are_echoed(code: int) -> None:
    data = frame(CLOSE, code.to_bytes(2, "big") + b"reason")
    result = every_way(connect, data)
    assert result.events == [Closed(code, "reason")]
    assert closes(result.sent) == [code.to_bytes(2, "big") + b"reason"]
    assert websockets_verdict(data) == code
    # wsproto does not know 1014, which the registry has.
    assert wsproto_verdict(data) == (code if code != 1014 else 1002)


# ------------------------------------------------------- what is legal, and only looks wrong


@pytest.mark.parametrize(
    ("data", "events", "sent"),
    [
        ("89 fd " + M + "00 " * 125, [Ping((KEY * 32)[:125])], [(0x8A, (KEY * 32)[:125])]),
        ("8a 80 " + M, ["Pong"], []),
        ("01 82 " + M + "d5 78 80 81 " + M + "9b", ["€"], []),
        ("01 80 " + M + "00 80 " + M + "80 80 " + M, [""], []),
        ("82 fe 00 7e " + M + "37 fa 21 3d " * 31 + "37 fa", [bytes(126)], []),
        ("88 80 " + M, [Closed(1005)], [(0x88, b"")]),
        ("01 81 " + M + "56 88 82 " + M + "34 12", [Closed(1000)], [(0x88, b"\x03\xe8")]),
        (
            "01 81 " + M + "56 89 80 " + M + "80 81 " + M + "55",
            [Ping(b""), "ab"],
            [(0x8A, b"")],
        ),
    ],
)
def test_what_is_legal(data: str, events: list[object], sent: list[tuple[int, bytes]]) -> None:
    result = every_way(connect, bytes.fromhex(data))
    assert [
        type(event).__name__ if "Pong" in repr(event) else event for event in result.events
    ] == events
    assert payloads(result.sent) == sent


# -------------------------------------------------------------------------------- in bulk


def peak_of(connection: WebSocketConnection, pieces: list[bytes]) -> int:
    """Feed ``pieces`` and give the most memory that it took, in bytes."""
    tracemalloc.start()
    for piece in pieces:
        connection.receive_data(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_what_follows_a_close_is_discarded_and_not_kept() -> None:
    connection = connect()
    data = frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late")
    assert connection.receive_data(data) == [Closed(1000)]
    assert peak_of(connection, [bytes(1_000_000)] * 10) < 10_000
    assert closes(connection.data_to_send()) == [b"\x03\xe8"]


def test_two_fragments_over_the_limit_fail_at_the_second_header() -> None:
    first = frame(BINARY, bytes(600_000), fin=False)
    second = frame(CONT, bytes(600_000))[:14]
    for pieces in ([first + second], split(first + second, range(65_536, 600_000, 65_536))):
        assert run(connect, pieces).events == [
            Closed(1009, "message over 1048576 bytes (Limits.max_message_size)")
        ]
    assert run(connect, [first, second[:-1]]).events == []


def test_a_stalled_frame_holds_no_more_than_it_brought() -> None:
    stalled = b"\x82\xff" + (0x0FFFF0).to_bytes(8, "big") + KEY + b"ten bytes!"
    connection = connect()
    assert peak_of(connection, [stalled]) < 4096
    assert connection.receive_data(bytes(100)) == []


def test_a_flood_of_pings_leaves_a_few_pongs() -> None:
    pings = frame(PING, b"p") * 5000
    connection = connect()
    for _ in range(4):
        connection.receive_data(pings)
    assert len(payloads(connection.data_to_send())) == connection.limits.max_queued_pongs


def test_a_flood_of_unsolicited_pongs_leaves_nothing() -> None:
    connection = connect()
    for _ in range(4):
        connection.receive_data(frame(PONG, b"p") * 5000)
    assert not connection.has_data_to_send()
