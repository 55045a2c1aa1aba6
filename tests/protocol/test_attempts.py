"""A client that keeps a WebSocket: which ends are followed by another attempt, and when."""

from __future__ import annotations

import ssl

import pytest

from fasterapi.errors import ConnectionClosed, HandshakeError, InvalidResponse, RedirectError
from fasterapi.limits import STEADY_TIME, Limits
from fasterapi.protocol import Reconnect
from fasterapi.protocol.attempts import WEBSOCKET_RECONNECT, Attempts

PLAIN = Reconnect(delay=1.0, jitter=0.0, statuses={503})
LOST = ConnectionClosed()


def attempts(
    policy: Reconnect | None = PLAIN, *, opened: bool = True, **options: object
) -> Attempts:
    made = Attempts(policy, **options)  # type: ignore[arg-type]
    if opened:
        made.opened(100.0)
    return made


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        TimeoutError("no connection within 10 s"),
        OSError("no such name"),
        HandshakeError(503, "starting"),
    ],
)
def test_what_may_be_gone_at_the_next_attempt(error: Exception) -> None:
    assert attempts().failed(error) == 1.0


@pytest.mark.parametrize(
    "error",
    [
        HandshakeError(403, "no"),
        HandshakeError(101, "a wrong answer"),
        InvalidResponse("no HTTP"),
        RedirectError(302, "ws://x/", "too many"),
        ssl.SSLCertVerificationError(),
        ValueError("a bug"),
    ],
)
def test_what_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        attempts().failed(error)
    assert caught.value is error


def test_the_first_attempt_has_to_succeed_unless_the_policy_says_otherwise() -> None:
    with pytest.raises(ConnectionRefusedError):
        attempts(opened=False).failed(ConnectionRefusedError())
    patient = Reconnect(delay=1.0, jitter=0.0, first=True)
    assert attempts(patient, opened=False).failed(ConnectionRefusedError()) == 1.0


def test_delays_grow_with_failures_up_to_the_limit() -> None:
    made = attempts(limits=Limits(max_reconnect_delay=5))
    assert [made.failed(OSError()) for _ in range(5)] == [1, 2, 4, 5, 5]


def test_a_connection_that_lasts_has_them_begin_anew() -> None:
    made = attempts()
    delays = [made.failed(OSError()) for _ in range(3)]
    made.opened(200.0)
    delays.append(made.ended(LOST, 200.0 + STEADY_TIME) or 0)
    delays.append(made.failed(OSError()))
    assert delays == [1, 2, 4, 1, 1]


def test_one_that_does_not_last_is_a_failure() -> None:
    made = attempts()
    delays = []
    for now in (100.0, 200.0, 300.0):
        made.opened(now)
        delays.append(made.ended(LOST, now + STEADY_TIME - 0.1))
    assert delays == [1, 2, 4]


def test_attempts_are_bounded_if_the_policy_says_so() -> None:
    made = attempts(Reconnect(delay=1.0, jitter=0.0, attempts=2))
    assert [made.failed(OSError()) for _ in range(2)] == [1, 2]
    with pytest.raises(OSError, match="the last"):
        made.failed(OSError("the last"))
    with pytest.raises(ConnectionClosed) as caught:
        made.ended(LOST, 100.1)
    assert caught.value is LOST
    assert made.ended(LOST, 200.0) == 1.0  # that one lasted


def test_the_server_may_ask_for_more_time() -> None:
    error = HandshakeError(503, "busy", headers=[("Retry-After", "30")])
    assert attempts().failed(error) == 30
    assert attempts().failed(HandshakeError(503, "busy", headers=[("Retry-After", "soon")])) == 1


def test_a_function_decides_instead() -> None:
    asked: list[tuple[Exception, bool]] = []

    def retries(error: Exception, transient: bool) -> bool:
        asked.append((error, transient))
        return isinstance(error, HandshakeError) or getattr(error, "code", 0) != 4001

    made = attempts(Reconnect(delay=1.0, jitter=0.0, retries=retries))
    refused, left, ended = HandshakeError(403, "no"), ConnectionClosed(1000), ConnectionClosed(4001)
    assert made.failed(refused) == 1
    assert made.ended(left, 200.0) == 1
    assert made.ended(ended, 200.0) is None
    assert asked == [(refused, False), (left, True), (ended, True)]


def test_the_default_spreads_clients_over_a_second() -> None:
    made = Attempts(random=lambda: 0.5)
    made.opened(0.0)
    assert made.ended(LOST, 60.0) == 1.5
    assert {429, 503} < set(WEBSOCKET_RECONNECT.statuses)
    assert not WEBSOCKET_RECONNECT.first


def test_what_a_policy_leaves_open_is_a_websocket_s() -> None:
    made = Attempts(Reconnect(attempts=2), random=lambda: 0.5)
    made.opened(0.0)
    assert made.failed(HandshakeError(503, "starting")) == 1.5
    assert made.ended(LOST, 60.0) == 1.5


def test_without_a_policy_there_is_one_attempt() -> None:
    made = attempts(None)
    with pytest.raises(ConnectionRefusedError):
        made.failed(ConnectionRefusedError())
    assert made.ended(LOST, 200.0) is None
