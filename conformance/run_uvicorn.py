"""Run uvicorn's own tests of WebSockets against our class for it: ``make conformance-uvicorn``.

They are not in uvicorn's wheel, so its source distribution is fetched, into ``build/uvicorn``.
There its fixture is told our class, and the transport that it mocks is completed to what asyncio's
transports have. On that transport our class queues no more than a message, as uvicorn's do, and has
timers as fine as theirs, which wait for no reads; what it does later in a turn of the loop, or in
the next two, counts as the application's end. What still fails has to be what is in ``EXPECTED``,
with its reason.

    python conformance/run_uvicorn.py [further arguments of pytest]
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "uvicorn"
VERSION = "0.54.0"
PACKAGES = [
    f"uvicorn=={VERSION}", "anyio", "httptools", "httpx2", "pytest>=9", "trustme", "websockets>=17",
    "wsproto", "zttp",
]  # fmt: skip
EXPECTED = {
    "test_server_keepalive_ping_pong": "names uvicorn's classes",
    "test_server_keepalive_disabled": "names uvicorn's classes",
}
"""Tests that our class does not pass, and why."""

_PARAMS = re.compile(r"@pytest\.fixture\(\s*params=\[.*?\]\s*\)\s*def ws_protocol_cls", re.DOTALL)
_OURS = """@pytest.fixture(params=["fasterapi.contrib.uvicorn:WebSocketProtocol"])
def ws_protocol_cls"""
_COMPLETION = '''
    """The mocked transport, with what asyncio's have; and how to look at our class."""

    import asyncio
    import dataclasses

    import fasterapi.aio.timers
    import fasterapi.app.deadlines
    import tests.protocols.test_websocket as tests
    from fasterapi import State

    fasterapi.aio.timers.RESOLUTION = fasterapi.app.deadlines.RESOLUTION = 1e-6
    fasterapi.aio.timers.TURNS = 0

    Transport, Connection = tests.MockWriteTransport, tests.MockWebSocketConnection
    Transport.protocol = None
    Transport.set_protocol = lambda self, protocol: setattr(self, "protocol", protocol)
    Transport.set_write_buffer_limits = lambda self, high=None, low=None: None
    Transport.get_write_buffer_size = lambda self: 0
    Transport.can_write_eof = lambda self: False
    Transport.abort = Transport.close


    def protocol(self):
        transport = self.__dict__.get("_transport")
        return (transport and transport.protocol) or self.__dict__["first"]


    def awaiting_close_reply(self):
        connection = getattr(protocol(self), "connection", None)
        waiting = connection is not None and connection.state is State.LOCAL_CLOSING
        return waiting and not self._transport.closed


    begin = Connection.__init__


    def initialise(self, app, ws, http, close_timeout=10.0):
        limits = dataclasses.replace(
            ws.websocket_limits, close_timeout=close_timeout or 1e-6, receive_high_water=1
        )
        # The attribute that the tests set on their own classes says nothing to ours.
        names = {"__slots__": ("close_timeout",), "websocket_limits": limits}
        begin(self, app, type("Timed", (ws,), names), http, close_timeout)


    finished = Connection.app_finished


    async def app_finished(self):
        await finished(self)
        for _ in range(2):
            await asyncio.sleep(0)


    Connection.__init__ = initialise
    Connection.app_finished = app_finished
    Connection._protocol = property(protocol, lambda self, first: self.__dict__.update(first=first))
    Connection.awaiting_close_reply = property(awaiting_close_reply)
'''


def prepare() -> Path:
    """Fetch the tests and what they need; give their folder."""
    source = BUILD / f"uvicorn-{VERSION}"
    python = str(BUILD / "venv" / "bin" / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(BUILD / "venv")], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--editable", str(ROOT), *PACKAGES], check=True)
    if not source.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        what = ["--no-deps", "--no-binary", "uvicorn", "--dest", str(BUILD), f"uvicorn=={VERSION}"]
        subprocess.run([*pip, *what], check=True)
        with tarfile.open(BUILD / f"uvicorn-{VERSION}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
    conftest = source / "tests" / "conftest.py"
    text, count = _PARAMS.subn(lambda _: _OURS, conftest.read_text())
    if count:
        conftest.write_text(text)
    elif _OURS not in text:
        raise SystemExit(f"{conftest} has changed: there is no fixture ws_protocol_cls to be told")
    (source / "tests" / "protocols" / "conftest.py").write_text(textwrap.dedent(_COMPLETION))
    return source


def main() -> None:
    """Run the tests, and compare what fails with what is expected to."""
    source = prepare()
    command = [
        str(BUILD / "venv" / "bin" / "python"), "-m", "pytest", "tests/protocols/test_websocket.py",
        "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=",
        *sys.argv[1:],
    ]  # fmt: skip
    if (source / "uvicorn").exists():  # what is tested is the one that is installed
        (source / "uvicorn").rename(source / "uvicorn-source")
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    failed = set(re.findall(r"^FAILED [^:]+::(\w+)", done.stdout, re.MULTILINE))
    unexpected = sorted(failed - EXPECTED.keys())
    if unexpected or done.returncode not in (0, 1):
        print(done.stdout, done.stderr, sep="\n")
        raise SystemExit(f"unexpected: {', '.join(unexpected) or 'pytest could not run'}")
    for name in sorted(failed):
        print(f"not passed, as expected: {name}: it {EXPECTED[name]}")
    print(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
