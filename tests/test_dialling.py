"""Both diallers on the same tasks: plain, TLS, unix sockets, redirects, proxies, and what fails."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from fasterapi.aio.dial import Dialler as AsyncDialler
from fasterapi.errors import InvalidResponse, ProxyError, RedirectError
from fasterapi.http.h1_client import ResponseReader
from fasterapi.http.opening import Opening
from fasterapi.http.route import Route
from fasterapi.limits import Limits
from fasterapi.protocol import Request
from fasterapi.protocol.uri import HTTP_SCHEMES, parse_uri
from fasterapi.sync.dial import Dialler as SyncDialler
from fasterapi.sync.dial import Supplies
from fasterapi.sync.link import Link as SyncLink
from fasterapi.sync.stream import SocketStream

from .relays import Script, black_hole, http_proxy, listening, read_head, socks5_proxy
from .sync.pairs import elsewhere, wait_until

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nfirst bytes"
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"


class Answer(NamedTuple):
    """What came of an opening."""

    status: int
    rest: bytes
    url: str


def setting(url: str, **options: Any) -> tuple[Opening, Route, dict[str, Any]]:
    schemes = HTTP_SCHEMES if url.startswith("http") else ("ws", "wss")
    limits = options.pop("limits", Limits(open_timeout=10))
    environ = options.pop("environ", {})
    route = Route(uri=parse_uri(url, schemes), **options)
    opening = Opening(
        url,
        lambda uri, headers: Request("GET", uri.target, [("Host", uri.authority), *headers]),
        schemes=schemes,
        fixed=route.fixed,
    )
    return opening, route, {"limits": limits, "environ": environ}


def dial_sync(url: str, **options: Any) -> Answer:
    opening, route, rest = setting(url, **options)
    dialler = SyncDialler(route, **rest)
    link, reader = dialler.open(opening)
    try:
        assert reader.response is not None
        status = reader.response.status
        data = dialler.excerpt(link, reader) if status == 403 else reader.take_rest()
        return Answer(status, data or link.read(), str(opening.uri))
    finally:
        link.close()


async def _dial(url: str, **options: Any) -> Answer:
    opening, route, rest = setting(url, **options)
    dialler = AsyncDialler(route, **rest)
    link, reader = await dialler.open(opening)
    try:
        assert reader.response is not None
        status = reader.response.status
        data = (await dialler.excerpt(link, reader)) if status == 403 else reader.take_rest()
        return Answer(status, data or await link.read(), str(opening.uri))
    finally:
        link.transport.abort()
        await asyncio.sleep(0)


def dial_aio(url: str, **options: Any) -> Answer:
    return asyncio.run(_dial(url, **options))


def dial_uvloop(url: str, **options: Any) -> Answer:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_dial(url, **options))


Dial = Callable[..., Answer]


@pytest.fixture(params=[dial_sync, dial_aio, dial_uvloop], ids=["sync", "asyncio", "uvloop"])
def dial(request: pytest.FixtureRequest) -> Dial:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


def test_a_plain_server(dial: Dial) -> None:
    script = Script(SWITCH)
    with listening(script) as port:
        assert dial(f"ws://127.0.0.1:{port}/a?b") == (
            101, b"first bytes", f"ws://127.0.0.1:{port}/a?b",
        )  # fmt: skip
    assert script.heads == [f"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()]


def test_an_ipv6_server(dial: Dial) -> None:
    try:
        server = listening(Script(SWITCH), host="::1")
        with server as port:
            assert dial(f"ws://[::1]:{port}/").status == 101
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            pytest.skip("no IPv6 here; enable it on the loopback interface")
        raise


def test_every_address_of_a_name_is_tried(dial: Dial) -> None:
    # localhost is ::1 too on most machines, where nobody listens.
    with listening(Script(SWITCH)) as port:
        assert dial(f"ws://localhost:{port}/").status == 101


def test_a_server_on_tls(
    dial: Dial, server_context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with listening(Script(SWITCH), context=server_context) as port:
        assert dial(f"wss://localhost:{port}/", ssl=trusting).rest == b"first bytes"


def test_a_default_context_is_made_once(
    server_context: ssl.SSLContext, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ssl.SSLContext] = []
    monkeypatch.setattr(
        "fasterapi.sync.dial.default_context", lambda: made.append(trusting) or trusting
    )

    async def dial_twice(url: str) -> None:
        opening, route, rest = setting(url)
        supplies = Supplies(route)
        for _ in range(2):
            link, _ = await AsyncDialler(route, supplies=supplies, **rest).open(opening)
            link.transport.abort()
        await asyncio.sleep(0)

    with listening(Script(*[SWITCH] * 4), context=server_context) as port:
        url = f"wss://localhost:{port}/"
        opening, route, rest = setting(url)
        supplies = Supplies(route)
        for _ in range(2):
            SyncDialler(route, supplies=supplies, **rest).open(opening)[0].close()
        asyncio.run(dial_twice(url))
    assert len(made) == 2


def test_a_certificate_nobody_vouches_for(dial: Dial, server_context: ssl.SSLContext) -> None:
    with (
        listening(Script(SWITCH), context=server_context) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        dial(f"wss://localhost:{port}/")


def test_another_name_in_the_certificate(
    dial: Dial, server_context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with listening(Script(SWITCH, SWITCH), context=server_context) as port:
        url = f"wss://127.0.0.1:{port}/"
        assert dial(url, ssl=trusting, server_hostname="localhost").status == 101
        with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
            dial(url, ssl=trusting, server_hostname="example.com")


def test_a_unix_socket(dial: Dial, tmp_path: Path) -> None:
    script = Script(SWITCH)
    with listening(script, uds=tmp_path / "s"):
        assert dial("ws://example.com/", uds=str(tmp_path / "s")).status == 101
    assert b"Host: example.com\r\n" in script.heads[0]


def test_tls_on_a_unix_socket(
    dial: Dial, tmp_path: Path, server_context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with listening(Script(SWITCH), uds=tmp_path / "s", context=server_context):
        assert dial("wss://localhost/", uds=str(tmp_path / "s"), ssl=trusting).status == 101


def test_a_given_socket_serves_once(dial: Dial) -> None:
    with listening(Script(SWITCH, b"HTTP/1.1 302 X\r\nLocation: /b\r\n\r\n")) as port:
        sock = socket.create_connection(("127.0.0.1", port))
        assert dial("ws://example.com/", sock=sock).status == 101
        sock = socket.create_connection(("127.0.0.1", port))
        with pytest.raises(ConnectionError, match="the given socket is used up"):
            dial("ws://example.com/", sock=sock)


def test_redirects_are_followed_to_other_servers(dial: Dial) -> None:
    with listening(Script(SWITCH)) as there:
        location = b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:%d/b\r\n\r\n" % there
        with listening(Script(location)) as here:
            assert dial(f"ws://127.0.0.1:{here}/a").url == f"ws://127.0.0.1:{there}/b"


def test_a_redirect_that_is_not_followed(dial: Dial) -> None:
    location = b"HTTP/1.1 307 X\r\nLocation: ftp://a/\r\n\r\n"
    with listening(Script(location)) as port, pytest.raises(RedirectError):
        dial(f"ws://127.0.0.1:{port}/a")


def test_a_refusal_and_what_it_says(dial: Dial) -> None:
    with listening(Script(REFUSAL)) as port:
        assert dial(f"ws://127.0.0.1:{port}/a")[:2] == (403, b"no!")


def test_a_refusal_in_pieces(dial: Dial) -> None:
    def handle(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\nno")
        sock.sendall(b"!")
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)

    with listening(handle) as port:
        assert dial(f"ws://127.0.0.1:{port}/a")[:2] == (403, b"no!")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionResetError),
        (b"HTTP/1.1 101 Swi", ConnectionResetError),
        (b"220 smtp.example.com ESMTP\r\n", InvalidResponse),
    ],
)
def test_what_is_no_answer(dial: Dial, answer: bytes, error: type[Exception]) -> None:
    def handle(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(answer)

    with listening(handle) as port, pytest.raises(error):
        dial(f"ws://127.0.0.1:{port}/a")


def test_nobody_listens(dial: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        dial(f"ws://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "waiting_for"),
    [("ws://127.0.0.1:{}/", "the server's answer"), ("wss://127.0.0.1:{}/", r"127\.0\.0\.1")],
)
def test_a_server_that_says_nothing(dial: Dial, url: str, waiting_for: str) -> None:
    with (
        listening(lambda sock: sock.recv(1 << 20) and sock.recv(1) and None) as port,
        pytest.raises(TimeoutError, match=rf"within 0.05 s: still waiting for .*{waiting_for}"),
    ):
        dial(url.format(port), limits=Limits(open_timeout=0.05))


def test_a_timeout_can_be_none(dial: Dial) -> None:
    with listening(Script(SWITCH)) as port:
        assert dial(f"ws://127.0.0.1:{port}/", limits=Limits(open_timeout=None)).status == 101


# ----------------------------------------------------------------------------------- proxies


def test_a_tunnel_through_an_http_proxy(dial: Dial) -> None:
    seen: list[bytes] = []
    with listening(Script(SWITCH)) as port, listening(http_proxy(seen)) as proxy:
        environ = {"ws_proxy": f"http://127.0.0.1:{proxy}"}
        assert dial(f"ws://127.0.0.1:{port}/", environ=environ).rest == b"first bytes"
        assert seen == [
            b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (port, port)
        ]


def test_tls_through_a_tunnel(
    dial: Dial, server_context: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with (
        listening(Script(SWITCH), context=server_context) as port,
        listening(http_proxy([], password="me:secret")) as proxy,
    ):
        answer = dial(
            f"wss://localhost:{port}/", ssl=trusting, proxy=f"http://me:secret@127.0.0.1:{proxy}"
        )
        assert answer.rest == b"first bytes"


def test_a_proxy_that_wants_a_password(dial: Dial) -> None:
    with listening(http_proxy([], password="me:secret")) as proxy:
        with pytest.raises(ProxyError, match=r"407 .*user and password") as caught:
            dial("ws://127.0.0.1:9/", proxy=f"http://127.0.0.1:{proxy}")
        assert caught.value.status == 407


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_that_nobody_runs(dial: Dial, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(
        OSError, match=rf"(?i)(reach the|connect to) proxy .*127\.0\.0\.1:{port}"
    ) as raised:
        dial("ws://example.com/", proxy=f"{scheme}://127.0.0.1:{port}")
    assert raised.value.errno == errno.ECONNREFUSED


def test_plain_http_is_forwarded(dial: Dial) -> None:
    script = Script(REFUSAL)
    with listening(script) as proxy:
        assert dial("http://example.com/a", proxy=f"http://127.0.0.1:{proxy}").status == 403
    assert script.heads[0].startswith(b"GET http://example.com/a HTTP/1.1\r\nHost: example.com")


@pytest.mark.parametrize(
    ("scheme", "seen_host"), [("socks5h", b"hidden"), ("socks5", b"127.0.0.1")]
)
def test_a_socks_proxy(dial: Dial, scheme: str, seen_host: bytes) -> None:
    seen: list[bytes] = []
    names = {b"hidden": "127.0.0.1"}
    host = "hidden" if scheme == "socks5h" else "127.0.0.1"
    with listening(Script(SWITCH)) as port, listening(socks5_proxy(seen, names)) as proxy:
        answer = dial(f"ws://{host}:{port}/", proxy=f"{scheme}://127.0.0.1:{proxy}")
    assert (answer.status, seen) == (101, [seen_host])


def test_a_socks_proxy_that_refuses(dial: Dial) -> None:
    with listening(socks5_proxy([], {})) as proxy, pytest.raises(ProxyError, match="to hidden:80"):
        dial("ws://hidden/", proxy=f"socks5h://127.0.0.1:{proxy}")


def test_socks_without_its_library(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(ProxyError, match=r"pip install 'fasterapi\[socks\]'"):
        dial("ws://a/", proxy="socks5://127.0.0.1:9")


def test_a_proxy_on_tls(
    dial: Dial,
    server_context: ssl.SSLContext,
    ca: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Its certificate is judged as the system's are: there is no option for it.
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with (
        listening(Script(SWITCH)) as port,
        listening(http_proxy([]), context=server_context) as proxy,
    ):
        answer = dial(f"ws://127.0.0.1:{port}/", proxy=f"https://localhost:{proxy}")
        assert answer.rest == b"first bytes"


def test_tls_through_a_proxy_on_tls(
    dial: Dial,
    server_context: ssl.SSLContext,
    ca: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with (
        listening(Script(SWITCH), context=server_context) as port,
        listening(http_proxy([]), context=server_context) as proxy,
    ):
        url, through = f"wss://localhost:{port}/", f"https://localhost:{proxy}"
        assert dial(url, proxy=through).rest == b"first bytes"


def test_nothing_is_left_open_when_a_wait_is_cancelled() -> None:
    async def main() -> None:
        with listening(lambda sock: sock.recv(1 << 20) and sock.recv(1) and None) as port:
            task = asyncio.create_task(_dial(f"ws://127.0.0.1:{port}/"))
            await asyncio.sleep(0)
            while not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await asyncio.sleep(0)

    asyncio.run(main())  # a ResourceWarning would fail it


@pytest.fixture(autouse=True)
def no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_an_address_that_does_not_answer_leaves_time_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(SWITCH)
    with listening(script) as port, black_hole() as hole:
        good = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        addresses = [(*good[:4], hole), *[good] * 19]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses)
        assert dial_sync("ws://name/", limits=Limits(open_timeout=10)).status == 101


def test_the_time_is_over_when_no_address_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with black_hole() as hole:
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", hole)] * 2
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses)
        with pytest.raises(TimeoutError, match="see open_timeout"):
            dial_sync("ws://name/", limits=Limits(open_timeout=0.1))


def test_a_request_that_nobody_takes_is_in_the_deadline_too() -> None:
    ours, theirs = socket.socketpair()
    link = SyncLink(SocketStream(ours, write_timeout=2), lambda: 0.05)
    with theirs, pytest.raises(TimeoutError, match="not all was taken in time"):
        link.ask(b"x" * 10_000_000, ResponseReader())
    link.close()


def test_an_answer_before_the_end_of_a_large_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        theirs.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
    reader = ResponseReader("POST")
    link = SyncLink(SocketStream(ours), lambda: 10)
    link.ask(b"x" * 10_000_000, reader)
    link.close()
    assert reader.response is not None
    assert (reader.response.status, reader.take_rest()) == (413, b"no!")


def test_a_large_request_without_an_answer() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    link = SyncLink(SocketStream(ours), lambda: 10)
    with pytest.raises(BrokenPipeError):
        link.ask(b"x" * 10_000_000, ResponseReader("POST"))
    link.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_address_is_not_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def create_connection(loop: Any, protocol: Any, *address: Any, **options: Any) -> None:
        asked.append((address, options))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", create_connection)
    with pytest.raises(ConnectionRefusedError):
        dial_aio(f"ws://{host}/")
    assert asked == [((host.strip("[]"), 80), {})]


# ------------------------------------------------------------- what the system does not interrupt


class Stuck:
    """A look-up that does not end before the test says so, and only for names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.gate, self.ended = (threading.Event() for _ in range(3))
        self._really = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, *args: Any, **options: Any) -> Any:
        if host != "stuck.example":
            return self._really(host, *args, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        self.asked.set()
        self.gate.wait(10)
        self.ended.set()
        raise socket.gaierror(socket.EAI_AGAIN, "too late")


@pytest.mark.parametrize("dial", [dial_sync, dial_aio], ids=["sync", "asyncio"])
def test_a_look_up_is_in_the_deadline_too(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck(monkeypatch)

    async def getaddrinfo(*args: Any, **options: Any) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(TimeoutError, match=r"still waiting for a connection to stuck\.example"):
        dial("ws://stuck.example/", limits=Limits(open_timeout=0.05))
    stuck.gate.set()


def test_a_look_up_can_be_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Stuck(monkeypatch)
    opening, route, rest = setting("ws://stuck.example/", limits=Limits(open_timeout=None))
    dialler = SyncDialler(route, **rest)
    with elsewhere(dialler.open, opening) as result:
        assert stuck.asked.wait(10)
        dialler.abandon()
    assert isinstance(result[0], ConnectionAbortedError)
    with pytest.raises(ConnectionAbortedError):
        dialler.open(setting("ws://stuck.example/")[0])
    stuck.gate.set()
    assert stuck.ended.wait(10)  # by itself


def test_a_socks_proxy_that_says_nothing() -> None:
    gone = threading.Event()

    def silent(sock: socket.socket) -> None:
        while sock.recv(100):
            pass
        gone.set()

    with listening(silent) as proxy:
        with pytest.raises(TimeoutError, match=r"within 0\.1 s: still waiting for the proxy"):
            dial_sync(
                "ws://a/", proxy=f"socks5h://127.0.0.1:{proxy}", limits=Limits(open_timeout=0.1)
            )
        assert gone.wait(10)  # python-socks's own time is over


def test_a_socks_proxy_that_is_too_late_is_left() -> None:
    """A proxy that says a byte now and then keeps to python-socks's times, and not to ours."""
    gone, go_on = threading.Event(), threading.Event()

    def slow(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(b"\x05")
        go_on.wait(10)
        sock.sendall(b"\x00")
        sock.recv(100)
        sock.sendall(b"\x05\x00\x00\x01" + bytes(6))
        while sock.recv(100):
            pass
        gone.set()

    with listening(slow) as proxy:
        opening, route, rest = setting("ws://a/", proxy=f"socks5h://127.0.0.1:{proxy}")
        dialler = SyncDialler(route, **rest)
        with elsewhere(dialler.open, opening) as result:
            wait_until(lambda: dialler._interrupt)
            dialler.abandon()
        assert isinstance(result[0], ConnectionAbortedError)
        go_on.set()
        assert gone.wait(10)  # the connection that came was closed
