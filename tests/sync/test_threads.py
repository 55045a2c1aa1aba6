"""The pool: reuse, bound, the end of idle threads, and jobs that fail."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

import pytest

from fasterapi.sync import threads as module
from fasterapi.sync.threads import ThreadPool


class Jobs:
    """Jobs that run until they are told to end."""

    def __init__(self, pool: ThreadPool) -> None:
        self.pool = pool
        self.gate = threading.Event()
        self.running = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def submit(self) -> bool:
        return self.pool.submit(self._run, self.gate)

    def _run(self, gate: threading.Event) -> None:
        self.threads.append(threading.current_thread())
        self.running.release()
        gate.wait(10)

    def started(self, count: int) -> None:
        """Wait until as many more jobs have begun."""
        for _ in range(count):
            assert self.running.acquire(timeout=10)

    def finish(self) -> None:
        """Let all running jobs end, and wait until their threads are idle."""
        gate, self.gate = self.gate, threading.Event()
        gate.set()
        wait_idle(self.pool)


def wait_idle(pool: ThreadPool) -> None:
    """Wait until every thread of the pool is idle."""
    turn = threading.Event()
    for _ in range(1000):
        with pool._lock:
            if pool._idle == pool._threads:
                return
        turn.wait(0.005)
    raise AssertionError("a thread of the pool is still busy")


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs(ThreadPool(3))
    yield jobs
    jobs.gate.set()


def test_as_many_at_once_as_the_pool_is_large(jobs: Jobs) -> None:
    assert [jobs.submit() for _ in range(5)] == [True, True, True, False, False]
    jobs.started(3)
    assert len(set(jobs.threads)) == 3
    assert all(thread.name.startswith("fasterapi-") for thread in jobs.threads)


def test_threads_are_used_again(jobs: Jobs) -> None:
    for _ in range(4):
        assert jobs.submit()
        jobs.started(1)
        jobs.finish()
    assert len(set(jobs.threads)) == 1
    for _ in range(2):
        assert [jobs.submit() for _ in range(4)] == [True, True, True, False]
        jobs.started(3)
        jobs.finish()
    assert len(set(jobs.threads)) == 3


def test_they_are_daemons_so_that_none_keeps_the_process(jobs: Jobs) -> None:
    jobs.submit()
    jobs.started(1)
    assert jobs.threads[0].daemon


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), RuntimeError("meant to")])
def test_a_job_that_raises_leaves_its_place_to_another(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    reported: list[type[BaseException]] = []
    done = threading.Semaphore(0)

    def report(arguments: threading.ExceptHookArgs) -> None:
        reported.append(arguments.exc_type)
        done.release()

    def fail() -> None:
        raise error

    monkeypatch.setattr(threading, "excepthook", report)
    pool = ThreadPool(1)
    for _ in range(5):
        wait_idle(pool)
        assert pool.submit(fail)
        assert done.acquire(timeout=10)
    assert reported == [type(error)] * 5


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.01)
    jobs = Jobs(ThreadPool(3))
    for _ in range(3):
        jobs.submit()
    jobs.started(3)
    jobs.gate.set()
    for thread in jobs.threads:
        thread.join(10)
        assert not thread.is_alive()
    assert (jobs.pool._threads, jobs.pool._idle) == (0, 0)
    ran = threading.Event()
    assert jobs.pool.submit(ran.set)
    assert ran.wait(10)


def test_a_system_without_threads_left_is_a_full_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ThreadPool(1)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", refuse)
        assert [pool.submit(print) for _ in range(3)] == [False] * 3
    ran = threading.Event()
    assert pool.submit(ran.set)
    assert ran.wait(10)


def test_what_a_job_held_is_let_go_of() -> None:
    class Held:
        """Something large."""

    gone = threading.Event()
    held = Held()
    pool = ThreadPool(1)

    weakref.finalize(held, gone.set)
    assert pool.submit(id, held)
    del held
    assert gone.wait(10)  # though the thread lives on
