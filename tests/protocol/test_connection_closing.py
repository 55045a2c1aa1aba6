"""How a connection ends: who owes which Close, in what order, how often, and until when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasterapi.errors import InvalidArgument, LocalProtocolError
from fasterapi.protocol import (
    TRANSITIONS,
    Closed,
    Event,
    Keepalive,
    Limits,
    Ping,
    Role,
    State,
    WebSocketConnection,
)

from .wire import CLOSE, PING, PONG, TEXT, Peer, closes, connect, every_way, payloads

PEER = Peer(Role.SERVER)
BAD = PEER.frame(3)  # a reserved opcode
LIMITS = Limits(answer_timeout=1, close_timeout=5)
REMOTE = "remote=True"


def make(role: Role = Role.SERVER) -> WebSocketConnection:
    return connect(role, limits=LIMITS)


# ------------------------------------------------------------------------ the peer is first


@pytest.mark.parametrize(
    ("code", "reason", "event"),
    [
        (None, b"", Closed(1005)),
        (1000, b"", Closed(1000)),
        (4000, "schön".encode(), Closed(4000, "schön")),
        (1014, b"", Closed(1014)),
    ],
)
def test_the_peer_s_close_is_answered_with_its_like(
    role: Role, peer: Peer, code: int | None, reason: bytes, event: Closed
) -> None:
    result = every_way(lambda: make(role), peer.close(code, reason))
    assert result.events == [event]
    assert REMOTE in repr(result.events[0])
    assert closes(result.sent) == [b"" if code is None else code.to_bytes(2, "big") + reason]
    assert result.state is State.CLOSED
    assert not result.connection.failed


def test_nothing_behind_a_close_counts(role: Role, peer: Peer) -> None:
    data = peer.close(1000) + peer.text("late") + peer.ping() + peer.close(1001) + bytes(1000)
    result = every_way(lambda: make(role), data)
    assert result.events == [Closed(1000)]
    assert closes(result.sent) == [b"\x03\xe8"]
    assert result.connection.receive_data(bytes(100_000)) == []
    assert result.connection.data_to_send() == b""


def test_a_close_may_come_within_a_fragmented_message(role: Role, peer: Peer) -> None:
    result = every_way(lambda: make(role), peer.text("half", fin=False) + peer.close(1000))
    assert result.events == [Closed(1000)]
    assert closes(result.sent) == [b"\x03\xe8"]


def test_a_close_of_our_own_then_only_sends_the_one_we_owe() -> None:
    connection = make()
    connection.receive_data(PEER.close(4000))
    connection.close(1000, "ours")
    assert connection.state is State.CLOSED
    assert connection.queued == 4
    assert payloads(connection.data_to_send()) == [(0x80 | CLOSE, b"\x0f\xa0")]


# ------------------------------------------------------------------------------- our Close


def test_our_close_waits_for_the_peer_s(role: Role, peer: Peer) -> None:
    connection = make(role)
    connection.send_text("last words")
    connection.close(4001, "enough")
    assert connection.state is State.LOCAL_CLOSING
    assert payloads(connection.data_to_send()) == [
        (0x80 | TEXT, b"last words"),
        (0x80 | CLOSE, b"\x0f\xa1enough"),
    ]
    assert connection.receive_data(peer.text("still")) == ["still"]
    events = connection.receive_data(peer.close(4001, b"fine") + peer.text("late"))
    assert events == [Closed(4001, "fine")]
    assert REMOTE in repr(events)
    assert connection.state is State.CLOSED
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("code", [1004, 1005, 1006, 1015])
def test_a_code_that_stands_for_what_no_close_said(code: int) -> None:
    connection = make()
    with pytest.raises(InvalidArgument, match=f"close code {code} may not be sent"):
        connection.close(code)
    assert connection.state is State.OPEN
    assert connection.data_to_send() == b""


def test_a_ping_behind_our_close_is_reported_and_not_answered() -> None:
    connection = make()
    connection.close()
    connection.data_to_send()
    assert connection.receive_data(PEER.ping(b"x")) == [Ping(b"x")]
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("closes_first", ["we", "the peer"])
def test_a_ping_before_the_close_is_still_answered(closes_first: str) -> None:
    connection = make()
    connection.receive_data(PEER.ping(b"x"))
    if closes_first == "the peer":
        connection.receive_data(PEER.close(1000))
    connection.close()
    assert [first for first, _ in payloads(connection.data_to_send())] == [
        0x80 | PONG,
        0x80 | CLOSE,
    ]


def test_a_fault_behind_our_close_ends_it_without_a_second(role: Role, peer: Peer) -> None:
    connection = make(role)
    connection.close()
    connection.data_to_send()
    events = connection.receive_data(peer.text("ok") + peer.frame(3))
    assert events == ["ok", Closed(1002, "reserved opcode 0x3")]
    assert connection.failed
    assert connection.state is State.CLOSED
    assert connection.data_to_send() == b""


# ------------------------------------------------------------------------------ strictness


@pytest.mark.parametrize(
    ("ending", "closed"),
    [(BAD, Closed(1002, "reserved opcode 0x3")), (PEER.close(1001), Closed(1001))],
    ids=["fault", "close"],
)
def test_answers_to_earlier_messages_go_out_before_the_close(ending: bytes, closed: Closed) -> None:
    connection = make()
    data = PEER.text("one") + PEER.ping(b"p") + PEER.text("two") + ending
    for event in connection.receive_data(data):
        if isinstance(event, str):
            connection.send_text(event.upper())
        elif isinstance(event, Closed):
            assert event == closed
    assert connection.state is State.REMOTE_CLOSING
    *answers, last = payloads(connection.data_to_send())
    assert answers == [(0x80 | PONG, b"p"), (0x80 | TEXT, b"ONE"), (0x80 | TEXT, b"TWO")]
    assert last[0] == 0x80 | CLOSE
    assert last[1][:2] == closed.code.to_bytes(2, "big")


def test_a_close_can_be_held_until_the_answers_are_there() -> None:
    connection = make()
    connection.receive_data(PEER.text("one") + PEER.ping(b"p") + BAD, 10.0)
    assert connection.has_data_to_send(hold_close=True)
    assert payloads(connection.data_to_send(hold_close=True)) == [(0x80 | PONG, b"p")]
    assert not connection.has_data_to_send(hold_close=True)
    assert connection.has_data_to_send()
    connection.send_text("answer")
    assert payloads(connection.data_to_send(hold_close=True)) == [(0x80 | TEXT, b"answer")]
    assert closes(connection.data_to_send()) == [b"\x03\xeareserved opcode 0x3"]
    assert not connection.has_data_to_send()


def test_a_held_close_goes_out_after_the_answer_timeout_all_the_same() -> None:
    connection = make()
    connection.receive_data(PEER.text("one") + PEER.close(1000), 10.0)
    assert connection.next_deadline() == 11.0
    assert connection.tick(10.9) == []
    assert not connection.has_data_to_send(hold_close=True)
    assert connection.data_to_send(hold_close=True) == b""
    assert connection.tick(11.0) == []
    assert connection.has_data_to_send(hold_close=True)
    assert closes(connection.data_to_send(hold_close=True)) == [b"\x03\xe8"]
    assert connection.state is State.CLOSED
    assert not connection.finished
    with pytest.raises(LocalProtocolError):
        connection.send_text("too late")


def test_hold_close_does_not_hold_our_own_close() -> None:
    connection = make()
    connection.close(1000)
    assert closes(connection.data_to_send(hold_close=True)) == [b"\x03\xe8"]


@pytest.mark.parametrize(
    ("reason", "sent"),
    [("x" * 200, b"x" * 123), ("é" * 100, "é".encode() * 61)],
    ids=["ascii", "two bytes each"],
)
def test_a_long_reason_of_ours_is_cut_to_what_fits(reason: str, sent: bytes) -> None:
    connection = make()
    events: list[Event] = []
    connection._fail(1011, reason, events)
    assert events == [Closed(1011, reason)]
    assert closes(connection.data_to_send()) == [b"\x03\xf3" + sent]


# ------------------------------------------------------------------------------- the end


def test_a_connection_that_ends_without_a_close_is_1006(role: Role, peer: Peer) -> None:
    for data in (b"", peer.text("half", fin=False), peer.text("half")[:3], b"\x81"):
        connection = make(role)
        connection.receive_data(data)
        assert connection.receive_eof() == [Closed(1006)]
        assert connection.state is State.CLOSED
        assert connection.receive_eof() == []
        assert connection.finished
        assert connection.data_to_send() == b""


def test_a_connection_that_ends_while_our_close_is_unanswered_is_1006() -> None:
    connection = make()
    connection.close()
    connection.data_to_send()
    assert connection.receive_eof(1.0) == [Closed(1006)]
    assert connection.finished


@pytest.mark.parametrize("ending", [BAD, PEER.close(1000)], ids=["fault", "close"])
def test_a_peer_that_shuts_its_half_down_still_gets_its_answers(ending: bytes) -> None:
    connection = make()
    connection.receive_data(PEER.text("one") + ending)
    assert connection.receive_eof() == []
    assert connection.state is State.REMOTE_CLOSING
    assert not connection.finished
    connection.send_text("ONE")
    assert [first for first, _ in payloads(connection.data_to_send())] == [
        0x80 | TEXT,
        0x80 | CLOSE,
    ]
    assert connection.finished


def test_a_server_ends_its_half_and_a_client_waits_for_that() -> None:
    for role in Role:
        connection, peer = make(role), Peer(role)
        connection.close()
        assert not connection.write_finished
        connection.data_to_send()
        assert not connection.write_finished
        connection.receive_data(peer.close(1000))
        assert connection.write_finished is (role is Role.SERVER)
        assert not connection.finished
        connection.receive_eof()
        assert connection.finished


def test_nothing_is_finished_before_it_is_handed_out() -> None:
    connection = make()
    connection.receive_data(PEER.close(1000))
    connection.receive_eof()
    connection.close()
    assert connection.state is State.CLOSED
    assert not connection.write_finished
    assert not connection.finished
    connection.data_to_send()
    assert connection.write_finished
    assert connection.finished


# --------------------------------------------------------------------------------- deadlines


def test_our_close_waits_for_the_close_timeout() -> None:
    connection = make()
    connection.tick(99.0)
    connection.close()
    connection.data_to_send()
    assert connection.next_deadline() == 99.0  # soon: close() was not told the time
    assert connection.tick(100.0) == []
    assert connection.next_deadline() == 105.0
    assert connection.tick(104.9) == []
    assert not connection.finished
    assert connection.tick(105.0) == [Closed(1006)]
    assert connection.state is State.CLOSED
    assert connection.finished
    assert connection.next_deadline() is None
    assert connection.tick(200.0) == []
    assert connection.receive_eof() == []


def test_a_read_tells_the_time_of_our_close_as_well() -> None:
    connection = make()
    connection.close()
    connection.receive_data(PEER.text("x"), 50.0)
    assert connection.next_deadline() == 55.0


def test_what_the_peer_goes_on_sending_does_not_put_off_the_end() -> None:
    connection = make()
    connection.close()
    connection.tick(100.0)
    for i in range(50):
        connection.receive_data(PEER.text("flood"), 100.0 + i / 10)
    assert connection.tick(105.0) == [Closed(1006)]
    assert connection.receive_data(PEER.text("flood"), 106.0) == []


def test_after_the_close_handshake_the_transport_has_the_close_timeout_to_end() -> None:
    connection = make()
    connection.close()
    connection.tick(100.0)
    assert closes(connection.data_to_send()) == [b"\x03\xe8"]
    connection.receive_data(PEER.close(1000), 103.0)
    assert not connection.finished
    assert connection.next_deadline() == 108.0
    assert connection.tick(107.9) == []
    assert not connection.finished
    assert connection.tick(108.0) == []
    assert connection.finished


def test_the_same_after_a_fault_that_met_our_close() -> None:
    connection = make()
    connection.close()
    connection.data_to_send()
    connection.receive_data(BAD, 100.0)
    assert connection.next_deadline() == 105.0
    connection.tick(105.0)
    assert connection.finished


def test_the_close_that_we_owed_begins_the_close_timeout() -> None:
    connection = make()
    connection.receive_data(PEER.close(1000), 100.0)
    assert connection.next_deadline() == 101.0
    connection.data_to_send()
    assert connection.next_deadline() == 100.0  # soon: data_to_send() was not told the time
    connection.tick(100.5)
    assert connection.next_deadline() == 105.5
    assert connection.tick(105.5) == []
    assert connection.finished


def test_a_peer_that_takes_too_long_forgoes_what_is_queued() -> None:
    connection = make()
    connection.send_text("a message that the transport has no room for")
    connection.close()
    connection.tick(100.0)
    assert not connection.finished
    assert connection.tick(105.0) == [Closed(1006)]
    assert connection.finished
    assert not connection.write_finished


def test_a_close_that_nobody_fetches_is_not_finished() -> None:
    connection = make()
    connection.receive_data(PEER.close(1000), 100.0)
    connection.tick(101.0)
    assert connection.next_deadline() is None
    assert not connection.finished
    connection.data_to_send(hold_close=True)
    connection.tick(102.0)
    connection.tick(107.0)
    assert connection.finished


def test_keepalive_gives_way_to_the_close_handshake() -> None:
    connection = connect(limits=LIMITS, keepalive=Keepalive(20, 10))
    connection.close()
    connection.tick(100.0)
    assert connection.next_deadline() == 105.0
    assert [first for first, _ in payloads(connection.data_to_send())] == [0x80 | CLOSE]


# --------------------------------------------------------------------- whatever happens


Step = tuple[str, object]
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("read"),
            st.sampled_from(
                [
                    PEER.text("x"),
                    PEER.text("x", fin=False),
                    PEER.more(b"y", fin=True),
                    PEER.ping(b"p"),
                    PEER.close(1000),
                    PEER.close(),
                    PEER.frame(CLOSE, b"\x03"),
                    BAD,
                    b"\x81",
                    b"\xff",
                ]
            ),
        ),
        st.tuples(st.just("tick"), st.sampled_from([0.0, 0.5, 1.0, 6.0, 25.0])),
        st.tuples(st.just("take"), st.booleans()),
        st.tuples(st.sampled_from(["eof", "send", "ping", "close", "pause", "resume"]), st.none()),
    ),
    max_size=14,
)


def perform(
    connection: WebSocketConnection, step: Step, now: float, sent: list[bytes]
) -> list[Event]:
    """Do one step; what is refused is refused."""
    name, value = step
    actions: dict[str, Callable[[], object]] = {
        "read": lambda: connection.receive_data(value, now),  # type: ignore[arg-type]
        "tick": lambda: connection.tick(now),
        "take": lambda: sent.append(connection.data_to_send(hold_close=bool(value))),
        "eof": lambda: connection.receive_eof(now),
        "send": lambda: connection.send_text("answer"),
        "ping": lambda: connection.ping(b"x", now=now),
        "close": connection.close,
        "pause": lambda: setattr(connection, "reading", False),
        "resume": lambda: setattr(connection, "reading", True),
    }
    try:
        result = actions[name]()
    except LocalProtocolError:
        assert name in ("send", "ping", "close")
        return []
    return result if isinstance(result, list) else []


@settings(deadline=None, max_examples=250)
@given(steps)
def test_in_any_order_there_is_one_closed_one_close_and_nothing_behind_them(
    order: list[Step],
) -> None:
    connection = connect(limits=LIMITS, keepalive=Keepalive(20, 10))
    events: list[Event] = []
    sent: list[bytes] = []
    now = 0.0
    for step in order:
        before = connection.state
        now += step[1] if step[0] == "tick" else 0.0  # type: ignore[operator]
        events += perform(connection, step, now, sent)
        # ``_expire`` and a read may take two transitions at once, never one that is not there.
        reachable = {before, *TRANSITIONS[before].values()}
        reachable |= {to for state in list(reachable) for to in TRANSITIONS[state].values()}
        assert connection.state in reachable
    sent.append(connection.data_to_send())

    ends = [i for i, event in enumerate(events) if isinstance(event, Closed)]
    assert ends in ([], [len(events) - 1])
    frames = payloads(b"".join(sent))
    ours = [i for i, (first, _) in enumerate(frames) if first == 0x80 | CLOSE]
    assert ours in ([], [len(frames) - 1])
    assert bool(ends) or connection.state in (State.OPEN, State.LOCAL_CLOSING)
    if connection.state is State.CLOSED:
        connection.tick(now)
        connection.tick(now + 5)
        assert connection.finished
        assert connection.data_to_send() == b""
        assert connection.receive_data(PEER.text("x")) == []
    assert all(first != 0x80 | PING or payload for first, payload in frames)
