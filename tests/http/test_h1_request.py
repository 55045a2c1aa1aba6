"""What a request head says, and what is refused where proxies differ (request smuggling)."""

from __future__ import annotations

import pytest

from fasterapi.http.h1_head import RequestFault
from fasterapi.http.h1_request import RequestHead, read_request_head
from fasterapi.limits import DEFAULT_LIMITS, Limits


def read(line: str, *fields: str | bytes, limits: Limits = DEFAULT_LIMITS) -> RequestHead:
    """Read the head made of ``line`` and ``fields``."""
    raw = [field.encode() if isinstance(field, str) else field for field in (line, *fields)]
    return read_request_head(b"".join(piece + b"\r\n" for piece in [*raw, b""]), limits)


def refused(line: str, *fields: str | bytes) -> int:
    """Give the status that refuses the head."""
    with pytest.raises(RequestFault) as fault:
        read(line, *fields)
    assert fault.value.log.startswith(f"{fault.value.status}: ")
    assert "\n" not in fault.value.log
    return fault.value.status


HOST = "Host: localhost"


def test_a_head_in_full() -> None:
    head = read("GET /a%20b?c=d HTTP/1.1", HOST, "X-Name: Jos\xe9".encode("latin-1"), "Empty:")
    assert (head.method, head.target, head.http_version) == ("GET", "/a%20b?c=d", "1.1")
    assert tuple(head.headers) == (("host", "localhost"), ("x-name", "Jos\xe9"), ("empty", ""))
    assert (head.length, head.keep_alive, head.expects_continue) == (0, True, False)
    assert (head.upgrade, head.upgradable) == (False, False)


def test_repeated_fields_stay_apart_and_in_order() -> None:
    head = read("GET / HTTP/1.1", HOST, "Cookie: a=b", "X: 1", "Cookie: c=d")
    assert head.headers.get_all("cookie") == ["a=b", "c=d"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/0.9", 505),
        ("GET / HTTP/3", 505),
        ("GET / HTTP/11.10", 505),
        ("GET / HTTP/", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET / XHTTP/1.1", 400),
        ("GET / HTTP/1.x", 400),
        ("GET /", 400),
        ("GET", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / a HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("G@T / HTTP/1.1", 400),
        ("GET /\te HTTP/1.1", 400),
        ("GET /\u00e9 HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET ?a HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET localhost:80 HTTP/1.1", 400),
        ("GET ftp://localhost/ HTTP/1.1", 400),
        ("GET http:/a HTTP/1.1", 400),
        ("GET http:///a HTTP/1.1", 400),
        ("GET http://a@b/ HTTP/1.1", 400),
        ("CONNECT localhost:80 HTTP/1.1", 501),
    ],
)
def test_a_refused_request_line(line: str, status: int) -> None:
    assert refused(line, HOST) == status


@pytest.mark.parametrize(
    ("field", "status"),
    [
        (" folded", 400),
        ("X: a\r\n folded", 400),
        ("X: a\r\n\tfolded", 400),
        ("X-A : a", 400),
        ("X A: a", 400),
        (": a", 400),
        ("no colon", 400),
        (b"X\xe9: a", 400),
        (HOST, 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 5_0", 400),
        ("Content-Length:", 400),
        ("Content-Length: \u0665", 400),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: 0\r\ncontent-LENGTH: 5", 400),
        ("Content-Length : 5", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", 400),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: chunked, chunked", 501),
        ("Transfer-Encoding: chunked,", 501),
        ("Transfer-Encoding: identity", 501),
        ("Transfer-Encoding:", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        ("Content-Length: 1048577", 413),
        ("Content-Length: " + "9" * 20, 413),
        ("Content-Length: " + "9" * 5000, 413),
        ("Expect: 200-ok", 417),
        ("Expect: 100-continue, more", 417),
        ("Expect: 100-continue\r\nExpect: more", 417),
    ],
)
def test_a_refused_field(field: str | bytes, status: int) -> None:
    assert refused("POST / HTTP/1.1", HOST, field) == status


@pytest.mark.parametrize(
    "value",
    ["", "a b", "a, b", "a/b", "a@b", "a?b", "a#b", "[::1", "::1", "a:80:80", "a:x", "a%zz", '"a"',
     "a:123456", "[g::1]"],
)  # fmt: skip
def test_a_refused_host(value: str) -> None:
    assert refused("GET / HTTP/1.1", f"Host: {value}") == 400
    assert refused("GET / HTTP/1.0", f"Host: {value}") == 400


@pytest.mark.parametrize(
    "value",
    ["a", "a.b:80", "A_b-c~d", "127.0.0.1:8000", "[::1]", "[::ffff:1.2.3.4]:80", "a:", "a%20b",
     "(a)"],
)  # fmt: skip
def test_an_accepted_host(value: str) -> None:
    assert read("GET / HTTP/1.1", f"Host: {value}").headers["host"] == value


def test_http_1_1_needs_a_host_and_http_1_0_does_not() -> None:
    assert refused("GET / HTTP/1.1") == 400
    assert read("GET / HTTP/1.0").http_version == "1.0"
    assert refused("GET / HTTP/1.0", HOST, HOST) == 400


@pytest.mark.parametrize(
    ("method", "target", "origin_form"),
    [
        ("GET", "http://example.test/a?b", "/a?b"),
        ("GET", "HTTPS://example.test/a", "/a"),
        ("GET", "http://example.test", "/"),
        ("GET", "http://example.test?a=/b", "/?a=/b"),
        ("OPTIONS", "http://example.test", "*"),
        ("OPTIONS", "http://example.test/", "/"),
    ],
)
def test_an_absolute_form_becomes_an_origin_form_and_names_the_host(
    method: str, target: str, origin_form: str
) -> None:
    # RFC 9112, sections 3.2.2 and 3.2.4
    head = read(f"{method} {target} HTTP/1.1", "X: 1", "Host: other.test", "Y: 2")
    assert head.target == origin_form
    assert tuple(head.headers) == (("host", "example.test"), ("x", "1"), ("y", "2"))
    assert read(f"{method} {target} HTTP/1.0").headers["host"] == "example.test"


def test_targets_that_stay_as_they_are() -> None:
    for target in ("/", "//a/b", "/http://a", "/a?b?c", "/%00", "/a;b,c"):
        assert read(f"GET {target} HTTP/1.1", HOST).target == target
    assert read("OPTIONS * HTTP/1.1", HOST).target == "*"


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Upgrade, Close", False),
        ("1.1", "closed", True),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_keep_alive(version: str, connection: str | None, keep_alive: bool) -> None:
    fields = [f"Connection: {connection}"] if connection else []
    assert read(f"GET / HTTP/{version}", HOST, *fields).keep_alive is keep_alive


def test_the_length_of_the_body() -> None:
    assert read("POST / HTTP/1.1", HOST).length == 0
    assert read("POST / HTTP/1.1", HOST, "Content-Length: \t0005 ").length == 5
    assert read("POST / HTTP/1.1", HOST, "Content-Length: 1048576").length == 1 << 20
    assert read("POST / HTTP/1.1", HOST, "Transfer-Encoding: Chunked").length is None


def test_a_name_that_only_ends_like_content_length_is_another_field() -> None:
    head = read("POST / HTTP/1.1", HOST, "X-Content-Length: x", "A: content-length: y")
    assert head.length == 0


def test_a_chunked_body_needs_http_1_1() -> None:
    assert refused("POST / HTTP/1.0", "Transfer-Encoding: chunked") == 400


UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")


@pytest.mark.parametrize(
    ("line", "fields", "upgradable"),
    [
        ("GET / HTTP/1.1", [], True),
        ("POST / HTTP/1.1", [], True),
        ("GET / HTTP/1.1", ["Content-Length: 0"], True),
        ("GET / HTTP/1.0", [], False),
        ("GET / HTTP/1.1", ["Content-Length: 5"], False),
        ("GET / HTTP/1.1", ["Transfer-Encoding: chunked"], False),
        ("POST / HTTP/1.1", ["Content-Length: 5"], False),
    ],
)
def test_only_http_1_1_without_a_body_can_be_upgraded(
    line: str, fields: list[str], upgradable: bool
) -> None:
    head = read(line, HOST, *UPGRADE, *fields)
    assert head.upgrade
    assert head.upgradable is upgradable


def test_a_websocket_handshake_with_a_body_is_not_waited_for() -> None:
    for body in ("Content-Length: 5", "Transfer-Encoding: chunked"):
        head = read("GET / HTTP/1.1", HOST, *UPGRADE, body, "Expect: 100-continue")
        assert head.length == 0
        assert not head.expects_continue


def test_any_other_upgrade_with_a_body_is() -> None:
    assert read("GET / HTTP/1.1", HOST, "Upgrade: h2c", "Content-Length: 5").length == 5
    assert read("POST / HTTP/1.1", HOST, *UPGRADE, "Content-Length: 5").length == 5


def test_expectations() -> None:
    body, expect = "Content-Length: 5", "Expect: 100-Continue"
    assert read("POST / HTTP/1.1", HOST, body, expect).expects_continue
    assert read("POST / HTTP/1.1", HOST, body, expect, expect).expects_continue
    assert not read("POST / HTTP/1.1", HOST, expect).expects_continue
    assert not read("POST / HTTP/1.0", HOST, body, expect).expects_continue
    assert not read("POST / HTTP/1.0", HOST, body, "Expect: more").expects_continue
