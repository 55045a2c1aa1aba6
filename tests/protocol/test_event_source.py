"""The client of an event stream: what an answer, an end and a deadline lead to."""

from __future__ import annotations

from itertools import product

import pytest

from fasterapi.errors import (
    EventStreamError,
    HandshakeError,
    InvalidArgument,
    LocalProtocolError,
)
from fasterapi.limits import Limits
from fasterapi.protocol import (
    SOURCE_TRANSITIONS,
    EventSource,
    Reconnect,
    Response,
    ServerSentEvent,
    SourceState,
    SourceTrigger,
    is_event_stream,
)

STREAM = Response(200, [("Content-Type", "text/event-stream")])
POLICY = Reconnect(delay=3.0, jitter=0.0)
S, T = SourceState, SourceTrigger


def opened(now: float = 0.0, **options: object) -> EventSource:
    source = EventSource(**{"reconnect": POLICY, **options})  # type: ignore[arg-type]
    source.answered(STREAM, now)
    return source


# --------------------------------------------------------------------------- the table


def act(source: EventSource, trigger: SourceTrigger) -> None:
    if trigger is T.ACCEPT:
        source.answered(STREAM, 0.0)
    elif trigger is T.LOSE:
        source.lost(OSError("gone"), 0.0)
    elif trigger is T.RETRY:
        source._move(trigger)
    else:
        source.close()


@pytest.mark.parametrize(("state", "trigger"), list(product(S, T)))
def test_every_state_takes_what_the_table_says_and_nothing_else(
    state: SourceState, trigger: SourceTrigger
) -> None:
    source = opened()
    source.state = state
    target = SOURCE_TRANSITIONS[state].get(trigger)
    if target is not None or trigger is T.END:  # a second close changes nothing
        act(source, trigger)
        assert source.state is (target or state)
    else:
        with pytest.raises(LocalProtocolError, match=f"{state.value} takes no: {trigger.value}"):
            act(source, trigger)
        assert source.state is state


# ----------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Type", "text/event-stream")],
        [("content-type", "Text/Event-Stream; charset=utf-8")],
        [("Content-Type", "text/event-stream ;x")],
        [("Content-Type", "text/html"), ("Content-Type", "text/event-stream")],
        [("Content-Type", "text/event-stream"), ("Content-Encoding", "identity")],
    ],
)
def test_an_event_stream_opens(fields: list[tuple[str, str]]) -> None:
    source = EventSource()
    source.answered(Response(200, fields), 1.0)
    assert source.state is S.OPEN
    assert source.connections == 1


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (Response(404, [], b"no such stream", "Not Found"), "404 Not Found: 'no such stream'"),
        (Response(500), "no event stream but 500$"),
        (Response(500, [], b"x" * 500), "500: 'x{200}'$"),
        (Response(200, [("Content-Type", "text/html")], b"<p>"), "200, of the type 'text/html'"),
        (Response(200, [("Content-Type", "text/event-streams")]), "of the type"),
        (Response(200), "200, without a Content-Type"),
        (Response(206, [("Content-Type", "text/event-stream")]), "206"),
        (Response(301, [("Location", "/x")]), "301"),
        (
            Response(200, [("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip")]),
            "content coding 'gzip' that was not asked for",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_any_other_answer_is_final(response: Response, message: str, first: bool) -> None:
    source = EventSource(reconnect=Reconnect(first=True)) if first else opened()
    if not first:
        source.lost(None, 1.0)
        source.tick(100.0)
    assert not is_event_stream(response)
    with pytest.raises(HandshakeError, match=message) as caught:
        source.answered(response, 100.0)
    assert caught.value.status == response.status
    assert caught.value.headers == response.headers
    assert caught.value.body == response.body
    assert source.state is S.CLOSED


def test_204_ends_it_without_an_error() -> None:
    source = EventSource()
    source.answered(Response(204), 0.0)
    assert source.state is S.CLOSED
    assert source.deadline() is None


def test_a_status_can_be_a_failure_and_its_retry_after_counts() -> None:
    source = opened(reconnect=Reconnect(delay=3.0, jitter=0.0, statuses={503}))
    for fields, delay in (
        ([("Retry-After", "20")], 20),
        ([("Retry-After", "1"), ("X", "9")], 6),
        ([("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")], 12),
        ([("Retry-After", "9" * 30)], 86_400),
    ):
        source.state = S.CONNECTING
        source.answered(Response(503, fields), 10.0)
        assert source.state is S.WAITING
        assert source.delay == delay
        assert source.deadline() == 10 + delay
    with pytest.raises(HandshakeError):
        source.state = S.CONNECTING
        source.answered(Response(500), 0.0)


# ------------------------------------------------------------------------ header fields


def test_the_header_fields_of_a_request() -> None:
    plain = [
        ("Accept", "text/event-stream"),
        ("Cache-Control", "no-store"),
        ("Accept-Encoding", "identity"),
    ]
    source = opened()
    assert source.header_fields() == plain
    source.receive_data("id: é…\ndata\n\n".encode(), 0.0)
    # As UTF-8, in a text that stands for bytes.
    id = "é…".encode().decode("latin-1")
    assert source.header_fields() == [*plain, ("Last-Event-ID", id)]
    source.receive_data(b"id\ndata\n\n", 0.0)
    assert source.header_fields() == plain
    assert EventSource(last_event_id="7").header_fields()[-1] == ("Last-Event-ID", "7")


@pytest.mark.parametrize("id", ["a\x01", "\x7f"])
def test_an_id_that_no_header_can_carry_is_the_fault_of_whoever_gave_it(id: str) -> None:
    source = opened()
    source.receive_data(f"id: {id}\ndata\n\n".encode(), 0.0)
    with pytest.raises(EventStreamError, match="can't be sent back"):
        source.header_fields()
    with pytest.raises(InvalidArgument, match="that can't be sent"):
        EventSource(last_event_id=id)


# -------------------------------------------------------------------------------- ends


def test_the_end_of_a_stream_leads_to_the_next_connection() -> None:
    source = opened()
    assert source.receive_data(b"id: 1\ndata: a\n\nid: 2\ndata: lost", 1.0) == [
        ServerSentEvent("a", id="1")
    ]
    source.lost(None, 5.0)
    assert (source.state, source.delay, source.deadline()) == (S.WAITING, 3.0, 8.0)
    assert source.fault is None
    source.tick(7.9)
    assert source.state is S.WAITING
    source.tick(8.0)
    assert source.state is S.CONNECTING
    assert source.deadline() is None
    source.tick(9.0)
    assert source.last_event_id == "1"
    source.answered(STREAM, 9.0)
    assert source.receive_data(b"data: b\n\n", 9.0) == [ServerSentEvent("b", id="1")]
    assert source.connections == 2


def test_a_retry_field_counts_from_then_on() -> None:
    source = opened()
    source.receive_data(b"retry: 250\n\ndata: x\n\n", 0.0)
    for now in (1.0, 2.0):
        source.lost(None, now)
        assert source.deadline() == now + 0.25
        source.tick(now + 0.25)
        source.answered(STREAM, now + 0.25)
        source.receive_data(b"data: x\n\n", now)
    assert source.retry == 250


def test_failures_are_tried_again_after_longer_and_longer_times() -> None:
    source = opened()
    source.receive_data(b"data: x\n\n", 0.0)
    source.lost(ConnectionResetError("reset"), 0.0)
    waits = [source.delay]
    for _ in range(3):
        source.tick(1e6)
        source.lost(ConnectionRefusedError("refused"), 0.0)
        waits.append(source.delay)
    # The first connection was of use; the attempts after it were not.
    assert waits == [3, 3, 6, 12]
    assert str(source.fault) == "refused"
    source.tick(1e6)
    source.answered(STREAM, 0.0)
    source.receive_data(b"data: x\n\n", 0.0)
    source.lost(None, 0.0)
    assert source.delay == 3


def test_a_connection_without_an_event_counts_as_a_failure_unless_it_was_long() -> None:
    source = opened()
    waits = []
    for length in (0.0, 1.0, 59.0, 60.0, 1.0):
        source.receive_data(b": hello\n\n", 0.0)
        source.lost(None, length)
        waits.append(source.delay)
        source.tick(1e6)
        source.answered(STREAM, 0.0)
    assert waits == [3, 6, 12, 3, 3]


def test_without_a_policy_an_end_is_the_end_and_a_fault_is_raised() -> None:
    source = opened(reconnect=None)
    source.lost(None, 0.0)
    assert source.state is S.CLOSED
    source = opened(reconnect=None)
    with pytest.raises(ConnectionResetError, match="reset"):
        source.lost(ConnectionResetError("reset"), 0.0)
    assert source.state is S.CLOSED


def test_a_first_attempt_that_fails_is_tried_again_only_if_asked_for() -> None:
    source = EventSource(reconnect=POLICY)
    with pytest.raises(ConnectionRefusedError):
        source.lost(ConnectionRefusedError(), 0.0)
    assert source.state is S.CLOSED
    source = EventSource(reconnect=Reconnect(first=True))
    source.lost(ConnectionRefusedError(), 0.0)
    assert source.state is S.WAITING


def test_what_is_not_transient_is_raised_unless_it_ends_an_open_stream() -> None:
    source = opened()
    source.lost(PermissionError(), 0.0)
    assert source.state is S.WAITING
    source.tick(1e6)
    with pytest.raises(PermissionError):
        source.lost(PermissionError(), 0.0)
    assert source.state is S.CLOSED


def test_attempts_come_to_an_end() -> None:
    source = opened(reconnect=Reconnect(attempts=2, jitter=0.0))
    source.receive_data(b"data: x\n\n", 0.0)
    for number in range(3):
        source.lost(ConnectionRefusedError(str(number)), 0.0)
        source.tick(1e6)
    with pytest.raises(ConnectionRefusedError, match="3"):
        source.lost(ConnectionRefusedError("3"), 0.0)
    assert source.state is S.CLOSED


def test_streams_that_end_at_once_come_to_an_end_too() -> None:
    source = opened(reconnect=Reconnect(attempts=1, jitter=0.0))
    source.lost(None, 0.0)
    source.tick(1e6)
    source.answered(STREAM, 0.0)
    with pytest.raises(ConnectionResetError, match="without an event"):
        source.lost(None, 0.0)
    assert source.state is S.CLOSED


def test_jitter_is_injected() -> None:
    source = opened(reconnect=Reconnect(delay=4.0, jitter=0.5), random=lambda: 0.5)
    source.lost(None, 0.0)
    assert source.delay == 5


def test_silence_is_a_lost_connection() -> None:
    source = opened(now=10.0, idle_timeout=30.0)
    assert source.deadline() == 40
    source.receive_data(b":\n\n", 20.0)
    assert source.deadline() == 50
    source.tick(49.9)
    assert source.state is S.OPEN
    source.tick(50.0)
    assert (source.state, source.deadline()) == (S.WAITING, 53)
    assert str(source.fault) == "no byte for 30 s (idle_timeout)"
    source = opened(now=10.0, idle_timeout=30.0, reconnect=None)
    with pytest.raises(TimeoutError, match="idle_timeout"):
        source.tick(40.0)
    assert opened().deadline() is None


def test_an_event_over_the_limit_is_the_end() -> None:
    source = opened(limits=Limits(max_event_size=20))
    assert source.receive_data(b"data: x\n\n" + b"y" * 21, 0.0) == [ServerSentEvent("x")]
    with pytest.raises(EventStreamError, match="over 20 characters"):
        source.receive_data(b"", 0.0)
    assert source.state is S.CLOSED
