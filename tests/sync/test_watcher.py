"""The watcher: who is looked at, who is watched, and what that costs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from fasterapi.sync.watcher import AGAIN, READ, WRITE, Watcher, shared_watcher

from .pairs import SECONDS, wait_until


class Pipe:
    """A connection to be watched, which answers as it is told."""

    def __init__(self) -> None:
        self.bucket: int | None = None
        self.listed = False
        self.reader, self.writer = os.pipe()
        self.looks: list[int] = []  # what to answer
        self.after: int = 0  # what to answer when there was something
        self.deadline: float | None = None
        self.seen: list[object] = []

    def fileno(self) -> int:
        return self.reader

    def look(self) -> int:
        self.seen.append("look")
        return self.looks.pop(0) if self.looks else 0

    def ready(self, events: int) -> int:
        self.seen.append(("ready", events, os.read(self.reader, 100)))
        return self.after

    def next_deadline(self) -> float | None:
        return self.deadline

    def on_timer(self, now: float) -> float | None:
        self.seen.append(("timer", now))
        return None

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    made = Watcher(lambda: 100.0, threaded=False)
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_a_touched_connection_is_looked_at_once(watcher: Watcher, pipe: Pipe) -> None:
    watcher.touch(pipe)
    watcher.touch(pipe)
    watcher.look()
    watcher.look()
    assert pipe.seen == ["look"]
    watcher.touch(pipe)
    watcher.look()
    assert pipe.seen == ["look", "look"]


def test_one_that_asks_is_looked_at_again(watcher: Watcher, pipe: Pipe) -> None:
    pipe.looks = [AGAIN, AGAIN, 0]
    watcher.touch(pipe)
    for _ in range(5):
        watcher.look()
    assert pipe.seen == ["look"] * 3


def test_one_is_watched_for_as_long_as_it_wants(watcher: Watcher, pipe: Pipe) -> None:
    pipe.looks, pipe.after = [READ], READ
    watcher.touch(pipe)
    watcher.look()
    watcher.attend(0)
    assert pipe.seen == ["look"]
    os.write(pipe.writer, b"a")
    watcher.attend(SECONDS)
    os.write(pipe.writer, b"b")
    pipe.after = 0
    watcher.attend(SECONDS)
    os.write(pipe.writer, b"c")
    watcher.attend(0)
    assert pipe.seen[1:] == [("ready", READ, b"a"), ("ready", READ, b"b")]


def test_what_is_watched_for_changes(watcher: Watcher, pipe: Pipe) -> None:
    pipe.reader, pipe.writer = pipe.writer, pipe.reader  # the end that has room
    pipe.looks = [READ, WRITE, 0]
    for events in READ, WRITE, 0:
        watcher.touch(pipe)
        watcher.look()
        key = watcher._selector.get_map().get(pipe.reader)
        assert (key.events if key else 0) == events
    pipe.reader, pipe.writer = pipe.writer, pipe.reader


def test_a_socket_is_its_owners_until_another_wants_it(watcher: Watcher, pipe: Pipe) -> None:
    """From a bug: a stop had the connection looked at that its WebSocket had taken over from."""
    before, after = Pipe(), pipe
    before.close()
    before.reader = after.reader
    for owner, wanted in (before, READ), (after, READ), (before, 0):
        owner.looks = [wanted]
        watcher.touch(owner)
        watcher.look()
    assert watcher._selector.get_key(pipe.reader).data is after


def test_deadlines_are_kept(watcher: Watcher, pipe: Pipe) -> None:
    pipe.deadline = 105.0
    watcher.touch(pipe)
    watcher.look()
    watcher.walk(104.9)
    assert pipe.seen == ["look"]
    watcher.walk(105.1)
    assert pipe.seen == ["look", ("timer", 105.1)]


def test_one_that_fails_harms_no_other(
    watcher: Watcher, pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Pipe):
        def look(self) -> int:
            raise RuntimeError("meant to")

        def on_timer(self, now: float) -> float | None:
            raise RuntimeError("meant to")

    broken = Broken()
    watcher.touch(broken)
    watcher.touch(pipe)
    watcher.look()
    assert pipe.seen == ["look"]
    watcher.schedule(broken, 100.0)
    watcher.walk(101.0)
    assert caplog.text.count("could not be looked after") == 2
    assert "meant to" in caplog.text
    broken.close()


def test_the_thread_sleeps_until_it_is_called(pipe: Pipe) -> None:
    watcher = Watcher()
    assert watcher._thread is None  # and is not there before
    pipe.looks, pipe.after = [READ], READ
    watcher.touch(pipe)
    wait_until(lambda: pipe.seen == ["look"])
    wait_until(lambda: watcher._asleep)
    os.write(pipe.writer, b"a")
    wait_until(lambda: len(pipe.seen) == 2)
    wait_until(lambda: watcher._asleep)
    watcher.touch(pipe)
    wait_until(lambda: len(pipe.seen) == 3)
    thread = watcher._thread
    assert thread is not None
    watcher.close()
    assert not thread.is_alive()


def test_the_thread_looks_again_by_itself(pipe: Pipe) -> None:
    watcher = Watcher()
    pipe.looks = [AGAIN] * 3
    watcher.touch(pipe)
    wait_until(lambda: len(pipe.seen) == 4)
    watcher.close()


def test_the_thread_keeps_deadlines(pipe: Pipe) -> None:
    watcher = Watcher()
    pipe.deadline = 0.0  # long ago
    watcher.touch(pipe)
    wait_until(lambda: len(pipe.seen) == 2)
    watcher.close()


def test_many_threads_touch_and_none_is_forgotten() -> None:
    watcher = Watcher()
    pipes = [Pipe() for _ in range(20)]

    def touch(mine: list[Pipe]) -> None:
        for _ in range(100):
            for pipe in mine:
                watcher.touch(pipe)

    threads = [threading.Thread(target=touch, args=[pipes[n::4]]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    counts = [len(pipe.seen) for pipe in pipes]
    for pipe in pipes:
        watcher.touch(pipe)
    wait_until(lambda: all(len(p.seen) > n for p, n in zip(pipes, counts, strict=True)))
    watcher.close()
    for pipe in pipes:
        pipe.close()


def test_clients_share_one() -> None:
    assert shared_watcher() is shared_watcher()


FORKING = """
import os, sys, threading
from fasterapi.sync.watcher import shared_watcher

class Owner:
    listed = False
    def __init__(self): self.looked = threading.Event()
    def fileno(self): return -1
    def look(self):
        self.looked.set()
        return 0
    def next_deadline(self): return None

def is_watched():
    owner = Owner()
    shared_watcher().touch(owner)
    return owner.looked.wait(10)

assert is_watched()
before = shared_watcher()
if not (child := os.fork()):
    before.touch(Owner())  # of a connection of the parent's: nothing comes of it
    os._exit(0 if is_watched() and shared_watcher() is not before else 3)
assert os.waitpid(child, 0)[1] == 0, "the child is not watched"
assert is_watched() and shared_watcher() is before
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_watcher_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKING], check=True, timeout=60)
