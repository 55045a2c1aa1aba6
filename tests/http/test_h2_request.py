from __future__ import annotations

import pytest

from fasterapi.http.h1_head import RequestFault
from fasterapi.http.h2_request import RequestFields, read_request_fields
from fasterapi.limits import Limits

from .h2_peer import EXTENDED, GET, fields


def read(pairs: list[tuple[str, str]], **limits: int) -> RequestFields:
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    return read_request_fields(encoded, Limits(**limits), scheme="https", client="c")  # type: ignore[arg-type]


def test_a_request() -> None:
    request = read([*fields(GET, path="/a?b"), ("host", "localhost"), ("x-a", "\xe9")]).request
    assert (request.method, request.target, request.http_version) == ("GET", "/a?b", "2")
    assert request.headers == (("host", "localhost"), ("x-a", "\xe9"))
    assert (request.scheme, request.client, request.protocol) == ("https", "c", None)


def test_a_host_field_will_do_without_an_authority() -> None:
    assert (
        read([*fields(GET, authority=None), ("host", "a.test:1")]).request.headers["host"]
        == "a.test:1"
    )


def test_an_extended_connect() -> None:
    request = read(EXTENDED).request
    assert (request.method, request.protocol, request.target) == ("CONNECT", "websocket", "/ws")


def test_options_may_ask_for_the_server_itself() -> None:
    assert read(fields(GET, method="OPTIONS", path="*")).request.target == "*"


def test_an_expectation() -> None:
    assert not read(GET).expects_continue
    assert read([*GET, ("expect", "100-Continue")]).expects_continue


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        (fields(EXTENDED, protocol="foo"), 501),
        ([(":method", "CONNECT"), (":authority", "a:1")], 501),
        ([*EXTENDED, ("content-length", "0")], 400),
        (fields(EXTENDED, path="x"), 400),
        (fields(GET, method="GE T"), 400),
        (fields(GET, path="http://a/"), 400),
        (fields(GET, path="*"), 400),
        (fields(GET, path="/a#b"), 400),
        (fields(GET, path="/a b"), 400),
        (fields(GET, path="/\xe9"), 400),
        (fields(GET, authority="a/b"), 400),
        (fields(GET, authority="user@a"), 400),
        (fields(GET, authority=""), 400),
        ([*GET, ("x", "a\x01b")], 400),
        ([*GET, ("x", "a\x7fb")], 400),
        ([*GET, ("x(", "a")], 400),
        ([*GET, ("content-length", "+5")], 400),
        ([*GET, ("content-length", "5"), ("content-length", "6")], 400),
        ([*GET, ("content-length", "\xb2")], 400),
        ([*GET, ("content-length", "9" * 30)], 413),
        ([*GET, ("content-length", str((1 << 20) + 1))], 413),
        ([*GET, ("expect", "tea")], 417),
        (fields(GET, path="/" + "a" * 8192), 414),
        ([*GET, ("x", "a" * 8192)], 431),
        ([*GET, *[("x", "")] * 101], 431),
        ([*GET, *[("x", "a" * 4000)] * 5], 431),
    ],
)
def test_a_fault_has_a_status(pairs: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(RequestFault) as caught:
        read(pairs)
    assert caught.value.status == status


def test_a_host_of_any_size_costs_linear_time() -> None:
    with pytest.raises(RequestFault):
        read(fields(GET, authority="a" * 8000 + "/"))
