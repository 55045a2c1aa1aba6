"""The command line: an application's name to a running server, a mistake to one line that helps.

``fasterapi run module:app`` serves an application, ``fasterapi demo`` the examples; ``fasterapi
connect`` talks to a WebSocket, and ``fasterapi events`` follows an event stream. What the user got
wrong (exit status 2), an address and a server that can't be had (1) are told in one line on stderr;
what goes wrong inside the application's own code keeps its traceback. How a server or a client
works is not known here.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import platform
import socket
import sys
import traceback
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import __deflate__, __impl__, __inflate__, __version__
from ..app import App
from .command import Refusal, formatted
from .connect import add_connect, talk
from .events import add_events, follow

__all__ = ["main"]

_VERSION = (
    f"fasterapi {__version__} ({__impl__} backend, deflate {__deflate__}, inflate {__inflate__}, "
    f"{platform.python_implementation()} {platform.python_version()})"
)
_DESCRIPTION = "WebSocket and Server-Sent Events for Python."
_EPILOG = """\
examples:
  fasterapi demo                  live examples on http://127.0.0.1:8000
  fasterapi run chat:app          the App 'app' of chat.py, in this folder
  fasterapi connect ws://localhost:8000/ws         a WebSocket, line by line
  fasterapi events http://localhost:8000/events    what comes of an event stream
"""
_RUN_EPILOG = """\
examples:
  fasterapi run chat
  fasterapi run shop.web:app --host 0.0.0.0 --port 443 \\
      --ssl-certfile cert.pem --ssl-keyfile key.pem

Ctrl+C or SIGTERM stops the server in order: no new connections, Close 1001 to every WebSocket, the
end of every event stream, five seconds for handlers to finish. A second one stops it at once.
"""
_DEMO_EPILOG = """\
examples:
  fasterapi demo
  fasterapi demo --host 0.0.0.0 --port 9000     for other machines too
"""

# Why a socket can't be bound, and what to do about it.
_LISTEN_FAULTS = {
    errno.EADDRINUSE: "it is in use; stop what listens there, or take another with --port",
    errno.EADDRNOTAVAIL: "this machine has no such address; --host 0.0.0.0 means all of them",
    errno.EACCES: "that is not permitted; ports below 1024 need privileges, so try --port 8000",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments behind the command's name; by default the process's.

    Returns:
        The exit status: 0 if all went well, 1 if the address can't be listened on or a server's
        stream can't be had, 2 if the arguments or the application they name are no good.

    Raises:
        SystemExit: From ``argparse``, for ``--help``, ``--version`` and arguments it can't read.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "run":
            _run(arguments)
        elif arguments.command == "demo":
            _serve(_load_demo(), host=arguments.host, port=arguments.port)
        elif arguments.command == "events":
            return follow(arguments)
        elif arguments.command == "connect":
            return talk(arguments)
        else:
            parser.print_help()
    except Refusal as refusal:
        print(f"fasterapi: {refusal}", file=sys.stderr)
        return refusal.status
    except KeyboardInterrupt:  # in a client, or while the application was being loaded
        return 128 + 2
    return 0


# --------------------------------------------------------------------------------- arguments


def _parser() -> argparse.ArgumentParser:
    parser = formatted(argparse.ArgumentParser, prog="fasterapi", description=_DESCRIPTION)
    parser.epilog = _EPILOG
    parser.add_argument(
        "--version", action="version", version=_VERSION, help="print version and backend, and exit"
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="<command>")
    _add_run(commands.add_parser, help="serve an application", epilog=_RUN_EPILOG)
    _add_demo(commands.add_parser, help="serve the live examples", epilog=_DEMO_EPILOG)
    add_connect(commands.add_parser, help="talk to a WebSocket")
    add_events(commands.add_parser, help="follow an event stream")
    return parser


def _add_run(add_parser: Any, **texts: str) -> None:
    parser = formatted(add_parser, "run", description="Serve an application.", **texts)
    parser.add_argument(
        "app",
        metavar="module:app",
        help="where the App is: a module, a colon, a name in it (name by default: app)",
    )
    parser.add_argument(
        "--app-dir",
        metavar="DIR",
        default=".",
        help="folder to import the module from (default: the current one)",
    )
    _add_address(parser)
    parser.add_argument("--uds", metavar="PATH", help="unix socket, instead of host and port")
    parser.add_argument(
        "--ssl-certfile", metavar="FILE", help="certificate chain as PEM; turns TLS on"
    )
    parser.add_argument(
        "--ssl-keyfile", metavar="FILE", help="private key as PEM, if the chain does not hold it"
    )
    parser.add_argument(
        "--http2",
        action=argparse.BooleanOptionalAction,
        help="speak HTTP/2 too: over TLS to clients that choose it, without TLS to those that "
        "begin with it (default: with TLS, if h2 is installed)",
    )
    parser.add_argument(
        "--log-level",
        choices=("critical", "error", "warning", "info", "debug"),
        default="info",
        help="the least severe messages to print (default: %(default)s)",
    )
    parser.add_argument(
        "--no-access-log", action="store_true", help="do not print a line for each request"
    )
    parser.add_argument(
        "--server",
        choices=("aio", "sync"),
        default="aio",
        help="aio: an event loop; sync: a thread for each connection, def handlers only "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--loop",
        choices=("auto", "asyncio", "uvloop"),
        default="auto",
        help="event loop; auto is uvloop where it is installed (default: %(default)s)",
    )


def _add_demo(add_parser: Any, **texts: str) -> None:
    _add_address(formatted(add_parser, "demo", description="Serve the live examples.", **texts))


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 is all of IPv4 (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8000,
        help="TCP port; 0 lets the system choose (default: %(default)s)",
    )


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return port


# ------------------------------------------------------------------------------- applications


def _load(target: str, folder: str) -> App:
    """Import the application that ``target`` names.

    Raises:
        Refusal: If there is none.
    """
    name, _, attribute = target.partition(":")
    attribute = attribute or "app"
    if name.endswith(".py") or "/" in name:
        likely = name.removesuffix(".py").strip("./").replace("/", ".")
        raise Refusal(
            f"{name!r} is a file; name it as a module: fasterapi run {likely}:{attribute}"
        )
    if not all(name.split(".")):
        raise Refusal(f"{target!r} names no module; write it like this: fasterapi run main:app")
    if not Path(folder).is_dir():
        raise Refusal(f"--app-dir {folder}: there is no such folder")
    sys.path.insert(0, str(Path(folder).resolve()))
    return _find(_import(name, folder), attribute)


def _import(name: str, folder: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise _broken(name, error) from error
        raise Refusal(
            f"no module {name!r} in {Path(folder).resolve()}, and none is installed; "
            "if it is in another folder, say so with --app-dir"
        ) from None
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> Refusal:
    """Show the traceback of a module that can't be imported, without our and importlib's part."""
    ours = (__file__, importlib.__file__)
    frame = error.__traceback__
    while frame is not None and (
        frame.tb_frame.f_code.co_filename in ours
        or frame.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        frame = frame.tb_next
    traceback.print_exception(error.with_traceback(frame))
    return Refusal(f"the module {name!r} raises {type(error).__name__} when it is imported")


def _find(module: ModuleType, attribute: str) -> App:
    value: Any = module
    try:
        for part in attribute.split("."):
            value = getattr(value, part)
    except AttributeError:
        raise Refusal(
            f"the module {module.__name__!r} has no {attribute!r}; {_proposal(module)}"
        ) from None
    if not isinstance(value, App):
        raise Refusal(
            f"{module.__name__}:{attribute} is no App but of type {type(value).__name__}; "
            f"{_proposal(module)}"
        )
    return value


def _proposal(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, App)]
    if not names:
        return "nor has it any other App: put  app = App()  into it"
    return "try " + " or ".join(f"fasterapi run {module.__name__}:{name}" for name in names)


def _load_demo() -> App:
    try:
        return _find(importlib.import_module("fasterapi.examples.demo"), "app")
    except ModuleNotFoundError as error:
        if error.name is None or not "fasterapi.examples.demo.".startswith(f"{error.name}."):
            raise
        raise Refusal("the examples are not installed; try: make demo") from None


# ---------------------------------------------------------------------------------- serving


def _run(arguments: argparse.Namespace) -> None:
    """Check what can be checked before the application is loaded, load it and serve it."""
    options = vars(arguments).copy()
    del options["command"]
    target, folder = options.pop("app"), options.pop("app_dir")
    options["access_log"] = not options.pop("no_access_log")
    if options["server"] == "sync":
        if options.pop("loop") != "auto":
            raise Refusal("--loop is for --server aio; the sync server has no event loop")
        if options.pop("http2"):
            raise Refusal("--http2 is for --server aio; the sync server speaks HTTP/1.1")
    elif options["http2"] and find_spec("h2") is None:
        raise Refusal("h2 is not installed: pip install 'fasterapi[http2]'")
    elif options["loop"] == "uvloop" and find_spec("uvloop") is None:
        raise Refusal("uvloop is not installed: pip install 'fasterapi[fast]'")
    _check_certificate(options["ssl_certfile"], options["ssl_keyfile"])
    _serve(_load(target, folder), **options)


def _check_certificate(certfile: str | None, keyfile: str | None) -> None:
    if certfile is None:
        if keyfile is not None:
            raise Refusal("--ssl-keyfile needs --ssl-certfile beside it")
        return
    import ssl

    try:
        # The server does this again; here, a failure can be of these files only.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile)
    except OSError as error:
        files = f"--ssl-certfile {certfile}" + (f" --ssl-keyfile {keyfile}" if keyfile else "")
        raise Refusal(f"{files}: {_certificate_fault(error)}") from None


def _certificate_fault(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such file"
    reason = getattr(error, "reason", None) or error.strerror or error
    return f"not a certificate with its key in PEM ({reason})"


def _serve(
    app: App, *, host: str, port: int, uds: str | None = None, server: str = "aio", **options: Any
) -> None:
    """Serve an application until it is stopped.

    Raises:
        Refusal: With status 1, if the address can't be listened on; if the app needs an event
            loop, and the server has none.
    """
    if server == "sync":
        _check_sync(app)
    where = f"{host}:{port}" if uds is None else uds
    _check_address(host, port, uds)
    try:
        app.run(host=host, port=port, uds=uds, server=server, **options)
    except OSError as error:
        # An error with a file name is of the application's start-up: no socket has one.
        if error.errno not in _LISTEN_FAULTS or error.filename is not None:
            raise
        fault = _LISTEN_FAULTS[error.errno] if uds is None else error.strerror
        raise Refusal(f"can't listen on {where}: {fault}", status=1) from None


def _check_sync(app: App) -> None:
    from ..sync.styles import check_app

    try:
        check_app(app)
    except TypeError as error:
        raise Refusal(str(error)) from None


def _check_address(host: str, port: int, uds: str | None) -> None:
    """Find out early what, later, might as well be a fault of the application's start-up."""
    if uds is not None:
        if not Path(uds).absolute().parent.is_dir():
            raise Refusal(f"can't listen on {uds}: there is no such folder", status=1)
        return
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Refusal(f"can't listen on {host}: {error.strerror}", status=1) from None
