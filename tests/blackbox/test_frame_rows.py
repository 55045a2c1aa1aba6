"""Rows 19 to 42: frames, good and bad, byte for byte, against both kinds of handler.

What is bad fails the connection: a Close frame with the code that the fault earns, then the end of
the transport.
"""

from __future__ import annotations

import threading

import pytest

from .conftest import Echo
from .peer import BINARY, CLOSE, KEY, PING, PONG, TEXT, Frame, close, frame, hexed, text, xor
from .server import KIB, MIB, eventually

MASK = "37 fa 21 3d"
HI = hexed("81 82 37 fa 21 3d 7f 93")
CLOSE_ECHO = 0x80 | CLOSE


def fails(echo: Echo, data: bytes, *codes: int) -> None:
    """See that ``data`` fails the connection: whole, and byte by byte."""
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        with echo.open() as peer:
            peer.send(*pieces)
            assert peer.read_close()[0] in codes
            assert peer.is_over()


def echoes(echo: Echo, data: bytes, *frames: Frame) -> None:
    """See that ``data`` is answered with ``frames``: whole, and byte by byte."""
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        with echo.open() as peer:
            peer.send(*pieces)
            assert [peer.read_frame() for _ in frames] == list(frames)


# -------------------------------------------------------------------------------- rows 19 to 25


def test_row_19_unmasked(echo: Echo) -> None:
    fails(echo, hexed("81 02 48 69"), 1002)


@pytest.mark.parametrize("first", ["c1", "a1", "91"])
def test_row_20_reserved_bits(echo: Echo, first: str) -> None:
    fails(echo, hexed(f"{first} 82 {MASK} 7f 93"), 1002)


@pytest.mark.parametrize("first", ["83", "84", "85", "86", "87", "8b", "8c", "8d", "8e", "8f"])
def test_row_21_reserved_opcodes(echo: Echo, first: str) -> None:
    fails(echo, hexed(f"{first} 80 {MASK}"), 1002)


def test_row_22_control_frames_too_long_or_in_fragments(echo: Echo) -> None:
    fails(echo, hexed(f"89 fe 00 7e {MASK}") + bytes(126), 1002)
    fails(echo, hexed(f"09 81 {MASK} 4f"), 1002)


def test_row_22_the_longest_ping(echo: Echo) -> None:
    echoes(echo, hexed(f"89 fd {MASK}") + bytes(125), Frame(0x80 | PONG, xor(bytes(125), KEY)))


@pytest.mark.parametrize("length", ["80 00 00 00 00 00 00 00", "ff ff ff ff ff ff ff ff"])
def test_row_23_a_length_with_its_top_bit_set(echo: Echo, length: str) -> None:
    with echo.site.grows_less_than(2 * MIB):
        fails(echo, hexed(f"82 ff {length} {MASK}"), 1002, 1009)


@pytest.mark.parametrize("length", ["7f ff ff ff ff ff ff ff", "00 00 00 00 00 10 00 01"])
def test_row_24_a_length_over_the_limit(echo: Echo, length: str) -> None:
    with echo.site.grows_less_than(2 * MIB):
        fails(echo, hexed(f"82 ff {length} {MASK}"), 1009)


def test_row_25_a_length_that_takes_more_bytes_than_it_needs(echo: Echo) -> None:
    fails(echo, hexed(f"82 fe 00 05 {MASK} 5f 9f 4d 51 58"), 1002)
    fails(echo, hexed(f"82 ff 00 00 00 00 00 00 00 05 {MASK} 5f 9f 4d 51 58"), 1002)


# -------------------------------------------------------------------------------- rows 26 to 29


@pytest.mark.parametrize("data", [f"80 81 {MASK} 4f", f"01 81 {MASK} 56 81 81 {MASK} 55"])
def test_row_26_fragments_out_of_order(echo: Echo, data: str) -> None:
    fails(echo, hexed(data), 1002)


def test_row_27_text_that_is_not_utf_8(echo: Echo) -> None:
    fails(echo, hexed(f"81 85 {MASK} f9 40 cc 9d b7"), 1007)


def test_row_28_bad_text_fails_at_its_first_impossible_byte(echo: Echo) -> None:
    fails(echo, hexed(f"01 87 {MASK} f9 40 c0 80 8e 0e b1"), 1007)


def test_row_28_bad_text_in_a_frame_that_never_ends(echo: Echo) -> None:
    """The frame says 60,000 bytes; the seventh can't be, and no more come."""
    fails(echo, hexed(f"81 fe ea 60 {MASK} f9 40 c0 80 8e 0e b1"), 1007)


def test_row_29_a_character_cut_short(echo: Echo) -> None:
    fails(echo, hexed(f"01 82 {MASK} d5 78 80 80 {MASK}"), 1007)


def test_row_29_a_character_in_two_fragments(echo: Echo) -> None:
    data = hexed(f"01 82 {MASK} d5 78 80 81 {MASK} 9b")
    echoes(echo, data, Frame(0x80 | TEXT, "\N{EURO SIGN}".encode()))


# -------------------------------------------------------------------------------- rows 30 to 35


def test_row_30_close_without_a_code(echo: Echo) -> None:
    with echo.open() as peer:
        peer.send(hexed(f"88 80 {MASK}"))
        assert peer.read_close()[0] in {None, 1000}
        assert peer.is_over()


def test_row_30_close_of_one_byte(echo: Echo) -> None:
    fails(echo, hexed(f"88 81 {MASK} 34"), 1002)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_row_31_close_codes_that_nobody_may_send(echo: Echo, code: int) -> None:
    fails(echo, close(code), 1002)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
)
def test_row_32_close_codes_that_one_may(echo: Echo, code: int) -> None:
    echo.site.get("/endings")
    with echo.open() as peer:
        peer.send(close(code, b"why"))
        assert peer.read_close()[0] == code
        assert peer.is_over()
    eventually(lambda: echo.site.get("/endings") == [code], "the handler's end")


def test_row_33_a_reason_that_is_not_utf_8(echo: Echo) -> None:
    fails(echo, hexed(f"88 83 {MASK} 34 12 de"), 1007, 1002)


def test_row_34_nothing_counts_behind_a_close(echo: Echo) -> None:
    with echo.site.grows_less_than(3 * MIB), echo.open() as peer:
        peer.send(hexed(f"88 82 {MASK} 34 12") + text("too late"))
        assert peer.read_close() == (1000, "")
        peer.send_all_it_takes(bytes(MIB), most=10 * MIB)
        assert peer.is_over()


def test_row_35_close_in_an_unfinished_message(echo: Echo) -> None:
    with echo.open() as peer:
        peer.send(hexed(f"01 81 {MASK} 56") + close(1000))
        assert peer.read_close() == (1000, "")
        assert peer.is_over()


def test_messages_before_a_fault_are_answered_before_the_close(echo: Echo) -> None:
    for fault, code in ((hexed(f"83 80 {MASK}"), 1002), (close(1000), 1000)):
        with echo.open() as peer:
            peer.send(text("one") + text("two") + fault + text("three"))
            assert [peer.read_message(), peer.read_message()] == ["one", "two"]
            assert peer.read_close()[0] == code
            assert peer.is_over()


# -------------------------------------------------------------------------------- rows 36 to 39


def test_row_36_a_message_over_the_limit_in_two_fragments(echo: Echo) -> None:
    first = frame(BINARY, bytes(600_000), fin=False)
    second = frame(0, bytes(600_000))
    with echo.open() as peer:
        peer.send(first)
        peer.send(second[:14])  # its header is enough
        assert peer.read_close()[0] == 1009
        assert peer.is_over()


@pytest.mark.parametrize("payload", [b"", b"x"], ids=["empty", "one byte"])
def test_row_37_fragments_without_an_end(echo: Echo, payload: bytes) -> None:
    """1,000,000 in the row; 100,000 here, of which the 1,025th is one too many."""
    flood = 1000 * frame(0, payload, fin=False)
    # Past the fault, what the kernel still holds is thrown away.
    with echo.site.grows_less_than(3 * MIB), echo.open() as peer:
        peer.send(frame(TEXT, fin=False))
        peer.send_all_it_takes(flood, most=100 * len(flood))
        assert peer.read_close()[0] in {1008, 1009}
        assert peer.is_over()


def test_row_38_a_message_in_sends_of_one_byte(echo: Echo) -> None:
    """1 MiB in the row; 32 KiB here, each byte in a write of its own."""
    message = bytes(range(256)) * 128
    data = frame(BINARY, message)
    before = echo.site.cpu()
    with echo.open() as peer:
        peer.send(*(data[at : at + 1] for at in range(len(data))))
        assert peer.read_message() == message
    assert echo.site.cpu() - before < 5


def test_row_38_every_split(echo: Echo) -> None:
    data = text("a\N{EURO SIGN}" * 20) + frame(PING, b"ping") + frame(BINARY, bytes(60))
    expected = [
        Frame(0x80 | TEXT, ("a\N{EURO SIGN}" * 20).encode()),
        Frame(0x80 | PONG, b"ping"),
        Frame(0x80 | BINARY, bytes(60)),
    ]
    with echo.open() as peer:
        for at in range(1, len(data)):
            peer.send(data[:at], data[at:])
            frames = [peer.read_frame() for _ in expected]
            # A pong may overtake an answer (RFC 6455, section 5.5.2), never split it.
            assert sorted(frames) == sorted(expected)


def test_row_39_many_that_stall_inside_a_large_frame(echo: Echo) -> None:
    """100 here, 200 in the row; no more than 64 KiB each, and pinged until they are given up."""
    start = hexed(f"82 ff 00 00 00 00 00 0f ff f0 {MASK}") + bytes(10)
    with echo.site.grows_less_than(100 * 64 * KIB):
        stalled = [echo.open("/pinged", rest=start) for _ in range(100)]
        for peer in stalled:
            # A keepalive ping, then Close 1011: the peer answers neither.
            assert peer.read_frame().first == 0x80 | PING
            assert peer.read_close()[0] == 1011
            assert peer.is_over()
            peer.close()


# -------------------------------------------------------------------------------- rows 40 to 42


def test_row_40_pings_of_one_who_never_reads(echo: Echo) -> None:
    """1,000,000 pings in the row, 6 MB; here 2 MB of them, and 10 MB of long ones."""
    for ping, most in ((frame(PING), 2 * MIB), (frame(PING, bytes(125)), 10 * MIB)):
        with echo.site.grows_less_than(4 * MIB), echo.open(receive_buffer=4096) as peer:
            peer.send_all_it_takes(1000 * ping, most=most)


def test_row_41_pongs_that_nobody_asked_for(echo: Echo) -> None:
    """1,000,000 in the row, 200,000 here; of one read, 43,000 are events at a time."""
    pongs = 10_000 * frame(PONG)
    with echo.site.grows_less_than(8 * MIB), echo.open() as peer:
        for _ in range(20):
            peer.send(pongs)
        peer.send(HI)
        assert peer.read_message() == "Hi"


def test_row_41_messages_for_a_handler_that_is_busy(echo: Echo) -> None:
    """Reading pauses, and what the kernel does not take stays outside."""
    with echo.site.grows_less_than(6 * MIB), echo.open("/busy") as peer:
        sent = peer.send_all_it_takes(10_000 * text(""), most=64 * MIB)
        assert sent < 64 * MIB, "reading did not pause"


def test_row_42_a_ping_between_two_fragments(echo: Echo) -> None:
    data = text("Hel", fin=False) + frame(PING, b"now") + frame(0, b"lo")
    echoes(echo, data, Frame(0x80 | PONG, b"now"), Frame(0x80 | TEXT, b"Hello"))


# --------------------------------------------------------------------------- beside the table


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1 * MIB])
def test_every_length_comes_back(echo: Echo, size: int) -> None:
    message = (bytes(range(251)) * (size // 251 + 1))[:size]
    with echo.open() as peer:
        writer = threading.Thread(target=peer.send, args=(frame(BINARY, message),))
        writer.start()
        assert peer.read_message() == message
        writer.join()


def test_pings_are_answered_while_the_handler_is_busy(echo: Echo) -> None:
    """Also behind 300,000 bytes of a message that has not come to its end."""
    with echo.open("/occupied") as peer:
        peer.send(text("keeps it busy") + frame(BINARY, fin=False))
        for size in (0, 60_000, 300_000):
            peer.send(frame(0, bytes(size), fin=False) + frame(PING, b"now"))
            assert peer.read_frame() == Frame(0x80 | PONG, b"now")


def test_a_close_is_answered_while_the_handler_is_busy(echo: Echo) -> None:
    with echo.open("/occupied") as peer:
        peer.send(text("keeps it busy") + text("is never looked at"))
        peer.send(close(1000))
        assert peer.read_close()[0] == 1000
        assert peer.is_over()


def test_ten_thousand_small_messages_come_back_in_order(echo: Echo) -> None:
    messages = [str(number) for number in range(10_000)]
    with echo.open() as peer:
        data = b"".join(map(text, messages))
        writer = threading.Thread(target=peer.send, args=(data,))
        writer.start()
        assert [peer.read_message() for _ in messages] == messages
        writer.join()


def test_a_slow_reader_gets_everything(echo: Echo) -> None:
    """The echo waits while 20 MB of answers wait, and so does reading."""
    message = bytes(100_000)
    with echo.site.grows_less_than(6 * MIB), echo.open(receive_buffer=4096) as peer:
        writer = threading.Thread(target=peer.send, args=(200 * frame(BINARY, message),))
        writer.start()
        assert all(peer.read_message() == message for _ in range(200))
        writer.join()
