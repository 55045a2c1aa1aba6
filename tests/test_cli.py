"""The command line: what it serves, with which options, and what it says when it can't."""

from __future__ import annotations

import errno
import http.client
import platform
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import fasterapi
from fasterapi import App, aio, cli, sync
from fasterapi.cli import main

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 8000,
    "uds": None,
    "ssl_certfile": None,
    "ssl_keyfile": None,
    "http2": None,
    "log_level": "info",
    "access_log": True,
    "loop": "auto",
}

Served = list[tuple[App, dict[str, Any]]]
Write = Callable[..., str]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """Collect what would be served, with its options."""
    calls: Served = []
    monkeypatch.setattr(aio, "run", lambda app, **options: calls.append((app, options)))
    return calls


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module into the current folder; what is imported from there is forgotten after."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, source: str, folder: str = "") -> str:
        path = tmp_path / folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return name

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def fail(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that has to fail with one line on stderr; give the line."""

    def fail(*argv: str, status: int = 2) -> str:
        assert main(argv) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("fasterapi: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err.removeprefix("fasterapi: ").rstrip("\n")

    return fail


APP = "from fasterapi import App\napp = App()\n"


# ------------------------------------------------------------------------------- what is served


@pytest.mark.parametrize("target", ["cliweb", "cliweb:app", "cliweb:"])
def test_an_application_is_found_and_served_with_the_defaults(
    served: Served, write: Write, target: str
) -> None:
    write("cliweb", APP)
    assert main(["run", target]) == 0
    assert served == [(sys.modules["cliweb"].app, DEFAULTS)]


def test_an_application_may_be_deeper(served: Served, write: Write) -> None:
    write("clipkg.web.site", f"{APP}class Sites:\n    main = App()\n")
    assert main(["run", "clipkg.web.site:Sites.main"]) == 0
    assert served[0][0] is sys.modules["clipkg.web.site"].Sites.main


def test_every_option_reaches_the_server(served: Served, write: Write, tmp_path: Path) -> None:
    write("cliweb", APP)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate = trustme.CA().issue_cert("localhost")
    chain.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    options = f"--host ::1 --port 0 --ssl-certfile {chain} --ssl-keyfile {key} --log-level debug"
    more = f"--http2 --no-access-log --loop asyncio --uds {tmp_path}/web.sock"
    assert main(["run", "cliweb:app", *options.split(), *more.split()]) == 0
    assert served[0][1] == {
        "host": "::1",
        "port": 0,
        "uds": f"{tmp_path}/web.sock",
        "ssl_certfile": str(chain),
        "ssl_keyfile": str(key),
        "http2": True,
        "log_level": "debug",
        "access_log": False,
        "loop": "asyncio",
    }


def test_a_module_in_another_folder_finds_its_neighbours(served: Served, write: Write) -> None:
    write("clineighbour", APP, folder="src")
    write("cliweb", "from clineighbour import app", folder="src")
    assert main(["run", "cliweb", "--app-dir", "src"]) == 0
    assert len(served) == 1


def test_the_demo_serves_the_examples(served: Served) -> None:
    assert main(["demo"]) == 0
    assert main(["demo", "--host", "0.0.0.0", "--port", "9000"]) == 0
    (app, options), (same, others) = served
    assert {"/", "/ws/echo", "/events/counter"} <= {route.path for route in app.routes}
    assert same is app
    assert (options["host"], options["port"]) == ("127.0.0.1", 8000)
    assert (others["host"], others["port"]) == ("0.0.0.0", 9000)


# ---------------------------------------------------------------------------- what is printed


def test_the_version_names_the_backend(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    python = f"{platform.python_implementation()} {platform.python_version()}"
    assert capsys.readouterr().out == (
        f"fasterapi {fasterapi.__version__} ({fasterapi.__impl__} backend, "
        f"deflate {fasterapi.__deflate__}, inflate {fasterapi.__inflate__}, {python})\n"
    )


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: fasterapi ")
    assert "fasterapi run chat:app" in out
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        (
            "run",
            [
                "module:app", "--host", "(default: 127.0.0.1)", "--port", "(default: 8000)",
                "--uds", "--ssl-certfile", "--ssl-keyfile", "--log-level", "(default: info)",
                "--no-access-log", "--loop", "(default: auto)", "--app-dir", "SIGTERM",
            ],
        ),
        ("demo", ["--host", "--port", "(default: 8000)", "--port 9000"]),
    ],
)  # fmt: skip
def test_the_help_of_a_command_names_options_and_defaults(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    texts: list[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # so that no default is divided between two lines
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert [text for text in texts if text not in out] == []
    assert f"\n  fasterapi {command}" in out  # an example


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["serve"], "invalid choice: 'serve'"),
        (["run"], "required: module:app"),
        (["run", "x", "--port", "65536"], "'65536' is no port: 0 to 65535"),
        (["run", "x", "--port", "-1"], "'-1' is no port"),
        (["run", "x", "--port", "http"], "'http' is no port"),
        (["run", "x", "--loop", "trio"], "invalid choice: 'trio'"),
        (["run", "x", "--log-level", "loud"], "invalid choice: 'loud'"),
        (["run", "x", "--ssl-cert", "y"], "unrecognized arguments: --ssl-cert"),
        (["demo", "x"], "unrecognized arguments: x"),
    ],
)
def test_arguments_that_can_not_be_read_end_with_status_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


# ------------------------------------------------------------- applications that are not there


def test_a_missing_module_is_told_in_a_line(write: Write, fail: Callable[..., str]) -> None:
    line = fail("run", "climissing:app")
    assert line.startswith(f"no module 'climissing' in {Path.cwd()}")
    assert "--app-dir" in line
    write("clipkg.web", APP)
    assert fail("run", "clipkg.wab").startswith("no module 'clipkg.wab' in")
    assert fail("run", "clipkg.web.app").startswith("no module 'clipkg.web.app' in")


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("main.py", "fasterapi run main:app"),
        ("main.py:web", "fasterapi run main:web"),
        ("./shop/web.py", "fasterapi run shop.web:app"),
        ("shop/web", "fasterapi run shop.web:app"),
    ],
)
def test_a_file_name_is_told_as_a_module(
    fail: Callable[..., str], target: str, advice: str
) -> None:
    assert fail("run", target).endswith(f"name it as a module: {advice}")


@pytest.mark.parametrize("target", ["", ":", ":app", ".main:app", "shop..web", "shop.:app"])
def test_no_module_at_all_is_told(fail: Callable[..., str], target: str) -> None:
    assert fail("run", target) == (
        f"{target!r} names no module; write it like this: fasterapi run main:app"
    )


def test_a_missing_folder_is_told(fail: Callable[..., str]) -> None:
    assert fail("run", "x", "--app-dir", "/no/such") == (
        "--app-dir /no/such: there is no such folder"
    )


@pytest.mark.parametrize(
    ("source", "attribute", "expected"),
    [
        (f"{APP}site = App()", "web", "'web'; try fasterapi run {0}:app or fasterapi run {0}:site"),
        (f"{APP}site = app", "app.web", "has no 'app.web'; try fasterapi run {0}:app or"),
        ("", "app", "has no 'app'; nor has it any other App: put  app = App()  into it"),
        ("def app(): ...", "app", "{0}:app is no App but of type function; nor has it any"),
        (APP, "App", "{0}:App is no App but of type type; try fasterapi run {0}:app"),
    ],
)  # fmt: skip
def test_what_is_no_application_is_told_with_those_that_are(
    write: Write, fail: Callable[..., str], source: str, attribute: str, expected: str
) -> None:
    module = write("cliweb", source)
    assert expected.format(module) in fail("run", f"{module}:{attribute}")


@pytest.mark.parametrize(
    ("source", "error", "shown"),
    [
        ("import clinothing", "ModuleNotFoundError", "No module named 'clinothing'"),
        ("from fasterapi import nothing", "ImportError", "cannot import name 'nothing'"),
        ("def f(:", "SyntaxError", "def f(:"),
        ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError", "in f"),
    ],
)
def test_a_module_that_fails_shows_its_own_traceback(
    write: Write, capsys: pytest.CaptureFixture[str], source: str, error: str, shown: str
) -> None:
    write("clibroken", source)
    assert main(["run", "clibroken"]) == 2
    err = capsys.readouterr().err
    *trace, line = err.splitlines()
    assert line == f"fasterapi: the module 'clibroken' raises {error} when it is imported"
    assert shown in "\n".join(trace)
    assert "clibroken.py" in "\n".join(trace)
    assert "importlib" not in err
    assert cli.__file__ not in err


def test_a_missing_parent_is_not_taken_for_a_failing_one(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    # The name that is missing begins like the module's own, but it is another.
    write("cliweb", "import cliwebsite")
    assert main(["run", "cliweb"]) == 2
    assert "No module named 'cliwebsite'" in capsys.readouterr().err


def test_an_interrupted_import_ends_quietly(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("clislow", "raise KeyboardInterrupt")
    assert main(["run", "clislow"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_failing_example_is_not_taken_for_missing(
    monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    monkeypatch.delitem(sys.modules, "fasterapi.examples.demo", raising=False)
    monkeypatch.setitem(sys.modules, "fasterapi.examples.page", None)
    with pytest.raises(ModuleNotFoundError, match=r"fasterapi\.examples\.page"):
        main(["demo"])
    assert served == []


def test_missing_examples_are_told(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[..., str], served: Served
) -> None:
    monkeypatch.setitem(sys.modules, "fasterapi.examples.demo", None)
    assert fail("demo") == "the examples are not installed; try: make demo"
    assert served == []


# ----------------------------------------------------------------------------- what can't work


def test_a_key_needs_its_certificate(fail: Callable[..., str]) -> None:
    assert fail("run", "x", "--ssl-keyfile", "k.pem") == (
        "--ssl-keyfile needs --ssl-certfile beside it"
    )


def test_files_that_are_no_certificate_are_told(tmp_path: Path, fail: Callable[..., str]) -> None:
    assert "no.pem: there is no such file" in fail("run", "x", "--ssl-certfile", "no.pem")
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    line = fail("run", "x", "--ssl-certfile", str(bad), "--ssl-keyfile", str(bad))
    assert line.startswith(f"--ssl-certfile {bad} --ssl-keyfile {bad}: not a certificate with its")


def test_a_missing_h2_is_told(monkeypatch: pytest.MonkeyPatch, fail: Callable[..., str]) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    line = fail("run", "x", "--http2")
    assert line == "h2 is not installed: pip install 'fasterapi[http2]'"


def test_a_missing_uvloop_is_told(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[..., str]
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert fail("run", "x", "--loop", "uvloop") == (
        "uvloop is not installed: pip install 'fasterapi[fast]'"
    )


def test_the_sync_server_is_served_without_a_loop(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("cliweb", "from fasterapi import App\napp = App()")
    calls: Served = []
    monkeypatch.setattr(sync, "run", lambda app, **options: calls.append((app, options)))
    assert main(["run", "cliweb", "--server", "sync"]) == 0
    ((_, options),) = calls
    assert options == {
        name: value for name, value in DEFAULTS.items() if name not in ("loop", "http2")
    }


def test_what_the_sync_server_can_not_run_is_told(write: Write, fail: Callable[..., str]) -> None:
    write(
        "cliweb",
        'from fasterapi import App\napp = App()\n@app.websocket("/ws")\nasync def echo(ws): ...\n',
    )
    line = fail("run", "cliweb", "--server", "sync")
    assert line.startswith("/ws: echo is async def, and the sync server has no event loop")
    assert fail("run", "x", "--server", "sync", "--loop", "uvloop") == (
        "--loop is for --server aio; the sync server has no event loop"
    )
    assert fail("run", "x", "--server", "sync", "--http2") == (
        "--http2 is for --server aio; the sync server speaks HTTP/1.1"
    )


@pytest.mark.parametrize("loop", ["asyncio", "auto"])
def test_a_port_in_use_is_told_in_a_line(write: Write, fail: Callable[..., str], loop: str) -> None:
    write("cliweb", APP)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        line = fail("run", "cliweb", "--port", port, "--loop", loop, status=1)
    assert line == (
        f"can't listen on 127.0.0.1:{port}: it is in use; stop what listens there, "
        "or take another with --port"
    )


def test_a_unix_socket_that_can_not_be_made_is_told(
    write: Write, tmp_path: Path, fail: Callable[..., str]
) -> None:
    write("cliweb", APP)
    missing = tmp_path / "missing" / "web.sock"
    assert fail("run", "cliweb", "--uds", str(missing), status=1) == (
        f"can't listen on {missing}: there is no such folder"
    )
    taken = tmp_path / "cliweb.py"
    line = fail("run", "cliweb", "--uds", str(taken), status=1)
    assert line.startswith(f"can't listen on {taken}: ")
    assert "in use" in line
    assert taken.read_text() == APP


def test_a_host_that_does_not_exist_is_told(
    write: Write, served: Served, monkeypatch: pytest.MonkeyPatch, fail: Callable[..., str]
) -> None:
    def resolve(*args: Any, **options: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    write("cliweb", APP)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert fail("run", "cliweb", "--host", "nowhere", status=1) == (
        "can't listen on nowhere: Name or service not known"
    )
    assert served == []


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/var/lib/web.db"),
        ConnectionRefusedError(errno.ECONNREFUSED, "the database"),
    ],
)
def test_an_error_of_the_application_is_not_taken_for_one_of_the_address(
    write: Write, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def run(app: App, **options: Any) -> None:
        raise error

    write("cliweb", APP)
    monkeypatch.setattr(aio, "run", run)
    with pytest.raises(type(error)) as raised:
        main(["run", "cliweb"])
    assert raised.value is error


# -------------------------------------------------------------------------- the whole process

HELLO = APP + "@app.get('/')\nasync def page():\n    return 'hello'\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_serves_until_a_signal_and_ends_with_0(
    write: Write, tmp_path: Path, number: signal.Signals
) -> None:
    write("cliweb", HELLO)
    command = [sys.executable, "-m", "fasterapi", "run", "cliweb:app", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"on http://127\.0\.0\.1:(\d+)", process.stderr.readline())
        assert found
        client = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
        client.close()
        process.send_signal(number)
        _, rest = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert '"GET / HTTP/1.1" 200' in rest
    assert "Traceback" not in rest


def test_the_module_is_the_same_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "fasterapi", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith(
        f"fasterapi {fasterapi.__version__} ({fasterapi.__impl__} backend, "
        f"deflate {fasterapi.__deflate__}, inflate {fasterapi.__inflate__}, "
    )
    result = subprocess.run(
        [sys.executable, "-m", "fasterapi", "run", ":"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("fasterapi: ")
