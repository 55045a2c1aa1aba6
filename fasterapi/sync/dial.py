"""Dialling: a client's ``Opening`` to a connected stream with the response that counts.

DNS, TCP, proxies and TLS happen here, blocking. What is asked and what answers mean is decided in
``fasterapi.http``. The addresses of a name are tried one after the other, as
``socket.create_connection`` does it, but within one deadline: each gets its share
of the time that is left, so that one which does not answer leaves some to the others. Whatever the
deadline and ``abandon`` could not interrupt is an ``Errand``.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, TypeVar

from ..http.dialling import Ask, Connect, HangUp, StartTLS, dialling
from ..http.h1_client import Excerpt, ResponseReader
from ..http.opening import Opening
from ..http.route import Route, timeout_text
from ..limits import DEFAULT_LIMITS, REFUSAL_TIMEOUT, Limits
from .errand import Errand
from .link import Link
from .socks import connect_by_socks
from .stream import SocketStream

__all__ = ["Dialler", "Supplies", "default_context"]


Result = TypeVar("Result")


def default_context() -> ssl.SSLContext:
    """Make the TLS context of whoever gives none: the system's certificates, and HTTP/1.1."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Supplies:
    """What the connections along a route share, though each has a dialler of its own.

    Args:
        route: The way.
    """

    def __init__(self, route: Route) -> None:
        self._socks: list[socket.socket] = [] if route.sock is None else [route.sock]

    def take_sock(self) -> socket.socket:
        """Give the socket that is to be used, once.

        Raises:
            ConnectionError: If it has been used.
        """
        try:
            return self._socks.pop()
        except IndexError:
            text = "the given socket is used up: it serves one connection"
            raise ConnectionError(text) from None

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The default of TLS; reading certificates takes its time."""
        return default_context()


class Dialler:
    """Opens connections along a route, one at a time.

    Args:
        route: The way.
        limits: Those of a head, and ``open_timeout``.
        environ: The environment's variables; by default the process's.
        clock: The time in seconds; for tests.
        supplies: What it shares with other diallers of the route.
    """

    def __init__(
        self,
        route: Route,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        supplies: Supplies | None = None,
    ) -> None:
        self._route = route
        self._limits = limits
        self._environ = os.environ if environ is None else environ
        self._clock = clock
        self._supplies = supplies or Supplies(route)
        self._waiting_for = ""
        self._deadline: float | None = None
        self._lock = threading.Lock()  # guards what is under way
        self._interrupt: Callable[[], object] | None = None
        self._abandoned = False

    def open(self, opening: Opening) -> tuple[Link, ResponseReader]:
        """Get the response that counts; the link is the caller's to close.

        Returns:
            The link, and the reader that has the response and what arrived behind its head.

        Raises:
            TimeoutError: If that is not there after ``Limits.open_timeout``.
            OSError: If the server, or the proxy, can't be reached, or is not who it should be.
            InvalidResponse, ProxyError, RedirectError: As their names say.
            ValueError: If the environment names a proxy that is none.
        """
        seconds = self._limits.open_timeout
        self._deadline = None if seconds is None else self._clock() + seconds
        try:
            return self._open(opening)
        except TimeoutError as error:
            if seconds is None or error.errno is not None:
                raise  # the system's own
            text = timeout_text(opening.uri, seconds, self._waiting_for)
            raise TimeoutError(text) from None

    def abandon(self) -> None:
        """Open nothing any more, and have ``open`` raise; from any thread."""
        with self._lock:
            self._abandoned = True
            if self._interrupt is not None:
                self._interrupt()

    def excerpt(self, link: Link, reader: ResponseReader) -> bytes:
        """Read the beginning of a refusal's body, for a moment."""
        self._deadline = self._clock() + REFUSAL_TIMEOUT
        excerpt = Excerpt(reader)
        with suppress(OSError):  # what is there will do
            while excerpt.wants_data and (data := link.read()):
                excerpt.receive_data(data)
        return excerpt.data

    def _time_left(self) -> float | None:
        """Give the seconds left for a step that blocks.

        Raises:
            TimeoutError: If there are none: to a socket, 0 would mean something else.
        """
        if self._deadline is None:
            return None
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left

    def _under_way(self, interrupt: Callable[[], object] | None) -> None:
        """Have ``abandon`` call this, or nothing any more."""
        with self._lock:
            self._interrupt = interrupt
            if self._abandoned and interrupt is not None:
                raise _abandoned()

    def _dials(self, sock: socket.socket | None) -> None:
        """Have ``abandon`` end this socket; to be told before it is closed, too."""
        self._under_way(None if sock is None else partial(_shut, sock))

    def _send_for(
        self, call: Callable[[], Result], discard: Callable[[Result], object] | None = None
    ) -> Result:
        """Wait for what can't be interrupted, as long as there is time."""
        left = self._time_left()
        errand = Errand(call, discard)
        try:
            self._under_way(lambda: errand.give_up(_abandoned()))
            return errand.result(left)
        finally:
            self._under_way(None)
            errand.give_up(_abandoned())  # it may still be on its way

    def _drop(self, link: Link) -> None:
        self._dials(None)
        link.close()

    def _open(self, opening: Opening) -> tuple[Link, ResponseReader]:
        link: Link | None = None
        reader: ResponseReader | None = None
        try:
            for step in dialling(self._route, opening, self._environ, limits=self._limits):
                self._waiting_for = step.waiting_for
                if isinstance(step, Connect):
                    link = self._link(self._reach(step))
                    if step.tls is not None:
                        self._start_tls(link, step.tls)
                    continue
                assert link is not None
                match step:
                    case StartTLS():
                        self._start_tls(link, step)
                    case Ask():
                        reader = step.reader
                        link.ask(step.request, reader)
                    case HangUp():
                        self._drop(link)
                        link = None
        except BaseException:
            if link is not None:
                self._drop(link)
            raise
        self._dials(None)
        assert link is not None
        assert reader is not None
        return link, reader

    def _start_tls(self, link: Link, tls: StartTLS) -> None:
        self._waiting_for = tls.waiting_for
        link.start_tls(tls.context or self._supplies.context, tls.hostname)

    def _reach(self, step: Connect) -> socket.socket:
        """Connect to whom a step names."""
        if step.path is not None:
            return self._connect(_unix_socket(), step.path)
        if step.socks is not None:
            connect = connect_by_socks(step.socks, step.uri, self._time_left())
            return self._send_for(connect, socket.socket.close)
        if step.address is None:
            return self._supplies.take_sock()
        try:
            return self._tcp(*step.address)
        except OSError as error:
            step.explain(error)
            raise

    def _tcp(self, host: str, port: int) -> socket.socket:
        """Try the addresses of a name, one after the other, within the time that is left."""
        addresses = self._look_up(host, port)
        failed = OSError(f"{host} has no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            try:
                sock = socket.socket(family, kind, protocol)
                return self._connect(sock, address, shares=len(addresses) - index)
            except OSError as error:  # the last one has had all the time that there was
                failed = error
        raise failed

    def _look_up(self, host: str, port: int) -> list[Any]:
        """Give the addresses of a name, as ``getaddrinfo`` does; an address is one at once."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            return look_up(flags=socket.AI_NUMERICHOST)
        except OSError:  # it is a name
            return self._send_for(look_up)

    def _link(self, sock: socket.socket) -> Link:
        try:
            self._dials(sock)
        except BaseException:
            sock.close()
            raise
        stream = SocketStream(sock, write_timeout=self._limits.write_timeout)
        return Link(stream, self._time_left)

    def _connect(self, sock: socket.socket, address: Any, shares: int = 1) -> socket.socket:
        try:
            self._dials(sock)
            left = self._time_left()
            sock.settimeout(None if left is None else left / shares)
            sock.connect(address)
        except BaseException:
            self._dials(None)
            sock.close()
            raise
        return sock


def _unix_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it is not connected yet
        sock.shutdown(socket.SHUT_RDWR)


def _abandoned() -> Exception:
    return ConnectionAbortedError("closed while it was connecting")
