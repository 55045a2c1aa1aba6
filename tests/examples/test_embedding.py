"""The core in loops of others: each program echoes, refuses, pings, ends in order, and conforms."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from conformance import run
from conformance.run import read_golden, select
from tests.blackbox.peer import HANDSHAKE
from tests.protocol.wire import BINARY, frame

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "embedding"
PROGRAMS = ["blocking", "h11_server", "selectors_loop", "trio_server", "twisted_server"]
NEEDS = {"trio_server": "trio", "twisted_server": "twisted"}
# Of all that do without compression, those that are over soon; conformance/run.py --url has more.
CASES = ["1.1.*", "2.*", "3.*", "4.*", "5.*", "6.4.*", "7.*"]
SECONDS = 20


@pytest.fixture(scope="module", params=PROGRAMS)
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a program; give its host and port."""
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "error", "-m", f"examples.embedding.{request.param}"]
    with subprocess.Popen(
        [*command, str(port)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_for(process, port)
            yield f"127.0.0.1:{port}"
            assert process.poll() is None
        finally:
            process.kill()
            assert process.stderr is not None
            written = process.stderr.read()
    assert written == ""


def wait_for(process: subprocess.Popen[str], port: int) -> None:
    """Wait until the program listens."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("it does not listen")


def raw(address: str, data: bytes) -> bytes:
    """Send bytes and the end; give all that comes back."""
    host, port = address.split(":")
    with closing(socket.create_connection((host, int(port)), SECONDS)) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_each_file_is_under_sixty_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 60


def test_it_echoes_and_closes(address: str) -> None:
    with connect(f"ws://{address}/", max_size=None) as client:
        for message in ("hello", b"\0\xff", "x" * 3_000_000, ""):
            client.send(message)
            assert client.recv() == message
        assert client.ping().wait(SECONDS)
        client.close(4001, "done")
        assert (client.close_code, client.close_reason) == (4001, "done")


def test_many_at_once(address: str) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(f"ws://{address}/")) for _ in range(20)]
        for number in range(3):
            for client in clients:
                client.send(f"{number}" * 1000)
            assert {client.recv() for client in clients} == {f"{number}" * 1000}
        clients[0].socket.close()  # without a goodbye
        clients[1].send("still there?")
        assert clients[1].recv() == "still there?"


def test_more_on_its_way_than_any_buffer_holds(address: str) -> None:
    host, port = address.split(":")
    message = frame(BINARY, bytes(300_000))
    with closing(socket.create_connection((host, int(port)), SECONDS)) as sock:
        sock.sendall(HANDSHAKE)
        sending = threading.Thread(target=lambda: [sock.sendall(message) for _ in range(20)])
        sending.start()
        left = 20 * (len(message) - 4)  # a server does not mask
        head, _, rest = sock.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        left -= len(rest)
        while left > 0:
            left -= len(sock.recv(1 << 20))
        assert left == 0
        sending.join(SECONDS)


def test_what_is_no_handshake_is_refused(address: str) -> None:
    answer = raw(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 426 ")
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{address}/", origin="http://elsewhere.test").close()
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01 what?\r\n\r\n", b"GET / HTTP/1.1\r\n"])
def test_what_is_no_http_ends(address: str, data: bytes) -> None:
    with suppress(ConnectionResetError):
        assert not raw(address, data).startswith(b"HTTP/1.1 101")
    test_it_echoes_and_closes(address)


def test_a_message_that_came_with_the_handshake(address: str) -> None:
    answer = raw(address, HANDSHAKE + bytes.fromhex("818237fa213d7f93"))
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    assert answer.endswith(b"\r\n\r\n\x81\x02Hi")


def test_it_conforms(address: str) -> None:
    golden = select(read_golden(), CASES)
    assert len(golden) > 80
    # Not in this process: the suite has modules whose names are those of others. Six cases wait for
    # a second, at once.
    command = [sys.executable, run.__file__, "--url", address, "--parallel", "8"]
    result = subprocess.run(
        [*command, *(f"--cases={case}" for case in CASES)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{len(golden)} of {len(golden)} strict ")
