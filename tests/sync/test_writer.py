"""Bytes to a stream that several threads write to: their order, waiting for room, and failures."""

from __future__ import annotations

import logging
import threading
from collections import deque

import pytest

from fasterapi.sync.writer import BlockingWriter

from .memory import Pipe
from .pairs import elsewhere, wait_until


class Sender(BlockingWriter[Pipe]):
    """Has pieces to write, one for each time that it is asked; ``write_out`` asks for all."""

    def __init__(self, *pieces: bytes, long: bool = False) -> None:
        self._lock = threading.RLock()
        self._stream = Pipe()
        self.lost = False
        self.failures = 0
        self.long = long
        self.ending = False
        self.pieces = deque(pieces)

    def _data_to_send(self) -> bytes:
        if self.long:
            return self.pieces.popleft() if self.pieces else b""
        data = b"".join(self.pieces)
        self.pieces.clear()
        return data

    def _client(self) -> str:
        return "192.0.2.1:4711"

    def _is_behind(self) -> bool:
        return self.long and bool(self.pieces)

    def _is_ending(self) -> bool:
        return self.ending

    def _write_failed(self) -> None:
        self.failures += 1
        super()._write_failed()

    def lose(self) -> None:
        self.lost = True


def test_what_is_queued_is_written() -> None:
    sender = Sender(b"one", b"two")
    sender.write_out()
    assert sender._stream.written == b"onetwo"
    assert sender._stream.rests == 0


def test_the_pieces_of_a_long_message_are_written_one_by_one() -> None:
    sender = Sender(b"one", b"two", b"three", long=True)
    with sender._lock:
        assert not sender._write()
    assert sender._stream.written == b"one"
    assert sender._stream.rests == 1  # the watcher goes on, if nobody else does
    sender.write_out(blocking=False)
    assert sender._stream.written == b"onetwothree"


def test_the_lock_is_free_between_two_pieces() -> None:
    sender = Sender(b"one", b"two", b"three", long=True)
    notes: list[bytes] = []

    class Lock:
        """Notes what is written whenever it is given back."""

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            notes.append(bytes(sender._stream.written))

    sender._lock = Lock()  # type: ignore[assignment]
    sender.write_out()
    assert notes == [b"one", b"onetwo", b"onetwothree"]
    assert sender._stream.written == b"onetwothree"


def test_without_room_the_watcher_writes_the_rest() -> None:
    sender = Sender(b"one")
    sender._stream.room.clear()
    sender.write_out(blocking=False)
    assert (sender._stream.written, sender._stream.rests) == (b"", 1)
    sender.pieces.append(b"two")
    sender._stream.room.set()
    sender.write_out(blocking=False)
    assert sender._stream.written == b"onetwo"


def test_nothing_is_asked_for_while_some_waits() -> None:
    sender = Sender(b"one")
    sender._stream.room.clear()
    sender.write_out(blocking=False)
    sender.pieces.append(b"two")
    sender.write_out(blocking=False)
    assert list(sender.pieces) == [b"two"]


def test_who_may_wait_does() -> None:
    sender = Sender(b"one")
    sender._stream.room.clear()
    with elsewhere(sender.write_out) as result:
        wait_until(lambda: sender._stream.waiting)
        assert not result
        sender._stream.room.set()
    assert result == [None]
    assert sender._stream.written == b"one"


def test_two_that_wait_write_in_the_order_of_the_queue() -> None:
    sender = Sender(b"one ")
    sender._stream.room.clear()
    with elsewhere(sender.write_out):
        wait_until(lambda: sender._stream.waiting)
        sender.pieces.append(b"two")
        with elsewhere(sender.write_out):
            wait_until(lambda: sender._stream.waiting == 2)
            sender._stream.room.set()
    assert sender._stream.written == b"one two"


def test_in_a_loops_thread_nothing_waits() -> None:
    sender = Sender(b"one")
    sender._stream.room.clear()
    sender._stream.waits = False
    sender.write_out()
    assert (sender._stream.written, sender._stream.unsent, sender.lost) == (b"", b"one", False)


def test_a_peer_that_takes_nothing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fasterapi")
    sender = Sender(b"one")
    sender._stream.room.clear()
    sender._stream.patience = 0.0
    sender.write_out()
    assert sender.lost
    sender.give_up("once more")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["192.0.2.1:4711: aborted: it took no byte"]


def test_a_stream_that_fails() -> None:
    sender = Sender(b"one", b"two", long=True)
    sender._stream.fails = True
    sender.write_out()
    assert (sender.lost, sender.failures) == (True, 1)
    sender.write_out()
    assert (list(sender.pieces), sender.failures) == ([b"two"], 1)


def test_a_stream_that_fails_while_room_is_waited_for() -> None:
    sender = Sender(b"one")
    sender._stream.room.clear()
    sender.write_out(blocking=False)
    sender._stream.send_now = lambda data: False  # type: ignore[method-assign]
    sender._stream.fails = True
    sender.write_out()
    assert (sender.lost, sender.failures) == (True, 1)


def test_who_is_lost_while_it_waits_writes_no_more() -> None:
    sender = Sender(b"one")
    sender._stream.room.clear()
    with elsewhere(sender.write_out) as result:
        wait_until(lambda: sender._stream.waiting)
        sender.lose()
        sender._stream.room.set()
    assert result == [None]
    assert sender._stream.unsent == b"one"


def test_the_watcher_sees_to_what_follows_the_last_bytes() -> None:
    sender = Sender(b"the last")
    sender.ending = True
    sender.write_out()
    assert sender._stream.rests == 1
    sender.write_out()  # which writes nothing
    assert sender._stream.rests == 1
