"""What can't be interrupted: its result, its failure, and what comes too late."""

from __future__ import annotations

import threading

import pytest

from fasterapi.sync.errand import Errand

from .pairs import SECONDS, elsewhere, wait_until


class Call:
    """A call that waits for the test."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.daemon: bool | None = None

    def __call__(self) -> str:
        self.daemon = threading.current_thread().daemon
        self.gate.wait(SECONDS)
        return "result"


@pytest.mark.parametrize("seconds", [None, SECONDS])
def test_its_result(seconds: float | None) -> None:
    call = Call()
    errand = Errand(call)
    with elsewhere(errand.result, seconds) as result:
        wait_until(lambda: call.daemon)  # so it keeps no process from ending
        assert not result
        call.gate.set()
    assert result == ["result"]


@pytest.mark.parametrize("error", [OSError("no such name"), ValueError("label too long")])
def test_its_failure(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        Errand(fail, discard=lambda _: pytest.fail("nothing came")).result(SECONDS)
    assert raised.value is error


def test_a_result_that_comes_too_late_is_discarded() -> None:
    call, late = Call(), list[str]()
    errand = Errand(call, late.append)
    with pytest.raises(TimeoutError, match="too long"):
        errand.result(0)
    call.gate.set()
    wait_until(lambda: late == ["result"])


def test_a_result_that_nobody_minds_to_miss() -> None:
    call = Call()
    before = set(threading.enumerate())
    errand = Errand(call)
    (thread,) = set(threading.enumerate()) - before
    errand.give_up(ConnectionAbortedError())
    call.gate.set()
    thread.join(SECONDS)
    with pytest.raises(ConnectionAbortedError):
        errand.result(0)


def test_a_failure_that_comes_too_late_is_nobodys() -> None:
    gate = threading.Event()

    def fail() -> None:
        gate.wait(SECONDS)
        raise OSError

    before = set(threading.enumerate())
    errand = Errand(fail, discard=lambda _: pytest.fail("nothing came"))
    (thread,) = set(threading.enumerate()) - before
    errand.give_up(ConnectionAbortedError())
    gate.set()
    thread.join(SECONDS)
    with pytest.raises(ConnectionAbortedError):
        errand.result(0)


def test_whoever_waits_is_told_that_it_is_given_up() -> None:
    call = Call()
    errand = Errand(call)
    with elsewhere(errand.result, None) as result:
        wait_until(lambda: call.daemon is not None)
        errand.give_up(ConnectionAbortedError("closed"))
        errand.give_up(ConnectionAbortedError("and again"))
    assert str(result[0]) == "closed"
    call.gate.set()


def test_what_is_done_is_not_given_up() -> None:
    before = set(threading.enumerate())
    errand = Errand(lambda: "result", discard=lambda _: pytest.fail("it came in time"))
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
    errand.give_up(ConnectionAbortedError())
    assert errand.result(0) == "result"
