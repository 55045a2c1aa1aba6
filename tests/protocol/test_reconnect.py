"""The policy of reconnection and the delays that it leads to."""

from __future__ import annotations

import ssl

import pytest

from fasterapi.errors import EventStreamError, HandshakeError
from fasterapi.limits import Limits
from fasterapi.protocol import Backoff, Reconnect
from fasterapi.protocol.reconnect import retry_after

PLAIN = Reconnect(delay=2.0, jitter=0.0)


def delays(backoff: Backoff, count: int, asked: float | None = None) -> list[float]:
    return [backoff.delay(asked, failed=True) for _ in range(count)]


def test_the_delay_doubles_with_each_failure_up_to_the_limit() -> None:
    assert delays(Backoff(PLAIN, limits=Limits(max_reconnect_delay=10)), 5) == [2, 4, 8, 10, 10]


def test_it_begins_anew_after_a_success() -> None:
    backoff = Backoff(PLAIN)
    delays(backoff, 3)
    backoff.succeeded()
    assert backoff.failures == 0
    assert backoff.delay(failed=False) == 2
    assert delays(backoff, 2) == [2, 4]


def test_what_the_peer_asks_for_takes_the_place_of_the_policy_s_delay() -> None:
    backoff = Backoff(PLAIN, limits=Limits(max_reconnect_delay=10))
    assert backoff.delay(0.0, failed=False) == 0
    assert delays(backoff, 3, 3.0) == [3, 6, 10]
    assert delays(backoff, 1, 25.0) == [25]  # longer than delays grow by themselves
    assert delays(backoff, 1, 1e16) == [86_400]
    assert backoff.delay(1e16, failed=False) == 86_400


def test_a_peer_that_asks_for_no_delay_and_fails_is_not_asked_in_a_tight_loop() -> None:
    assert delays(Backoff(PLAIN), 4, 0.0) == [0.1, 0.2, 0.4, 0.8]


def test_no_number_of_failures_is_too_large_to_compute() -> None:
    backoff = Backoff(PLAIN)
    backoff.failures = 10**9
    assert backoff.delay(failed=True) == 60


def test_jitter_is_a_share_of_the_delay() -> None:
    shares = iter([0.0, 0.5, 0.999])
    backoff = Backoff(Reconnect(delay=4.0, jitter=0.5), random=lambda: next(shares))
    found = [backoff.delay(failed=False) for _ in range(3)]
    assert found == [4, 5, pytest.approx(5.998)]


def test_attempts_are_counted_in_a_row() -> None:
    backoff = Backoff(Reconnect(attempts=2))
    seen = []
    for _ in range(3):
        seen.append(backoff.exhausted)
        backoff.delay(failed=True)
    assert seen == [False, False, True]
    backoff.succeeded()
    assert not backoff.exhausted
    assert not Backoff(Reconnect(attempts=None)).exhausted
    assert Backoff(Reconnect(attempts=0)).exhausted


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ConnectionRefusedError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(113, "No route to host"), True),
        (FileNotFoundError(), True),  # a unix socket whose server starts again
        (PermissionError(), False),
        (ssl.SSLError(), True),
        (ssl.SSLCertVerificationError(), False),
        (ValueError(), False),
        (EventStreamError(), False),
        (HandshakeError(404, ""), False),
        (HandshakeError(503, ""), False),
    ],
)
def test_what_may_be_gone_at_the_next_attempt(error: Exception, transient: bool) -> None:
    assert Reconnect().is_transient(error) is transient
    assert Reconnect().is_transient(error, begun=True)


def test_statuses_can_be_failures() -> None:
    policy = Reconnect(statuses={502, 503})
    assert policy.is_transient(HandshakeError(503, ""))
    assert not policy.is_transient(HandshakeError(404, ""))


def test_the_judgement_can_be_replaced() -> None:
    asked = []

    def judge(error: Exception, transient: bool) -> bool:
        asked.append(transient)
        return not transient

    policy = Reconnect(retries=judge)
    assert policy.is_transient(ValueError())
    assert not policy.is_transient(TimeoutError())
    assert not policy.is_transient(ValueError(), begun=True)
    assert asked == [False, True, True]


DATE = ("Date", "Wed, 21 Oct 2015 07:28:00 GMT")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Retry-After", "120")], 120),
        ([("Retry-After", "9" * 20)], 86_400),
        ([("Retry-After", "soon")], 0),
        ([DATE, ("Retry-After", "Wed, 21 Oct 2015 07:29:30 GMT")], 90),
        ([DATE, ("Retry-After", "Wednesday, 21-Oct-15 07:29:30 GMT")], 0),  # no longer sent
        ([DATE, ("Retry-After", "Wed, 21 Oct 2015 07:00:00 GMT")], 0),
        ([DATE, ("Retry-After", "Wed, 21 Oct 2099 07:00:00 GMT")], 86_400),
        ([DATE, ("Retry-After", "Wed, 21 Foo 2015 07:00:00 GMT")], 0),
        ([DATE], 0),
        ([("Retry-After", "Wed, 21 Oct 2015 07:29:30 GMT")], 0),  # who knows what time it is there
    ],
)
def test_how_long_a_refusal_asks_to_wait(headers: list[tuple[str, str]], seconds: float) -> None:
    assert retry_after(HandshakeError(503, "busy", headers=headers)) == seconds


def test_what_is_left_open_is_another_policy_s() -> None:
    default = Reconnect(delay=1.0, jitter=0.5, statuses={503}, attempts=3)
    assert Reconnect(first=True).over(default) == Reconnect(
        delay=1.0, jitter=0.5, statuses={503}, first=True
    )
    full = Reconnect(delay=0.0, jitter=0.0, statuses=frozenset())
    assert full.over(default) == full
