"""Pings as a sign of life: the timer and the ping book alone, then both inside a connection.

The clock is whatever number the test says.
"""

from __future__ import annotations

import pytest

from fasterapi.protocol import (
    Closed,
    Keepalive,
    Limits,
    Pong,
    Role,
    State,
    WebSocketConnection,
)
from fasterapi.protocol.keepalive import KeepaliveTimer, PingBook

from .wire import PING, Peer, closes, connect, payloads


def test_the_defaults_are_those_of_the_limits() -> None:
    assert Keepalive() == Keepalive(20.0, 20.0)
    assert hash(Keepalive()) == hash(Keepalive(20.0, 20.0))
    assert not hasattr(Keepalive(), "__dict__")
    assert Keepalive.from_limits(Limits(ping_interval=3, ping_timeout=None)) == Keepalive(3, None)


# -------------------------------------------------------------------------------- the timer


class Pings(list[str]):
    """Counts the pings that a timer asks for."""

    def __call__(self) -> None:
        self.append("ping")


def test_silence_is_answered_with_a_ping_and_then_given_up() -> None:
    timer, pings = KeepaliveTimer(Keepalive(20, 10), now=100.0), Pings()
    assert timer.deadline() == 120
    assert not timer.tick(119.9, pings)
    assert pings == []
    assert not timer.tick(120.0, pings)
    assert pings == ["ping"]
    assert timer.deadline() == 130
    assert not timer.tick(129.9, pings)
    assert timer.tick(130.0, pings)
    assert pings == ["ping"]


def test_a_late_tick_still_gives_the_whole_timeout() -> None:
    timer, pings = KeepaliveTimer(Keepalive(20, 10), now=0.0), Pings()
    assert not timer.tick(500.0, pings)
    assert timer.deadline() == 510


def test_any_sign_of_life_begins_anew() -> None:
    timer, pings = KeepaliveTimer(Keepalive(20, 10), now=0.0), Pings()
    timer.heard = 15.0
    assert timer.deadline() == 35
    timer.tick(35.0, pings)
    timer.heard = 40.0
    assert timer.deadline() == 60
    assert not timer.tick(59.0, pings)
    assert pings == ["ping"]


def test_without_an_interval_nothing_is_due() -> None:
    timer, pings = KeepaliveTimer(Keepalive(None, 10), now=0.0), Pings()
    assert timer.deadline() is None
    assert not timer.tick(1e9, pings)
    assert pings == []


def test_without_a_timeout_one_ping_waits_for_ever() -> None:
    timer, pings = KeepaliveTimer(Keepalive(20, None), now=0.0), Pings()
    assert not timer.tick(20.0, pings)
    assert timer.deadline() is None
    assert not timer.tick(1e9, pings)
    assert pings == ["ping"]


def test_a_timer_that_was_never_told_the_time_begins_with_its_first_tick() -> None:
    timer, pings = KeepaliveTimer(Keepalive(20, 10)), Pings()
    assert timer.deadline() is None
    assert not timer.tick(1000.0, pings)
    assert timer.deadline() == 1020


# ---------------------------------------------------------------------------- the ping book


def test_a_pong_answers_its_ping() -> None:
    book = PingBook()
    book.sent(b"a", 10.0)
    assert book.answered(b"a", 10.5) == (0.5, (b"a",))
    assert book.answered(b"a", 11.0) == (None, ())


def test_a_pong_answers_every_earlier_ping_too() -> None:
    book = PingBook()
    for payload, now in ((b"a", 1.0), (b"b", 2.0), (b"c", 3.0)):
        book.sent(payload, now)
    assert book.answered(b"b", 5.0) == (3.0, (b"a", b"b"))
    assert book.answered(b"a", 6.0) == (None, ())
    assert book.answered(b"c", 7.0) == (4.0, (b"c",))


def test_an_unsolicited_pong_answers_nothing() -> None:
    book = PingBook()
    book.sent(b"a", 1.0)
    assert book.answered(b"z", 2.0) == (None, ())
    assert book.answered(b"a", 2.0) == (1.0, (b"a",))


def test_of_two_pings_alike_the_older_is_answered_first() -> None:
    book = PingBook()
    book.sent(b"", 1.0)
    book.sent(b"", 2.0)
    assert book.answered(b"", 3.0) == (2.0, (b"",))
    assert book.answered(b"", 3.0) == (1.0, (b"",))


def test_a_clock_that_runs_back_gives_no_negative_latency() -> None:
    book = PingBook()
    book.sent(b"a", 10.0)
    assert book.answered(b"a", 9.0) == (0.0, (b"a",))


def test_a_peer_that_never_answers_fills_no_memory() -> None:
    book = PingBook()
    for i in range(100):
        book.sent(b"%d" % i, float(i))
    assert book.answered(b"35", 200.0) == (None, ())
    latency, answers = book.answered(b"99", 200.0)
    assert (latency, len(answers), answers[0]) == (101.0, 64, b"36")


# --------------------------------------------------------------------- inside a connection


TWENTY_TEN = Keepalive(20, 10)


def silent(
    role: Role = Role.SERVER, keepalive: Keepalive | None = TWENTY_TEN
) -> WebSocketConnection:
    """Make a connection that begins at the time 100."""
    connection = connect(role, keepalive=keepalive)
    if keepalive is not None:
        assert connection.next_deadline() == 0.0  # soon: it has not been told the time
    assert connection.tick(100.0) == []
    return connection


def test_silence_earns_a_ping_and_then_close_1011(role: Role, peer: Peer) -> None:
    connection = silent(role)
    assert connection.next_deadline() == 120
    assert connection.tick(119.0) == []
    assert connection.data_to_send() == b""
    assert connection.tick(120.0) == []
    [(first, payload)] = payloads(connection.data_to_send())
    assert (first, len(payload)) == (0x89, 4)
    assert connection.next_deadline() == 130
    assert connection.tick(130.0) == [Closed(1011, "keepalive ping timeout")]
    assert connection.failed
    assert connection.state is State.REMOTE_CLOSING
    assert closes(connection.data_to_send()) == [b"\x03\xf3keepalive ping timeout"]
    assert connection.receive_data(peer.text("too late"), 131.0) == []


def test_a_pong_tells_the_latency(role: Role, peer: Peer) -> None:
    connection = silent(role)
    connection.tick(120.0)
    [(_, payload)] = payloads(connection.data_to_send())
    [pong] = connection.receive_data(peer.pong(payload), 120.25)
    assert isinstance(pong, Pong)
    assert (pong.payload, pong.latency, pong.answers) == (payload, 0.25, (payload,))
    assert connection.next_deadline() == 140.25


def test_any_byte_at_all_is_a_sign_of_life() -> None:
    connection = silent()
    connection.receive_data(b"\x81", 115.0)
    assert connection.next_deadline() == 135
    connection.tick(135.0)
    connection.receive_data(b"\xff", 140.0)
    assert connection.tick(145.0) == []
    assert connection.state is State.OPEN


def test_the_first_read_tells_the_time_as_well() -> None:
    connection = connect(keepalive=Keepalive(20, 10))
    connection.receive_data(b"\x81", 50.0)
    assert connection.next_deadline() == 70


def test_without_keepalive_nothing_is_due() -> None:
    connection = silent(keepalive=None)
    assert connection.next_deadline() is None
    assert connection.tick(1e9) == []
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("pinged", [False, True])
def test_silence_is_not_held_against_a_peer_that_nobody_reads_from(pinged: bool) -> None:
    connection = silent()
    if pinged:
        connection.tick(120.0)
        connection.data_to_send()
    connection.reading = False
    assert connection.next_deadline() == (140.0 if pinged else 120.0)
    for now in 140.0, 160.0, 1000.0:  # it is pinged, though: its system may know that it is gone
        assert connection.tick(now) == []
        assert [first for first, _ in payloads(connection.data_to_send())] == [0x80 | PING]
        assert connection.next_deadline() == now + 20
    connection.reading = True
    assert connection.next_deadline() == 1000.0  # soon: it has not been told the time
    assert connection.tick(2000.0) == []
    assert connection.data_to_send() == b""
    assert connection.next_deadline() == 2020


def test_reading_on_all_the_time_changes_nothing() -> None:
    connection = silent()
    connection.reading = True
    assert connection.next_deadline() == 120
    without = silent(keepalive=None)
    without.reading = False
    without.reading = True
    assert without.next_deadline() is None


def test_reading_again_does_not_put_off_the_end_of_the_close_handshake() -> None:
    connection = silent()
    connection.reading = False
    connection.close()
    connection.tick(101.0)
    connection.reading = True
    assert connection.reading
    assert connection.next_deadline() == 106.0


def test_a_closing_connection_is_not_pinged() -> None:
    connection = silent()
    connection.close()
    connection.data_to_send()
    connection.tick(101.0)
    assert connection.next_deadline() == 106.0
    connection.tick(105.9)
    assert connection.data_to_send() == b""


def test_pings_of_one_s_own_are_answered_too(role: Role, peer: Peer) -> None:
    connection = connect(role)
    connection.ping(b"a", now=10.0)
    connection.tick(11.0)
    connection.ping(b"b")
    [pong] = connection.receive_data(peer.pong(b"b"), 12.0)
    assert isinstance(pong, Pong)
    assert (pong.latency, pong.answers) == (1.0, (b"a", b"b"))


def test_an_unsolicited_pong_has_no_latency(role: Role, peer: Peer) -> None:
    connection = connect(role)
    for _ in range(2):
        [pong] = connection.receive_data(peer.pong(b"x"))
        assert isinstance(pong, Pong)
        assert (pong.payload, pong.latency, pong.answers) == (b"x", None, ())
        connection.ping(b"other")
