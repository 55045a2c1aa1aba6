"""A server under test as a process of its own, and what its neighbours may never notice.

``ServerProcess`` runs ``application.py`` and reads off ``/proc`` what it costs. After each case
``undisturbed`` insists that WebSockets opened long before still echo, that the process lives, that
nothing but the case's own handler crashed, and that every file descriptor has been given back.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from .peer import HANDSHAKE, Peer, get, text

ROOT = Path(__file__).parents[2]
READY = re.compile(r" on (https?://127\.0\.0\.1:(\d+)|unix:(\S+)); stop")
TRACEBACK = "Traceback (most recent call last)"
KIB = 1024
MIB = 1024 * KIB
PATIENCE = 15.0
"""Seconds after which a condition will not come true any more, on however busy a machine."""


def eventually(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for what another process does; there is nothing to be woken by."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


class ServerProcess:
    """The application of ``application.py`` in a process.

    Args:
        server: ``"asyncio"`` or ``"uvloop"``, for the asyncio server; or ``"sync"``.
        arguments: Further arguments of the application.

    Attributes:
        crashes: Tracebacks that the case at hand is meant to cause; set back by ``undisturbed``.
    """

    def __init__(self, server: str, *arguments: str) -> None:
        self.crashes = 0
        self.name = server
        self._arguments = arguments
        self._sentinels: list[Peer] = []
        self._log = tempfile.NamedTemporaryFile(mode="rb")  # noqa: SIM115  # closed by stop

    def start(self) -> Self:
        """Run the process until it listens."""
        command = [sys.executable, "-W", "always", "-m", "tests.blackbox.application"]
        self._process = subprocess.Popen(
            [*command, *self._choice(), *self._arguments],
            cwd=ROOT,
            stderr=self._log.fileno(),
        )
        eventually(lambda: self._process.poll() is not None or READY.search(self.log()), "a server")
        found = READY.search(self.log())
        assert found, self.log()
        self.address: tuple[str, int] | str = found[3] or ("127.0.0.1", int(found[2]))
        return self

    def _choice(self) -> list[str]:
        return ["--server", "sync"] if self.name == "sync" else ["--loop", self.name]

    def stop(self) -> None:
        """End the process, however it is."""
        for sentinel in self._sentinels:
            sentinel.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------------------------- clients

    def connect(self, **options: Any) -> Peer:
        """Open a connection and send nothing."""
        return Peer(self.address, **options)

    def websocket(self, path: str = "/ws", rest: bytes = b"", **options: Any) -> Peer:
        """Open a WebSocket; ``rest`` goes out in one piece with the handshake."""
        peer = self.connect(**options)
        peer.send(HANDSHAKE.replace(b"/ws", path.encode(), 1) + rest)
        head = peer.read_head()
        assert head.status == 101, head
        assert head.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        return peer

    def get(self, path: str) -> Any:
        """Ask the application for JSON, on a connection of its own."""
        with self.connect() as peer:
            peer.send(get(path, "Connection: close"))
            head = peer.read_head()
            assert head.status == 200, head
            return json.loads(peer.read_all())

    def serves(self, path: str) -> bool:
        """Tell whether a request is answered with 200."""
        with self.connect() as peer:
            peer.send(get(path, "Connection: close"))
            return peer.read_head().status == 200

    # --------------------------------------------------------------------------- what it costs

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def log(self) -> str:
        """Give what it wrote on stderr."""
        return Path(self._log.name).read_text()

    def fds(self) -> int:
        """Count its open file descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self, peak: bool = False) -> int:
        """Give its resident bytes; or the most that there were since ``forget_peak``."""
        field = "VmHWM" if peak else "VmRSS"
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{field}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * KIB

    def forget_peak(self) -> None:
        """Begin to measure the peak of its memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu(self) -> float:
        """Give the seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def grows_less_than(self, size: int) -> Iterator[None]:
        """Insist that the peak of its memory stays within ``size`` bytes of what it is now."""
        self.forget_peak()
        before = self.memory(peak=True)
        yield
        grown = self.memory(peak=True) - before
        assert grown < size, f"{grown / KIB:.0f} KiB more than before"

    # ------------------------------------------------------------------------------- the watch

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Run a case, and hold the server to what no case may change."""
        if not self._sentinels:
            for path in ("/sentinel", "/def/sentinel"):
                self._sentinels.append(self.websocket(path))
            self.get("/endings")
            self._check_sentinels()
        fds, seen = self.fds(), len(self.log())
        self.crashes = 0
        yield
        self._check_sentinels()
        assert self._process.poll() is None, self.log()[seen:]
        eventually(lambda: self.fds() <= fds, f"{fds} open files, as before")
        log = self.log()[seen:]
        assert log.count(TRACEBACK) == self.crashes, log
        assert "Warning" not in log, log

    def _check_sentinels(self) -> None:
        for sentinel in self._sentinels:
            sentinel.send(text("still there?"))
            assert sentinel.read_message() == "still there?"

    # ----------------------------------------------------------------------------------- signals

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the process's end; give its exit status."""
        return self._process.wait(seconds)
