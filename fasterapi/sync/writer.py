"""Writing to a stream that any thread may write to, and that none may hold up for the others."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from ..app.log import log_fault
from .stream import ByteStream

__all__ = ["BlockingWriter"]

Stream = TypeVar("Stream", bound=ByteStream)


class BlockingWriter(Generic[Stream]):
    """What is queued to what is written; derive from it.

    Bytes go to the stream under ``_lock``, as far as there is room; whoever may wait for room does
    so without it. So what is queued first is written first, whoever writes it.

    Attributes:
        lost: Whether nobody is left to write to.
    """

    __slots__ = ()

    _lock: threading.RLock
    _stream: Stream
    lost: bool

    # -------------------------------------------------------------------- for a deriving class

    def _data_to_send(self) -> bytes:
        """Give what is queued."""
        raise NotImplementedError

    def _client(self) -> str:
        """Give the peer's address, for the log."""
        raise NotImplementedError

    def _is_behind(self) -> bool:
        """Tell whether more is to be asked for: what was given is a piece of a long message."""
        return False

    def _is_ending(self) -> bool:
        """Tell whether the watcher has to look at what follows a write."""
        return False

    def _write_failed(self) -> None:
        """Take that the peer is gone; called under the lock."""
        self.lose()

    def lose(self) -> None:
        """Take that nobody is left to write to."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------- writing

    def write_out(self, blocking: bool = True) -> None:
        """Write what is queued.

        Args:
            blocking: Whether to wait for room; if not, whoever watches the stream writes the rest.
        """
        with self._lock:
            written = self._write()
        while not written and not self.lost:
            if self._is_behind() and self._stream.is_writable():
                with self._lock:  # it was free for others between two pieces
                    written = self._write()
                continue
            if not blocking:
                return
            try:
                self._stream.wait_writable()
            except BlockingIOError:
                return  # in the loop's thread, which writes the rest by and by
            except TimeoutError as error:
                self.give_up(str(error))
                return
            except OSError:
                with self._lock:
                    self._write_failed()
                return
            with self._lock:
                written = self._write()

    def write_piece(self) -> None:
        """Write what there is room for, of a long message a piece, and don't wait.

        Whoever watches the stream is told if more is to follow.
        """
        with self._lock:
            self._write()

    def give_up(self, fault: str) -> None:
        """End the connection at once, for what the peer failed to do."""
        if not self.lost:
            log_fault(self._client(), f"aborted: {fault}")
            self.lose()

    def _write(self) -> bool:
        """Write what there is room for, under the lock; tell whether that was all."""
        if self.lost:
            return False
        stream = self._stream
        try:
            written = stream.is_writable() or stream.send_now(b"")
            data = self._data_to_send() if written else b""
            if data:
                written = stream.send_now(data)
                if self._is_behind():
                    written = False
        except OSError:
            self._write_failed()
            return False
        if not written or (data and self._is_ending()):
            stream.rest()  # room is to be waited for, or the connection's end to be seen to
        return written
